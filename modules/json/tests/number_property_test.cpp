// Numbers and durations that are written read back the same.
#include <weft/json.hpp>

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <bit>
#include <chrono>
#include <cmath>

namespace {

namespace json = weft::json;

template <class T>
void expect_round_trip(T v) {
  const std::string text = json::encode(v);
  RC_ASSERT(json::decode<T>(text).value() == v);
  RC_ASSERT(json::serialize(json::to_value(v)) == text);
}

RC_GTEST_PROP(property, integers, ()) {
  expect_round_trip(*rc::gen::arbitrary<std::int64_t>());
  expect_round_trip(*rc::gen::arbitrary<std::uint64_t>());
  expect_round_trip(*rc::gen::arbitrary<std::int8_t>());
  expect_round_trip(*rc::gen::arbitrary<std::uint16_t>());
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

RC_GTEST_PROP(property, durations, (std::int32_t ms, std::int64_t ns)) {
  expect_round_trip(ms);
  const std::chrono::milliseconds a{ms};
  RC_ASSERT(json::decode<std::chrono::milliseconds>(json::encode(a)).value() == a);
  const std::chrono::nanoseconds b{ns};
  RC_ASSERT(json::decode<std::chrono::nanoseconds>(json::encode(b)).value() == b);
}

}  // namespace
