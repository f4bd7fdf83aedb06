#include <gtest/gtest.h>

#include "types.hpp"

namespace {

namespace json = weft::json;
using namespace shop;
using namespace std::chrono_literals;

constexpr std::string_view order_text =
    R"({"id":"f81d4fae-7dec-11d0-a765-00a0c91e6bf6","at":"2026-02-01T09:30:00.250Z","name":"A-7","state":"on_hold",)"
    R"("items":[{"sku":"a","quantity":2,"price":1.5},{"sku":"b","quantity":1,"price":3.0}],"totals":{"EUR":600}})";

TEST(decode, reads_a_described_struct_and_writes_the_same_text) {
  const auto o = json::decode<order>(order_text);
  ASSERT_TRUE(o) << o.error().describe();
  EXPECT_EQ(o->id.to_string(), "f81d4fae-7dec-11d0-a765-00a0c91e6bf6");
  EXPECT_EQ(weft::format_rfc3339(o->at), "2026-02-01T09:30:00.250Z");
  EXPECT_EQ(o->name.value(), "A-7");
  EXPECT_EQ(o->state, status::on_hold);
  ASSERT_EQ(o->items.size(), 2u);
  EXPECT_EQ(o->items[1], (item{"b", 1, 3}));
  EXPECT_FALSE(o->note);
  EXPECT_EQ(o->totals.at("EUR").value(), 600);
  EXPECT_EQ(json::encode(*o), order_text);
}

TEST(decode, takes_fields_in_any_order_with_space_and_strangers_between) {
  const auto i =
      json::decode<item>(" {\n \"price\" : 2 ,\t\"new\": [1, {\"x\": null}], \"sku\":\"a\"\r\n,\"quantity\":3 } ");
  ASSERT_TRUE(i) << i.error().describe();
  EXPECT_EQ(*i, (item{"a", 3, 2}));
  EXPECT_EQ(json::decode<item>(R"({"s\u006bu":"a","quantity":1,"price":0})")->sku, "a");
}

TEST(decode, names_the_place_of_what_is_wrong) {
  std::string text{order_text};
  text.replace(text.find("3.0"), 3, "\"x\"");
  EXPECT_EQ(refusal<order>(text), "$.items[1].price: expected a number, got a string");
  EXPECT_EQ(refusal<item>(R"({"quantity":1,"price":2})"), "$.sku: missing");
  EXPECT_EQ(refusal<item>(R"({"sku":null,"quantity":1,"price":2})"), "$.sku: expected a string, got null");
  EXPECT_EQ(refusal<item>("[]"), "$: expected an object, got an array");
  EXPECT_EQ(refusal<item>(R"({"sku":"a","sku":"b","quantity":1,"price":2})"), "$.sku: the field appears twice");
  EXPECT_EQ((refusal<std::map<std::string, int>>(R"({"a b":1,"c":true})")),
            "$.c: expected a whole number, got a boolean");
  EXPECT_EQ((refusal<std::map<std::string, int>>(R"({"a b":{}})")),
            "$[\"a b\"]: expected a whole number, got an object");
  EXPECT_EQ((refusal<std::map<std::string, int>>(R"({"a":1,"a":2})")), "$.a: the field appears twice");
  EXPECT_EQ(refusal<status>(R"("payd")"), "$: \"payd\" is not one of its values; did you mean \"paid\"?");
  EXPECT_EQ(refusal<status>(R"("x")"), "$: \"x\" is not one of its values; known are placed, paid, on_hold");
}

TEST(decode, tells_line_column_and_byte_of_broken_text) {
  EXPECT_EQ(refusal<item>("{\"sku\":\"a\",\n  quantity: 1}"),
            "$: expected a key in double quotes at line 2, column 3 (byte 14)");
  EXPECT_EQ(refusal<std::vector<int>>("[1 2]"), "$: expected ',' or ']' at line 1, column 4 (byte 3)");
  EXPECT_EQ(refusal<std::vector<int>>("[1,"),
            "$[1]: expected a whole number, but the text ends at line 1, column 4 (byte 3)");
  EXPECT_EQ(refusal<int>("1 x"), "$: something follows the value at line 1, column 3 (byte 2)");
}

TEST(decode, gives_the_path_in_parts) {
  const auto failed =
      json::try_decode<configuration>(R"({"http":{"host":"h","port":99999,"timeout":"1s"},"plugins":[]})");
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().path, "$.http.port");
  EXPECT_EQ(failed.error().steps, (std::vector<std::string>{"http", "port"}));
  EXPECT_EQ(failed.error().what, "must be a whole number from 0 to 65535");
  const auto element = json::try_decode<configuration>(json::parse(R"({"plugins":["a",1]})").value(),
                                                       {.missing_fields = json::missing_fields::keep_default});
  ASSERT_FALSE(element);
  EXPECT_EQ(element.error().steps, (std::vector<std::string>{"plugins", "1"}));
}

TEST(decode, is_as_strict_or_as_tolerant_as_asked) {
  EXPECT_EQ(refusal<configuration>(R"({"http":{"prot":1}})", {.unknown_fields = json::unknown_fields::refuse}),
            "$.http.prot: unknown field; did you mean \"port\"?");
  EXPECT_EQ(refusal<server>(R"({"zzz":1})", {.unknown_fields = json::unknown_fields::refuse}),
            "$.zzz: unknown field; known are host, port, timeout");
  const auto kept =
      json::decode<configuration>(R"({"http":{"port":80}})", {.missing_fields = json::missing_fields::keep_default});
  ASSERT_TRUE(kept);
  EXPECT_EQ(kept->http.port, 80);
  EXPECT_EQ(kept->http.host, "localhost");
  EXPECT_EQ(kept->http.timeout, 5s);
}

TEST(decode, holds_integers_to_their_range) {
  EXPECT_EQ(json::decode<std::int8_t>("-128"), -128);
  EXPECT_EQ(refusal<std::int8_t>("128"), "$: must be a whole number from -128 to 127");
  EXPECT_EQ(refusal<unsigned>("-1"), "$: must be a whole number from 0 to 4294967295");
  EXPECT_EQ(json::decode<std::uint64_t>("18446744073709551615"), 18446744073709551615u);
  EXPECT_EQ(json::decode<std::int64_t>("-9223372036854775808"), std::numeric_limits<std::int64_t>::min());
  EXPECT_NE(refusal<std::uint64_t>("18446744073709551616"), "decoded");
  EXPECT_NE(refusal<std::int64_t>("-9223372036854775809"), "decoded");
  EXPECT_EQ(json::decode<int>("3.0"), 3);
  EXPECT_EQ(json::decode<int>("-12e2"), -1200);
  EXPECT_EQ(refusal<int>("3.5"), "$: expected a whole number, got one with a fraction");
  EXPECT_EQ(refusal<int>("true"), "$: expected a whole number, got a boolean");
}

TEST(decode, sees_fractions_that_a_double_rounds_away) {
  const std::string with_fraction = "expected a whole number, got one with a fraction";
  for (const auto* text : {"1234567890123456.1", "-1234567890123456.1", "9007199254740993.5", "1e-400", "0.5e-1",
                           "12345678901234567890123.1", "3.00000000000000000000000000000000001"}) {
    EXPECT_EQ(refusal<std::int64_t>(text), "$: " + with_fraction) << text;
    EXPECT_EQ(refusal<std::int64_t>(text + std::string(20, ' ')), "$: " + with_fraction) << text;
  }
  EXPECT_EQ(refusal<std::uint64_t>("1234567890123456.1"), "$: " + with_fraction);
  EXPECT_EQ(json::try_decode<std::vector<std::int64_t>>("[1, 1234567890123456.1]").error().path, "$[1]");
  EXPECT_EQ(json::decode<std::int64_t>("9007199254740993.0"), 9007199254740993);  // which no double is
  EXPECT_EQ(json::decode<std::int64_t>("-9223372036854775808.00"), std::numeric_limits<std::int64_t>::min());
  EXPECT_EQ(json::decode<std::uint64_t>("1.8446744073709551615e19"), 18446744073709551615u);
  EXPECT_EQ(json::decode<std::int64_t>("12500e-2"), 125);
  EXPECT_EQ(json::decode<std::int64_t>("0e999999999999999"), 0);
  EXPECT_EQ(json::decode<std::int64_t>("0.000e-5"), 0);
  EXPECT_EQ(json::decode<std::int64_t>("3.00000000000000000000000000000000000"), 3);
  EXPECT_EQ(refusal<std::int64_t>("1e19"),
            "$: must be a whole number from -9223372036854775808 to 9223372036854775807");
  EXPECT_NE(refusal<std::int64_t>("1e999999999999999"), "decoded");
}

TEST(decode, reads_durations_with_their_unit) {
  EXPECT_EQ(json::decode<std::chrono::milliseconds>("\"250ms\""), 250ms);
  EXPECT_EQ(json::decode<std::chrono::milliseconds>("\"1.5s\""), 1500ms);
  EXPECT_EQ(json::decode<std::chrono::seconds>("\"-2m\""), -120s);
  EXPECT_EQ(refusal<std::chrono::seconds>("\"1500ms\""), "$: the duration must be a multiple of 1 s");
  EXPECT_EQ(refusal<std::chrono::seconds>("5"),
            "$: a bare number has no unit: write it as text, such as \"250ms\" or \"5s\"");
  for (const auto* bad :
       {"\"\"", "\"5\"", "\"s\"", "\"5 s\"", "\".5s\"", "\"5.s\"", "\"1s2\"", "\"9999999999999999999s\""}) {
    EXPECT_NE(refusal<std::chrono::seconds>(bad), "decoded") << bad;
  }
  EXPECT_NE(refusal<std::chrono::nanoseconds>("\"999999999999999999d\""), "decoded");
  EXPECT_EQ(json::encode(60s), "\"1m\"");
  EXPECT_EQ(json::encode(90s), "\"90s\"");
  EXPECT_EQ(json::encode(0ms), "\"0s\"");
  EXPECT_EQ(json::encode(48h), "\"2d\"");
  EXPECT_EQ(json::encode(std::chrono::duration<double>{0.25}), "\"250ms\"");
}

TEST(decode, tells_variants_apart_by_tag_or_by_kind) {
  EXPECT_EQ(json::encode(shape{circle{2}}), R"({"type":"circle","radius":2.0})");
  EXPECT_EQ(json::decode<shape>(R"({"type":"square","side":1})"), shape{square{1}});
  EXPECT_EQ(json::decode<shape>(R"({"x":[{}],"side":1,"type":"square"})"), shape{square{1}});
  EXPECT_EQ(json::decode<shape>(R"({"side":1,"type":"square"})", {.unknown_fields = json::unknown_fields::refuse}),
            shape{square{1}});
  EXPECT_EQ(refusal<shape>(R"({"side":1})"), "$.type: missing");
  EXPECT_EQ(refusal<shape>(R"({"type":"squire","side":1})"),
            "$.type: \"squire\" is not one of its values; did you mean \"square\"?");
  EXPECT_EQ(refusal<shape>(R"({"type":1})"), "$.type: expected a string, got a number");
  EXPECT_EQ(refusal<shape>(R"({"type":"square","type":"circle","side":1})"), "$.type: the field appears twice");
  EXPECT_EQ(refusal<shape>("7"), "$: expected an object, got a number");
  EXPECT_EQ(json::decode<label>("\"x\""), label{"x"});
  EXPECT_EQ(json::decode<label>("5"), label{std::int64_t{5}});
  EXPECT_EQ(json::decode<label>("null"), label{});
  EXPECT_EQ(refusal<label>("true"), "$: expected null or a string or a number, got a boolean");
  EXPECT_EQ(json::encode(payment{bank_transfer{"GB1"}}), R"({"method":"bank-transfer","iban":"GB1"})");
  EXPECT_EQ(std::get<card>(json::decode<payment>(R"({"method":"card","last_digits":"1"})").value()).last_digits, "1");
}

TEST(decode, reads_every_container) {
  EXPECT_EQ((json::decode<std::array<int, 2>>("[1,2]")), (std::array{1, 2}));
  EXPECT_EQ((refusal<std::array<int, 2>>("[1]")), "$: expected 2 elements");
  EXPECT_EQ((refusal<std::array<int, 2>>("[1,2,3]")), "$: expected 2 elements");
  EXPECT_EQ(json::decode<std::set<int>>("[2,1,2]"), (std::set{1, 2}));
  EXPECT_EQ(json::decode<std::vector<bool>>("[true,false]"), (std::vector{true, false}));
  EXPECT_EQ(refusal<std::vector<bool>>("[true,0]"), "$[1]: expected true or false, got a number");
  EXPECT_EQ(json::decode<std::deque<std::string>>("[]")->size(), 0u);
  EXPECT_EQ(json::encode(std::unordered_map<std::string, int>{{"b", 2}, {"c", 3}, {"a", 1}}), R"({"a":1,"b":2,"c":3})");
  EXPECT_EQ((json::encode(std::map<status, std::list<int>>{{status::paid, {1}}})), R"({"paid":[1]})");
  EXPECT_EQ((json::decode<std::map<order_id, int>>(R"({"x":1})")->at(order_id{"x"})), 1);
  EXPECT_EQ((json::decode<std::unordered_map<int, int>>(R"({"4":1})")->at(4)), 1);
  EXPECT_EQ((refusal<std::map<int, int>>(R"({"four":1})")), "$.four: the key is not valid here");
  EXPECT_FALSE(json::decode<std::optional<int>>("null")->has_value());
  EXPECT_EQ(json::encode(std::vector<std::optional<int>>{1, {}}), "[1,null]");
}

TEST(decode, reads_recursive_types) {
  const auto t =
      json::decode<tree>(R"({"name":"a","children":[{"name":"b","children":[]}],"twin":{"name":"c","children":[]}})");
  ASSERT_TRUE(t) << t.error().describe();
  EXPECT_EQ(t->children.at(0).name, "b");
  EXPECT_EQ(t->twin->name, "c");
  EXPECT_EQ(t->children[0].twin, nullptr);
}

TEST(decode, uses_names_of_traits_and_codecs_of_users) {
  const camel c{.unit_price = 5, .class_ = "x"};
  EXPECT_EQ(json::encode(c), R"({"unitPrice":5,"class":"x"})");
  EXPECT_EQ(json::decode<camel>(R"({"class":"x","unitPrice":5})"), c);
  EXPECT_EQ(json::decode<std::vector<version>>(R"(["1.4"])")->at(0), (version{1, 4}));
  EXPECT_EQ(refusal<std::vector<version>>(R"(["1.4","x"])"), "$[1]: expected a version such as \"1.4\"");
}

TEST(decode, reads_lists_of_any_length_within_lists) {
  std::vector<std::vector<std::string>> lists;
  for (std::size_t size = 0; size < 70; ++size) lists.emplace_back(size * size % 71, std::to_string(size));
  EXPECT_EQ(json::decode<decltype(lists)>(json::encode(lists)), lists);
}

TEST(encode, always_gives_valid_text) {
  EXPECT_EQ(json::encode(std::string{"\"\\\n\x01 é \xff"}), "\"\\\"\\\\\\n\\u0001 é \xEF\xBF\xBD\"");
  EXPECT_EQ(json::encode(std::numeric_limits<double>::quiet_NaN()), "null");
  EXPECT_EQ(json::encode(-std::numeric_limits<double>::infinity()), "null");
  EXPECT_EQ(json::encode(0.1f), "0.1");
  EXPECT_EQ(json::encode(nullptr), "null");
}

}  // namespace
