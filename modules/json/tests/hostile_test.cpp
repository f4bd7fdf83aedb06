// Input that wants to crash, exhaust or confuse.
#include <gtest/gtest.h>

#include "types.hpp"

namespace {

namespace json = weft::json;
using namespace shop;
using std::string_literals::operator""s;

TEST(hostile, text_that_is_not_json_is_refused) {
  const std::string bad[] = {"",
                             " ",
                             "{",
                             "}",
                             "[",
                             "]",
                             "[1,]",
                             "[,1]",
                             "{\"a\"}",
                             "{\"a\":}",
                             "{\"a\":1,}",
                             "{a:1}",
                             "{'a':1}",
                             "\"",
                             "\"a",
                             "\"\\",
                             "\"\\u12",
                             "\"\\u12g4\"",
                             "\"\\x41\"",
                             "\"\t\"",
                             "\"a\nb\"",
                             "tru",
                             "True",
                             "nul",
                             "nan",
                             "NaN",
                             "Infinity",
                             "-",
                             "+1",
                             "01",
                             "-01",
                             "1.",
                             ".5",
                             "1e",
                             "1e+",
                             "0x10",
                             "1 2",
                             "[1]]",
                             "// c\n1",
                             "/**/1",
                             "\xEF\xBB\xBF{}",
                             "\"\x00\""s,
                             "\x00"s,
                             "1\x00"s,
                             "[1\x00]"s,
                             "\x0b"
                             "1",
                             "\"\\ud800\"",
                             "\"\\udc00\"",
                             "\"\\ud800\\u0041\"",
                             "\"\\ud800x\"",
                             "\"\xff\"",
                             "\"\xc0\x80\"",
                             "\"\xed\xa0\x80\"",
                             "\"\xf4\x90\x80\x80\"",
                             "\"\xe2\x82\"",
                             "\"\xf0\x9f\x98",
                             "1e400",
                             "-1e400",
                             "123456789012345678901234567890e300"};
  for (const auto& text : bad) {
    EXPECT_FALSE(json::parse(text)) << testing::PrintToString(text);
    EXPECT_FALSE(json::decode<item>("{\"x\":" + text + "}")) << testing::PrintToString(text);
  }
}

TEST(hostile, every_truncation_is_refused) {
  const std::string text = R"({"sku":"a\u00e9\ud83d\ude00é","quantity":-12,"price":1.5e+3,"x":[true,false,null,{}]})";
  ASSERT_TRUE(json::decode<item>(text));
  for (std::size_t size = 0; size < text.size(); ++size) {
    // A copy without room behind it, so that a sanitizer sees reads past the end.
    const std::vector<char> copy(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(size));
    EXPECT_FALSE(json::decode<item>(std::string_view{copy.data(), size})) << size;
    EXPECT_FALSE(json::parse(std::string_view{copy.data(), size})) << size;
  }
}

TEST(hostile, depth_is_bounded) {
  const auto nested = [](std::size_t depth) { return std::string(depth, '[') + std::string(depth, ']'); };
  EXPECT_TRUE(json::parse(nested(64)));
  const auto deep = json::parse(nested(65));
  ASSERT_FALSE(deep);
  EXPECT_NE(deep.error().message().find("nested deeper than 64 levels"), std::string_view::npos);
  EXPECT_FALSE(json::parse(std::string(1'000'000, '['), {.max_depth = 4'000'000'000}));
  EXPECT_FALSE(json::decode<item>("{\"unknown\":" + std::string(1'000'000, '[')));
  std::string tree_text;
  for (int i = 0; i < 100'000; ++i) tree_text += R"({"name":"","children":[)";
  EXPECT_FALSE(json::decode<tree>(tree_text));
}

TEST(hostile, size_and_elements_are_bounded) {
  EXPECT_EQ(refusal<std::string>("\"abc\"", {.max_bytes = 4}), "$: the text has 5 bytes, more than the limit of 4");
  EXPECT_TRUE(json::parse("[1,2,3]", {.max_elements = 3}));
  EXPECT_FALSE(json::parse("[1,2,3]", {.max_elements = 2}));
  EXPECT_FALSE(json::decode<item>(R"({"sku":"a","quantity":1,"price":1})", {.max_elements = 2}));
  EXPECT_TRUE(json::decode<item>(R"({"sku":"a","quantity":1,"price":1})", {.max_elements = 3}));
}

TEST(hostile, lists_take_little_more_memory_than_what_is_in_them) {
  // What follows is no part of the list, though it might look as if it were.
  const std::string rest(1 << 20, 'x');
  for (const std::size_t size : {1u, 9u, 100u, 5000u}) {
    std::string text = R"({"plugins":["a")";
    for (std::size_t i = 1; i < size; ++i) text += R"(,"a")";
    const auto got = json::decode<configuration>(text + R"(],"rest":")" + rest + "\"}",
                                                 {.missing_fields = json::missing_fields::keep_default});
    ASSERT_TRUE(got) << got.error().describe();
    EXPECT_EQ(got->plugins.size(), size);
    EXPECT_LE(got->plugins.capacity(), std::max<std::size_t>(8 * size, 8));
  }
  // A long list says little about the next.
  std::vector<std::vector<std::int64_t>> lists(1000, {1});
  lists[0].resize(5000);
  const auto got = json::decode<decltype(lists)>(json::encode(lists));
  ASSERT_TRUE(got);
  for (std::size_t i = 1; i < got->size(); ++i) EXPECT_LE((*got)[i].capacity(), 128u);
}

TEST(hostile, variants_within_variants_stay_linear_enough) {
  // The tag last, at every level: each level is looked over once for its tag.
  std::string text = R"({"radius":1,"x":)";
  std::string end = R"(,"type":"circle"})";
  std::string all;
  for (int i = 0; i < 60; ++i) all += text;
  all += "1";
  for (int i = 0; i < 60; ++i) all += end;
  EXPECT_TRUE(json::decode<shape>(all));
}

TEST(hostile, messages_stay_short) {
  const std::string key(100'000, 'k');
  const auto failed = json::decode<std::map<std::string, int>>("{\"" + key + "\":\"x\"}");
  ASSERT_FALSE(failed);
  EXPECT_LT(failed.error().message().size(), 200u);
  EXPECT_LT(refusal<status>("\"" + key + "\"").size(), 300u);
  EXPECT_LT(refusal<item>("{\"" + key + "\":1}", {.unknown_fields = json::unknown_fields::refuse}).size(), 300u);
}

TEST(hostile, numbers_at_the_edges_of_double) {
  EXPECT_EQ(json::decode<double>("1e-400"), 0.0);
  EXPECT_EQ(json::decode<double>("0e999999999999"), 0.0);
  EXPECT_EQ(json::decode<double>("1.7976931348623157e308"), std::numeric_limits<double>::max());
  EXPECT_EQ(json::decode<double>("4.9e-324"), std::numeric_limits<double>::denorm_min());
  EXPECT_EQ(json::decode<double>("9007199254740993"), 9007199254740992.0);
  EXPECT_EQ(json::decode<double>("0." + std::string(1000, '0') + "1e1001"), 1.0);
  EXPECT_TRUE(std::signbit(json::decode<double>("-0").value()));
  EXPECT_EQ(refusal<float>("1e39"), "$: the number is too large for a 32-bit float");
}

}  // namespace
