// What is written reads back the same, whatever it is.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

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

RC_GTEST_PROP(property, strings, ()) {
  const std::string text = valid_text();
  expect_round_trip(text);
  expect_round_trip(std::map<std::string, std::string>{{text, text}});
}

RC_GTEST_PROP(property, any_bytes_become_valid_text, (const std::string& bytes)) {
  RC_ASSERT(json::decode<std::string>(json::encode(bytes)).has_value());
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
