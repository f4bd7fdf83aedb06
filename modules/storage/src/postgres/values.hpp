#pragma once
// Values as the protocol carries them.
#include <weft/storage/value.hpp>

#include <libpq-fe.h>

#include <string>
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

// errc::resource_exhausted beyond `limit` bytes.
result<rows> read_result(const PGresult* r, std::size_t limit);

}  // namespace weft::storage
