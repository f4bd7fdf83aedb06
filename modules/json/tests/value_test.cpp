#include <weft/json/pretty.hpp>

#include <gtest/gtest.h>
#include <boost/json/object.hpp>

#include "types.hpp"

namespace {

namespace json = weft::json;
using namespace shop;

struct envelope {
  std::string kind;
  json::value data;
};
BOOST_DESCRIBE_STRUCT(envelope, (), (kind, data))

TEST(value, parses_numbers_into_the_form_that_holds_them) {
  EXPECT_TRUE(json::parse("-5")->is_int64());
  EXPECT_TRUE(json::parse("9223372036854775808")->is_uint64());
  EXPECT_TRUE(json::parse("18446744073709551616")->is_double());
  EXPECT_TRUE(json::parse("1.0")->is_double());
}

TEST(value, comes_back_as_the_same_text) {
  for (const std::string_view text : {"null", "[]", "{}", R"({"b":1,"a":[true,false,null,"x",1.0,-2,1e+300]})",
                                      R"("\u0000\"é")", "18446744073709551615"}) {
    const auto v = json::parse(text);
    ASSERT_TRUE(v) << v.error().describe();
    EXPECT_EQ(json::serialize(*v), text);
  }
}

TEST(value, is_laid_out_for_people) {
  EXPECT_EQ(json::pretty(json::parse(R"({"b":[],"a":[1,{"c":{}}],"d":"x"})").value()),
            "{\n  \"b\": [],\n  \"a\": [\n    1,\n    {\n      \"c\": {}\n    }\n  ],\n  \"d\": \"x\"\n}");
}

TEST(value, refuses_a_key_that_appears_twice) {
  const auto v = json::parse(R"({"a":[{"b":1,"b":2}]})");
  ASSERT_FALSE(v);
  EXPECT_EQ(v.error().message(), "$.a[0].b: the field appears twice");
}

TEST(value, is_a_field_that_holds_anything) {
  const std::string text = R"({"kind":"k","data":{"x":[1,2.5]}})";
  const auto e = json::decode<envelope>(text);
  ASSERT_TRUE(e) << e.error().describe();
  EXPECT_EQ(e->data.at("x").at(1).as_double(), 2.5);
  EXPECT_EQ(json::encode(*e), text);
}

TEST(value, converts_to_types_and_back) {
  const item i{"a", 2, 1.5};
  const json::value v = json::to_value(i);
  EXPECT_EQ(v.at("quantity").as_int64(), 2);
  EXPECT_EQ(json::decode<item>(v), i);
  const auto failed = json::decode<item>(json::parse(R"({"sku":1})").value());
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().message(), "$.sku: expected a string, got a number");
}

}  // namespace
