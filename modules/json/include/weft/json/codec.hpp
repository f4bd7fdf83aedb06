#pragma once
// codec<T>: how one type is read, written and described. Specialise it for a type of your own that is not a described
// struct or enum:
//
//     template <>
//     struct weft::json::codec<money> {
//       static constexpr auto form = weft::json::kind::string;          // what it is in JSON, for std::variant
//       static bool read(reader& r, money& out) {
//         std::string_view text;
//         if (!r.read_text(text)) return false;
//         auto parsed = money::parse(text);
//         if (!parsed) return r.fail("expected an amount such as \"12.50 EUR\"");
//         out = *parsed;
//         return true;
//       }
//       static void write(writer& w, const money& v) { w.string(v.to_string()); }
//       static void schema(schema_writer& s) { s.keyword("type", "string"); }
//     };
//
// Also, where they make sense:
//   static bool absent(const T&)                        a field of this type may be missing; left out when true
//   static bool parse_key(std::string_view, T&)         it can be the key of a map
//   static std::string format_key(const T&)
// Types are default-constructible: a value is made first and then read into.
#include <weft/base/strong.hpp>
#include <weft/base/time.hpp>
#include <weft/base/uuid.hpp>
#include <weft/json/reader.hpp>
#include <weft/json/schema_writer.hpp>
#include <weft/json/traits.hpp>
#include <weft/json/writer.hpp>

#include <charconv>
#include <chrono>
#include <concepts>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <variant>

namespace weft::json {

template <class T>
struct codec {
  static_assert(sizeof(T) == 0,
                "no JSON form for this type: describe it (BOOST_DESCRIBE_STRUCT, BOOST_DESCRIBE_ENUM) or specialise "
                "weft::json::codec");
};

template <class T>
concept optional_field = requires(const T& v) {
  { codec<T>::absent(v) } -> std::convertible_to<bool>;
};

template <class T>
concept map_key = requires(std::string_view text, T& out, const T& v) {
  { codec<T>::parse_key(text, out) } -> std::same_as<bool>;
  { codec<T>::format_key(v) } -> std::convertible_to<std::string>;
};

// Numbers with a meaning, as opposed to bool and to characters.
template <class T>
concept integer = std::integral<T> && !std::same_as<T, bool> && !std::same_as<T, char> && !std::same_as<T, wchar_t> &&
                  !std::same_as<T, char8_t> && !std::same_as<T, char16_t> && !std::same_as<T, char32_t>;

namespace detail {
// Its place in `names`, or their number.
[[nodiscard]] std::size_t find_name(std::span<const std::string_view> names, std::string_view wanted) noexcept;

// Text such as "250ms" as a count of a period of numerator / denominator seconds.
[[nodiscard]] bool read_duration(reader& r, std::intmax_t numerator, std::intmax_t denominator, std::int64_t& out);
void write_duration(writer& w, std::intmax_t numerator, std::intmax_t denominator, std::int64_t count);
void duration_schema(schema_writer& s);
}  // namespace detail

template <>
struct codec<bool> {
  static constexpr auto form = kind::boolean;
  static bool read(reader& r, bool& out) { return r.read_bool(out); }
  static void write(writer& w, bool v) { w.boolean(v); }
  static void schema(schema_writer& s) { s.keyword("type", "boolean"); }
};

template <integer T>
struct codec<T> {
  static constexpr auto form = kind::number;

  static bool read(reader& r, T& out) {
    using limits = std::numeric_limits<T>;
    if constexpr (std::signed_integral<T>) {
      std::int64_t value;
      if (!r.read_signed(value, limits::min(), limits::max())) [[unlikely]]
        return false;
      out = static_cast<T>(value);
    } else {
      std::uint64_t value;
      if (!r.read_unsigned(value, limits::max())) [[unlikely]]
        return false;
      out = static_cast<T>(value);
    }
    return true;
  }

  static void write(writer& w, T v) {
    if constexpr (std::signed_integral<T>) {
      w.number(v);
    } else {
      w.unsigned_number(v);
    }
  }

  static void schema(schema_writer& s) {
    s.keyword("type", "integer");
    if constexpr (std::signed_integral<T>) {
      s.integer("minimum", std::numeric_limits<T>::min());
      s.integer("maximum", std::numeric_limits<T>::max());
    } else {
      s.unsigned_integer("minimum", 0);
      s.unsigned_integer("maximum", std::numeric_limits<T>::max());
    }
  }

  static bool parse_key(std::string_view text, T& out) {
    const char* end = text.data() + text.size();
    const auto parsed = std::from_chars(text.data(), end, out);
    return parsed.ec == std::errc{} && parsed.ptr == end;
  }
  static std::string format_key(T v) { return std::to_string(v); }
};

template <>
struct codec<double> {
  static constexpr auto form = kind::number;
  static bool read(reader& r, double& out) { return r.read_double(out); }
  static void write(writer& w, double v) { w.real(v); }
  static void schema(schema_writer& s) { s.keyword("type", "number"); }
};

template <>
struct codec<float> {
  static constexpr auto form = kind::number;
  static bool read(reader& r, float& out);
  static void write(writer& w, float v) { w.real(v); }
  static void schema(schema_writer& s) { s.keyword("type", "number"); }
};

template <>
struct codec<std::string> {
  static constexpr auto form = kind::string;
  static bool read(reader& r, std::string& out) { return r.read_string(out); }
  static void write(writer& w, const std::string& v) { w.string(v); }
  static void schema(schema_writer& s) { s.keyword("type", "string"); }
  static bool parse_key(std::string_view text, std::string& out) {
    out = text;
    return true;
  }
  static const std::string& format_key(const std::string& v) { return v; }
};

// null, and nothing else.
template <>
struct codec<std::nullptr_t> {
  static constexpr auto form = kind::null;
  static bool read(reader& r, std::nullptr_t&) { return r.read_null(); }
  static void write(writer& w, std::nullptr_t) { w.null(); }
  static void schema(schema_writer& s) { s.keyword("type", "null"); }
};

template <>
struct codec<std::monostate> {
  static constexpr auto form = kind::null;
  static bool read(reader& r, std::monostate&) { return r.read_null(); }
  static void write(writer& w, std::monostate) { w.null(); }
  static void schema(schema_writer& s) { s.keyword("type", "null"); }
};

template <>
struct codec<uuid> {
  static constexpr auto form = kind::string;
  static bool read(reader& r, uuid& out);
  static void write(writer& w, const uuid& v);
  static void schema(schema_writer& s);
  static bool parse_key(std::string_view text, uuid& out);
  static std::string format_key(const uuid& v) { return v.to_string(); }
};

// RFC 3339: any offset on input, UTC on output.
template <>
struct codec<wall_time> {
  static constexpr auto form = kind::string;
  static bool read(reader& r, wall_time& out);
  static void write(writer& w, wall_time v);
  static void schema(schema_writer& s);
};

// A number with a unit, ns us ms s m h or d: "250ms", "1.5s", "-1m". A bare number is refused, since it does not say
// its unit, and so is what the type cannot hold exactly. Written in the largest unit that is exact: "90s", "1m", "0s".
template <std::integral Rep, class Period>
struct codec<std::chrono::duration<Rep, Period>> {
  using duration = std::chrono::duration<Rep, Period>;
  static constexpr auto form = kind::string;

  static bool read(reader& r, duration& out) {
    std::int64_t count;
    if (!detail::read_duration(r, Period::num, Period::den, count)) return false;
    if (!std::in_range<Rep>(count)) return r.fail("the duration is too long for its type");
    out = duration{static_cast<Rep>(count)};
    return true;
  }
  static void write(writer& w, duration v) { detail::write_duration(w, Period::num, Period::den, v.count()); }
  static void schema(schema_writer& s) { detail::duration_schema(s); }
};

template <std::floating_point Rep, class Period>
struct codec<std::chrono::duration<Rep, Period>> {
  using duration = std::chrono::duration<Rep, Period>;
  static constexpr auto form = kind::string;

  static bool read(reader& r, duration& out) {
    std::int64_t nanoseconds;
    if (!detail::read_duration(r, 1, std::nano::den, nanoseconds)) return false;
    out = std::chrono::nanoseconds{nanoseconds};
    return true;
  }
  static void write(writer& w, duration v) {
    detail::write_duration(w, 1, std::nano::den, std::chrono::round<std::chrono::nanoseconds>(v).count());
  }
  static void schema(schema_writer& s) { detail::duration_schema(s); }
};

// As its representation.
template <class Tag, class Rep>
struct codec<strong<Tag, Rep>> {
  using type = strong<Tag, Rep>;
  static constexpr auto form = codec<Rep>::form;

  static bool read(reader& r, type& out) {
    Rep value{};
    if (!codec<Rep>::read(r, value)) return false;
    out = type{std::move(value)};
    return true;
  }
  static void write(writer& w, const type& v) { codec<Rep>::write(w, v.value()); }
  static void schema(schema_writer& s) { codec<Rep>::schema(s); }
  static bool parse_key(std::string_view text, type& out)
    requires map_key<Rep>
  {
    Rep value{};
    if (!codec<Rep>::parse_key(text, value)) return false;
    out = type{std::move(value)};
    return true;
  }
  static std::string format_key(const type& v)
    requires map_key<Rep>
  {
    return codec<Rep>::format_key(v.value());
  }
};

}  // namespace weft::json
