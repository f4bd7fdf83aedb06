#pragma once
// JSON whose shape is not known beforehand: json::value, which is Boost.JSON's, with our parser and its limits.
//
//     WEFT_TRY(json::value v, json::parse(text));
//     v.as_object()["seen"] = true;
//     std::string out = json::serialize(v);
//     WEFT_TRY(order o, json::decode<order>(v));
//
// Parsing is strict RFC 8259: invalid UTF-8, lone surrogates, a key that appears twice in one object and numbers beyond
// a double are refused, with line, column and byte in the message. Whole numbers become int64, above that uint64, and
// everything else a double. Objects keep the order of the text. Also a codec: a json::value field holds any JSON.
#include <weft/json/decode.hpp>
#include <weft/json/options.hpp>

#include <boost/json/value.hpp>
#include <concepts>
#include <string>
#include <string_view>

namespace weft::json {

using value = boost::json::value;

[[nodiscard]] result<value> parse(std::string_view text, const parse_options& options = {});
// Compact, in the order of the objects.
[[nodiscard]] std::string serialize(const value& v);

template <>
struct codec<value> {
  static bool read(reader& r, value& out);
  static void write(writer& w, const value& v);
  static void schema(schema_writer& s);
};

// A tree to a type and back, by way of its text: the limits and messages are those of the text, and the line, column
// and offset of a failure are of no use.
template <class T, std::same_as<value> Value>
[[nodiscard]] result<T> decode(const Value& v, const decode_options& options = {}) {
  return decode<T>(std::string_view{serialize(v)}, options);
}
template <class T, std::same_as<value> Value>
[[nodiscard]] std::expected<T, decode_failure> try_decode(const Value& v, const decode_options& options = {}) {
  return try_decode<T>(std::string_view{serialize(v)}, options);
}

namespace detail {
[[nodiscard]] value parse_own(std::string_view text);
}

template <class T>
[[nodiscard]] value to_value(const T& v) {
  return detail::parse_own(encode(v));
}

}  // namespace weft::json
