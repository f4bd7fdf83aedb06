#pragma once
// What goes into a SQL statement and what comes out of it, the same for every engine.
//
//     auto found = co_await db.query(ctx, "SELECT name, age FROM users WHERE id = $1", {"7"});
//     for (const auto& r : *found) {
//       WEFT_CO_TRY(const auto name, r.get<std::string>("name"));
//       WEFT_CO_TRY(const auto age, r.get<std::optional<std::int64_t>>("age"));   // may be null
//     }
//
// Values never become part of a statement's text: they are bound to $1, $2, ... A `rows` is immutable, cheap to copy,
// and may cross threads; a `row` and the views it gives live as long as the rows they came from.
#include <weft/base/error.hpp>

#include <compare>
#include <concepts>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

namespace weft::storage {

struct null_value {
  friend bool operator==(null_value, null_value) = default;
};
inline constexpr null_value null{};

// Bytes: BLOB in SQLite, bytea in PostgreSQL.
struct blob {
  std::string bytes;
  friend bool operator==(const blob&, const blob&) = default;
};

enum class value_type : std::uint8_t { null, boolean, integer, real, text, blob };
[[nodiscard]] std::string_view to_string(value_type type) noexcept;

class value {
 public:
  value() noexcept = default;           // null
  value(null_value) noexcept {}         // NOLINT: parameters are written as plain values
  value(std::nullopt_t) noexcept {}     // NOLINT
  value(bool v) noexcept : held_{v} {}  // NOLINT
  template <std::integral I>
    requires(!std::same_as<I, bool> && (std::signed_integral<I> || sizeof(I) < sizeof(std::int64_t)))
  value(I v) noexcept : held_{std::int64_t{v}} {}  // NOLINT: unsigned 64-bit numbers do not fit, so say how they should
  value(double v) noexcept : held_{v} {}           // NOLINT
  value(std::string v) noexcept : held_{std::move(v)} {}  // NOLINT
  value(std::string_view v) : held_{std::string{v}} {}    // NOLINT
  value(const char* v) : held_{std::string{v}} {}         // NOLINT
  value(blob v) noexcept : held_{std::move(v)} {}         // NOLINT
  template <class T>
  value(std::optional<T> v) : value{} {  // NOLINT
    if (v) *this = value{*std::move(v)};
  }

  [[nodiscard]] value_type type() const noexcept { return static_cast<value_type>(held_.index()); }
  [[nodiscard]] bool is_null() const noexcept { return type() == value_type::null; }
  // Null when the value is of another type.
  template <class T>
  [[nodiscard]] const T* get_if() const noexcept {
    return std::get_if<T>(&held_);
  }
  template <class T>
  [[nodiscard]] T* get_if() noexcept {
    return std::get_if<T>(&held_);
  }
  friend bool operator==(const value&, const value&) = default;

 private:
  std::variant<null_value, bool, std::int64_t, double, std::string, blob> held_;
};

using parameters = std::vector<value>;

struct statement {
  std::string sql;  // one statement; its parameters are $1, $2, ...
  parameters values = {};
};

namespace detail {
struct row_data {
  std::vector<std::string> columns;
  std::vector<value> cells;  // row by row
  std::size_t count = 0;
  std::int64_t affected = 0;
};
// The value as that type; the errors say what it is instead.
result<bool> as_boolean(const value& v);
result<std::int64_t> as_integer(const value& v, std::int64_t least, std::int64_t most);
result<double> as_real(const value& v);
result<std::string_view> as_text(const value& v);
result<const blob*> as_blob(const value& v);

template <class T>
inline constexpr bool is_optional = false;
template <class T>
inline constexpr bool is_optional<std::optional<T>> = true;
}  // namespace detail

class row {
 public:
  row(const detail::row_data& data, std::size_t index) noexcept : data_{&data}, index_{index} {}

  [[nodiscard]] std::size_t size() const noexcept { return data_->columns.size(); }
  [[nodiscard]] const value& operator[](std::size_t column) const noexcept {
    return data_->cells[index_ * data_->columns.size() + column];
  }

  // T: bool, an integer, double, std::string, std::string_view, blob, value, or an optional of them where null may
  // stand. errc::out_of_range: no such column, or a number that T cannot hold; errc::failed_precondition: null, or
  // another type. Integers of 0 and 1 are booleans too, since SQLite has no others.
  template <class T>
  [[nodiscard]] result<T> get(std::size_t column) const {
    if (column >= size()) return fail(no_column(std::to_string(column)));
    auto got = convert<T>((*this)[column]);
    if (!got) return fail(got.error().with_operation("column " + data_->columns[column]));
    return got;
  }
  template <class T>
  [[nodiscard]] result<T> get(std::string_view column) const {
    for (std::size_t i = 0; i < size(); ++i)
      if (data_->columns[i] == column) return get<T>(i);
    return fail(no_column(column));
  }

 private:
  [[nodiscard]] error no_column(std::string_view name) const;

  template <class T>
  static result<T> convert(const value& v) {
    if constexpr (detail::is_optional<T>) {
      if (v.is_null()) return T{};
      WEFT_TRY(auto inner, convert<typename T::value_type>(v));
      return T{std::move(inner)};
    } else if constexpr (std::same_as<T, value>) {
      return v;
    } else if constexpr (std::same_as<T, bool>) {
      return detail::as_boolean(v);
    } else if constexpr (std::integral<T>) {
      constexpr auto most = std::cmp_less(std::numeric_limits<std::int64_t>::max(), std::numeric_limits<T>::max())
                                ? std::numeric_limits<std::int64_t>::max()
                                : static_cast<std::int64_t>(std::numeric_limits<T>::max());
      WEFT_TRY(const auto number,
               detail::as_integer(v, static_cast<std::int64_t>(std::numeric_limits<T>::min()), most));
      return static_cast<T>(number);
    } else if constexpr (std::floating_point<T>) {
      WEFT_TRY(const auto number, detail::as_real(v));
      return static_cast<T>(number);
    } else if constexpr (std::same_as<T, blob>) {
      WEFT_TRY(const auto* bytes, detail::as_blob(v));
      return *bytes;
    } else {
      static_assert(std::same_as<T, std::string> || std::same_as<T, std::string_view>, "no column has this type");
      WEFT_TRY(const auto text, detail::as_text(v));
      return T{text};
    }
  }

  const detail::row_data* data_;
  std::size_t index_;
};

// What a statement gave: rows in order, and how many it inserted, changed or deleted.
class rows {
 public:
  rows() : rows{detail::row_data{}} {}
  explicit rows(detail::row_data data) : data_{std::make_shared<const detail::row_data>(std::move(data))} {}

  [[nodiscard]] std::size_t size() const noexcept { return data_->count; }
  [[nodiscard]] bool empty() const noexcept { return size() == 0; }
  [[nodiscard]] row operator[](std::size_t index) const noexcept { return {*data_, index}; }
  [[nodiscard]] std::span<const std::string> columns() const noexcept { return data_->columns; }
  [[nodiscard]] std::int64_t affected() const noexcept { return data_->affected; }
  // The first row's first column; errc::not_found when there is no row.
  template <class T>
  [[nodiscard]] result<T> scalar() const {
    if (empty()) return fail(errc::not_found, "the statement gave no row");
    return (*this)[0].get<T>(0);
  }

  class iterator {
   public:
    using value_type = row;
    using difference_type = std::ptrdiff_t;
    iterator() = default;
    iterator(const detail::row_data* data, std::size_t index) noexcept : data_{data}, index_{index} {}
    row operator*() const noexcept { return {*data_, index_}; }
    iterator& operator++() noexcept { return ++index_, *this; }
    iterator operator++(int) noexcept { return {data_, index_++}; }
    friend bool operator==(const iterator&, const iterator&) = default;

   private:
    const detail::row_data* data_ = nullptr;
    std::size_t index_ = 0;
  };
  [[nodiscard]] iterator begin() const noexcept { return {data_.get(), 0}; }
  [[nodiscard]] iterator end() const noexcept { return {data_.get(), size()}; }

 private:
  std::shared_ptr<const detail::row_data> data_;
};

}  // namespace weft::storage
