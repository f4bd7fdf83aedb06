// What is written reads back the same, whatever it is.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <bit>
#include <cmath>

#include "types.hpp"

namespace {

namespace json = weft::json;
using namespace shop;

template <class T>
void expect_round_trip(const T& v) {
  const std::string text = json::encode(v);
  const auto decoded = json::decode<T>(text);
  RC_ASSERT(decoded.has_value());
  RC_ASSERT(*decoded == v);
  // And through a tree, which writes the same text again.
  RC_ASSERT(json::serialize(json::to_value(v)) == text);
}

std::string valid_text() {
  const auto characters = *rc::gen::container<std::vector<std::uint32_t>>(
      rc::gen::oneOf(rc::gen::inRange<std::uint32_t>(0, 0x80), rc::gen::inRange<std::uint32_t>(0x80, 0xD800),
                     rc::gen::inRange<std::uint32_t>(0xE000, 0x110000)));
  std::string escaped = "\"";
  for (const auto c : characters) {
    const auto unit = [&](std::uint32_t u) {
      constexpr char digits[] = "0123456789aBcDeF";
      escaped += {'\\', 'u', digits[u >> 12], digits[u >> 8 & 15], digits[u >> 4 & 15], digits[u & 15]};
    };
    if (c < 0x10000) {
      unit(c);
    } else {
      unit(0xD800 + ((c - 0x10000) >> 10));
      unit(0xDC00 + ((c - 0x10000) & 0x3FF));
    }
  }
  return json::decode<std::string>(escaped + "\"").value();
}

RC_GTEST_PROP(property, integers, (std::int64_t a, std::uint64_t b, std::int8_t c, std::uint16_t d)) {
  expect_round_trip(a);
  expect_round_trip(b);
  expect_round_trip(c);
  expect_round_trip(d);
}

RC_GTEST_PROP(property, doubles_to_the_bit, (std::uint64_t bits)) {
  const auto v = std::bit_cast<double>(bits);
  if (!std::isfinite(v)) return;
  RC_ASSERT(std::bit_cast<std::uint64_t>(json::decode<double>(json::encode(v)).value()) == bits);
  const auto f = std::bit_cast<float>(static_cast<std::uint32_t>(bits));
  if (!std::isfinite(f)) return;
  RC_ASSERT(std::bit_cast<std::uint32_t>(json::decode<float>(json::encode(f)).value()) ==
            static_cast<std::uint32_t>(bits));
}

RC_GTEST_PROP(property, decimals_are_the_nearest_double, ()) {
  const auto digits = *rc::gen::inRange<std::uint64_t>(0, 1'000'000'000'000'000'000);
  const auto exponent = *rc::gen::inRange(-40, 40);
  std::string text = std::to_string(digits);
  const auto point = *rc::gen::inRange<std::size_t>(1, text.size() + 1);
  if (point < text.size()) text.insert(point, ".");
  if (text.size() > 1 && text[0] == '0' && text[1] != '.') return;
  if (*rc::gen::arbitrary<bool>()) text += "e" + std::to_string(exponent);
  // With room behind the number and without: two paths.
  RC_ASSERT(json::decode<double>(text).value() == std::strtod(text.c_str(), nullptr));
  RC_ASSERT(json::decode<double>(text + std::string(20, ' ')).value() == std::strtod(text.c_str(), nullptr));
}

RC_GTEST_PROP(property, strings, ()) {
  const std::string text = valid_text();
  expect_round_trip(text);
  expect_round_trip(std::map<std::string, std::string>{{text, text}});
}

RC_GTEST_PROP(property, any_bytes_become_valid_text, (const std::string& bytes)) {
  RC_ASSERT(json::decode<std::string>(json::encode(bytes)).has_value());
}

RC_GTEST_PROP(property, durations, (std::int32_t ms, std::int64_t ns)) {
  expect_round_trip(ms);
  const std::chrono::milliseconds a{ms};
  RC_ASSERT(json::decode<std::chrono::milliseconds>(json::encode(a)).value() == a);
  const std::chrono::nanoseconds b{ns};
  RC_ASSERT(json::decode<std::chrono::nanoseconds>(json::encode(b)).value() == b);
}

RC_GTEST_PROP(property, structs, (std::uint64_t high, std::uint64_t low, std::uint32_t at)) {
  order o;
  o.id = weft::uuid::v4(high, low);
  o.at = weft::wall_time{std::chrono::seconds{at}};
  o.name = order_id{valid_text()};
  o.state = *rc::gen::element(status::placed, status::paid, status::on_hold);
  for (int i = *rc::gen::inRange(0, 5); i > 0; --i) {
    o.items.push_back({valid_text(), *rc::gen::arbitrary<int>(), *rc::gen::arbitrary<double>()});
  }
  if (*rc::gen::arbitrary<bool>()) o.note = valid_text();
  o.totals.emplace(valid_text(), cents{*rc::gen::arbitrary<std::int64_t>()});
  expect_round_trip(o);
  expect_round_trip(std::vector<shape>{circle{*rc::gen::arbitrary<double>()}, square{1}});
}

RC_GTEST_PROP(property, mutated_text_never_harms, (std::uint8_t byte, std::uint16_t where)) {
  std::string text =
      R"({"id":"f81d4fae-7dec-11d0-a765-00a0c91e6bf6","at":"2026-02-01T09:30:00Z","name":"A","state":"paid","items":)"
      R"([{"sku":"\u00e9","quantity":2,"price":1.5e2}],"note":null,"totals":{"EUR":600},"x":{"type":[true,-0.1]}})";
  text[where % text.size()] = static_cast<char>(byte);
  const auto decoded = json::decode<order>(text);
  const auto parsed = json::parse(text);
  RC_ASSERT(!decoded || parsed || text.find("\"x\"") == text.npos);  // what decodes is JSON
  if (parsed) RC_ASSERT(json::parse(json::serialize(*parsed)).value() == *parsed);
}

}  // namespace
