#pragma once
// Described types from JSON text and to it, directly, without a tree in between.
//
//     struct item  { std::string sku; int quantity = 1; };
//     struct order { order_id id; std::vector<item> items; std::optional<std::string> note; weft::wall_time at; };
//     BOOST_DESCRIBE_STRUCT(item, (), (sku, quantity))
//     BOOST_DESCRIBE_STRUCT(order, (), (id, items, note, at))
//
//     WEFT_TRY(auto o, json::decode<order>(text));  // or "$.items[2].quantity: expected a whole number, got a string"
//     std::string again = json::encode(o);
//
// Types: described structs (nested, inherited) and enums, bool, integers (range-checked), float, double, std::string,
// std::optional, json::nullable (absent, null and value apart), vector, array, deque, list, set, map and unordered_map, unique_ptr and shared_ptr, std::variant,
// weft::strong, uuid, wall_time, durations, json::value (value.hpp), and whatever has a codec of its own (codec.hpp).
//
// A missing field is an error unless its type is optional or its traits say that it has a default; unknown fields are
// ignored; decode_options changes both.
// A field or key that appears twice is refused. Errors are errc::invalid_argument. No shared state: any thread.
// Encoding cannot fail (writer.hpp says what becomes of NaN and of bytes that are not UTF-8).
#include <weft/json/codec.hpp>
#include <weft/json/codec_containers.hpp>
#include <weft/json/codec_described.hpp>
#include <weft/json/codec_variant.hpp>
#include <weft/json/nullable.hpp>

#include <expected>
#include <string>
#include <string_view>
#include <utility>

namespace weft::json {

// With the path in parts, for callers that map it to a place of their own.
template <class T>
[[nodiscard]] std::expected<T, decode_failure> try_decode(std::string_view text, const decode_options& options = {}) {
  reader r{text, options};
  std::expected<T, decode_failure> out;
  if (!r.start() || !codec<T>::read(r, *out) || !r.finish()) [[unlikely]]
    out = std::unexpected{r.take_failure()};
  return out;
}

template <class T>
[[nodiscard]] result<T> decode(std::string_view text, const decode_options& options = {}) {
  reader r{text, options};
  result<T> out;
  if (!r.start() || !codec<T>::read(r, *out) || !r.finish()) [[unlikely]]
    out = fail(r.take_failure().to_error());
  return out;
}

template <class T>
[[nodiscard]] std::string encode(const T& v) {
  writer w;
  codec<T>::write(w, v);
  return std::move(w).take();
}

}  // namespace weft::json
