#pragma once
// A field that may be absent, null or a value, where the three mean different things, as in a merge patch (RFC 7396).
//
//     struct user_patch { json::nullable<std::string> name; json::nullable<int> age; };
//     BOOST_DESCRIBE_STRUCT(user_patch, (), (name, age))
//
//     auto patch = json::decode<user_patch>(R"({"name":null})").value();
//     patch.age.is_absent();                            // leave it as it is
//     patch.name.is_null();                             // remove it
//     if (patch.name) user.name = *patch.name;          // a value
//
// std::optional takes absent and null for the same. An absent field is left out when written, null is written as null;
// where nothing can be left out, as in an array, absent is null too. A value type.
#include <weft/json/codec.hpp>

#include <cstdint>
#include <optional>
#include <utility>

namespace weft::json {

template <class T>
class nullable {
 public:
  // Absent.
  constexpr nullable() = default;
  constexpr nullable(std::nullptr_t) noexcept : present_{true} {}
  constexpr nullable(T value) : value_{std::move(value)}, present_{true} {}

  [[nodiscard]] constexpr bool is_absent() const noexcept { return !present_; }
  [[nodiscard]] constexpr bool is_null() const noexcept { return present_ && !value_.has_value(); }
  [[nodiscard]] constexpr bool has_value() const noexcept { return value_.has_value(); }
  constexpr explicit operator bool() const noexcept { return has_value(); }

  // With a value only.
  [[nodiscard]] constexpr const T& operator*() const noexcept { return *value_; }
  [[nodiscard]] constexpr T& operator*() noexcept { return *value_; }
  [[nodiscard]] constexpr const T* operator->() const noexcept { return &*value_; }
  [[nodiscard]] constexpr T* operator->() noexcept { return &*value_; }
  [[nodiscard]] constexpr T value_or(T otherwise) const { return value_.value_or(std::move(otherwise)); }
  // The value, or nothing for absent and null alike.
  [[nodiscard]] constexpr const std::optional<T>& as_optional() const noexcept { return value_; }

  // Absent again.
  constexpr void clear() noexcept { value_.reset(), present_ = false; }
  constexpr T& emplace() { return present_ = true, value_.emplace(); }

  friend constexpr bool operator==(const nullable&, const nullable&) = default;

 private:
  std::optional<T> value_;
  bool present_ = false;
};

template <class T>
struct codec<nullable<T>> {
  static bool absent(const nullable<T>& v) { return v.is_absent(); }

  static bool read(reader& r, nullable<T>& out) {
    kind next;
    if (!r.peek(next)) return false;
    if (next == kind::null) {
      out = nullptr;
      return r.read_null();
    }
    return codec<T>::read(r, out.emplace());
  }
  static void write(writer& w, const nullable<T>& v) {
    if (!v) return w.null();
    codec<T>::write(w, *v);
  }
  static void schema(schema_writer& s) { s.schemas("anyOf", {&codec<T>::schema, &codec<std::nullptr_t>::schema}); }
};

}  // namespace weft::json
