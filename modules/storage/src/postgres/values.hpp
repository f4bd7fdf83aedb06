#pragma once
// Values as the protocol carries them.
#include <weft/storage/value.hpp>

#include <libpq-fe.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace weft::storage {

// The arguments of a statement as libpq takes them. Points into `values`, which must outlive it.
class pg_arguments {
 public:
  explicit pg_arguments(const parameters& values);
  pg_arguments(const pg_arguments&) = delete;
  pg_arguments& operator=(const pg_arguments&) = delete;

  [[nodiscard]] int count() const noexcept { return static_cast<int>(values_.size()); }
  [[nodiscard]] const Oid* types() const noexcept { return types_.data(); }
  [[nodiscard]] const char* const* values() const noexcept { return values_.data(); }
  [[nodiscard]] const int* lengths() const noexcept { return lengths_.data(); }
  [[nodiscard]] const int* formats() const noexcept { return formats_.data(); }

 private:
  std::vector<Oid> types_;
  std::vector<const char*> values_;
  std::vector<int> lengths_, formats_;
  std::vector<std::string> texts_;
};

// Only blobs have a type of their own; all others take it from the statement. So this, with the text, tells prepared
// statements apart.
[[nodiscard]] std::string prepared_key(const std::string& sql, const parameters& values);
// The name that the statement of this key is prepared under: a hash of 128 bits. Where a pooler lends one session to
// several programs, a name means the same statement for all of them. `generation` tells it from one of the same key
// that is of no use any more.
[[nodiscard]] std::string prepared_name(std::string_view key, std::uint32_t generation);

// A result that comes row by row.
class pg_rows {
 public:
  // Takes the rows of `r`. False once they are more than `max_bytes`; they are dropped then.
  [[nodiscard]] bool add(const PGresult* r, std::size_t max_bytes);
  // With what the last part of the result says; empties this.
  [[nodiscard]] rows finish(const PGresult* last);

 private:
  detail::row_data data_;
  std::size_t bytes_ = 0;
};
[[nodiscard]] error result_too_large(std::size_t max_bytes);

}  // namespace weft::storage
