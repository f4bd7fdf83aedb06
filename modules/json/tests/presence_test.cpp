// D: absent, null and value apart; an enumerator for what is not known; a default for one missing field.
#include <weft/json/decode.hpp>
#include <weft/json/schema.hpp>
#include <weft/json/value.hpp>

#include <gtest/gtest.h>
#include <boost/describe/class.hpp>
#include <boost/describe/enum.hpp>

namespace presence {

struct patch {
  weft::json::nullable<std::string> name;
  weft::json::nullable<int> age;
};
BOOST_DESCRIBE_STRUCT(patch, (), (name, age))

enum class payment { card, invoice, other };
BOOST_DESCRIBE_ENUM(payment, card, invoice, other)

struct line {
  std::string sku;
  int quantity = 1;
  payment paid_by = payment::card;
};
BOOST_DESCRIBE_STRUCT(line, (), (sku, quantity, paid_by))
struct long_line : line {
  std::string note = "none";
};
BOOST_DESCRIBE_STRUCT(long_line, (line), (note))

}  // namespace presence

template <>
struct weft::json::traits<presence::payment> {
  static constexpr auto unknown = presence::payment::other;
};
template <>
struct weft::json::traits<presence::line> {
  static constexpr field_note fields[] = {{.member = "quantity", .missing = missing_fields::keep_default}};
};

namespace {

namespace json = weft::json;
using namespace presence;

TEST(Nullable, TellsAbsentNullAndValueApart) {
  const auto read = json::decode<patch>(R"({"name":null})").value();
  EXPECT_TRUE(read.name.is_null());
  EXPECT_FALSE(read.name.is_absent() || read.name);
  EXPECT_TRUE(read.age.is_absent());
  EXPECT_FALSE(read.age.is_null() || read.age.has_value());
  const auto full = json::decode<patch>(R"({"name":"Ada","age":0})").value();
  EXPECT_EQ(*full.name, "Ada");
  EXPECT_EQ(full.age, json::nullable<int>{0});
  EXPECT_EQ(full.name->size(), 3u);
}

TEST(Nullable, IsWrittenAsItWasRead) {
  for (const auto* text : {"{}", R"({"name":null})", R"({"name":"Ada","age":null})", R"({"age":7})"})
    EXPECT_EQ(json::encode(json::decode<patch>(text).value()), text);
  EXPECT_EQ(json::encode(std::vector<json::nullable<int>>{{}, nullptr, 1}), "[null,null,1]");
  EXPECT_EQ(json::decode<patch>(R"({"age":"x"})").error().message(), "$.age: expected a whole number, got a string");
}

TEST(Nullable, IsAValueAndHasASchema) {
  json::nullable<int> n;
  EXPECT_EQ(n.value_or(5), 5);
  n = nullptr;
  EXPECT_EQ(n.as_optional(), std::nullopt);
  EXPECT_NE(n, json::nullable<int>{});
  n = 3;
  EXPECT_EQ(n.value_or(5), 3);
  n.clear();
  EXPECT_TRUE(n.is_absent());
  EXPECT_NE(json::schema_text<patch>().find(R"("name":{"anyOf":[{"type":"string"},{"type":"null"}]})"),
            std::string::npos);
}

TEST(Enums, HaveAnEnumeratorForWhatIsNotKnown) {
  EXPECT_EQ(json::decode<payment>("\"invoice\""), payment::invoice);
  EXPECT_EQ(json::decode<payment>("\"cheque\""), payment::other);
  EXPECT_FALSE(json::decode<payment>("7"));
  EXPECT_EQ(json::encode(payment::other), "\"other\"");
  // Of a map's keys two unknown ones would be one.
  EXPECT_FALSE((json::decode<std::map<payment, int>>(R"({"cheque":1})")));
  EXPECT_EQ(json::schema_text<payment>().find("enum"), std::string::npos);
}

TEST(Fields, HaveADefaultOfTheirOwn) {
  const auto read = json::decode<line>(R"({"sku":"A","paid_by":"card"})");
  ASSERT_TRUE(read);
  EXPECT_EQ(read->quantity, 1);
  EXPECT_EQ(json::decode<line>(R"({"quantity":2,"paid_by":"card"})").error().message(), "$.sku: missing");
  EXPECT_EQ(json::decode<long_line>(R"({"sku":"A","paid_by":"card","note":"x"})")->quantity, 1);
  EXPECT_FALSE(json::decode<long_line>(R"({"sku":"A","paid_by":"card"})"));
  const auto schema = json::schema_text<line>();
  EXPECT_NE(schema.find(R"("required":["sku","paid_by"])"), std::string::npos) << schema;
  EXPECT_NE(schema.find(R"("default":1)"), std::string::npos) << schema;
}

// A survivor: the text may be as long as the limit.
TEST(Limits, ATextOfExactlyMaxBytesIsRead) {
  EXPECT_EQ(json::decode<std::string>("\"abc\"", {.max_bytes = 5}), "abc");
  EXPECT_FALSE(json::decode<std::string>("\"abc\" ", {.max_bytes = 5}));
  EXPECT_TRUE(json::parse("[1]", {.max_bytes = 3}));
  EXPECT_FALSE(json::parse("[1] ", {.max_bytes = 3}));
}

// C9: what is closer to zero than any double is zero, however it is written; what is too large says so.
TEST(Numbers, BeyondADoublesRange) {
  const std::string zeros(330, '0');
  for (const auto& text : std::vector<std::string>{"0." + zeros + "1", "0." + zeros + "1234567890123456789012345",
                                                   "0." + zeros + "1e-5", "-0." + zeros + "9", "0.000" + zeros + "1e3",
                                                   "0.0e400", "1e-400", "1" + std::string(20, '0') + "e-400",
                                                   "0." + zeros + "0e999", "0e99999999999999999999"}) {
    const auto read = json::decode<double>(text);
    ASSERT_TRUE(read) << text << read.error().describe();
    EXPECT_EQ(*read, 0) << text;
    EXPECT_TRUE(json::parse(text)) << text;
  }
  EXPECT_TRUE(std::signbit(json::decode<double>("-0." + zeros + "9").value()));
  EXPECT_EQ(json::decode<double>("0." + zeros + "1e331"), 1.0);
  EXPECT_EQ(json::decode<double>("1" + zeros + "e-330"), 1.0);
  EXPECT_GT(json::decode<double>("4.9e-324").value(), 0);
  for (const auto& text :
       std::vector<std::string>{"1e309", "1" + zeros, "-1" + zeros, "0.0001e400", "123" + zeros + "e-10"})
    EXPECT_FALSE(json::decode<double>(text)) << text;
  EXPECT_EQ(json::decode<std::int64_t>("1.000000000000000000000000"), 1);
  EXPECT_EQ(json::decode<std::int64_t>("1000000000000000000000e-21"), 1);
  EXPECT_EQ(json::decode<std::int64_t>("-9223372036854775808.0"), std::numeric_limits<std::int64_t>::min());
  EXPECT_EQ(json::decode<std::int64_t>("0." + zeros + "7e331"), 7);
}

// C9: years 0001 and 9999 are RFC 3339, in which programs write "always" and "never".
TEST(Times, ReachFromAlwaysToNever) {
  using weft::wall_time;
  const auto read = [](const char* text) { return json::decode<wall_time>("\"" + std::string{text} + "\""); };
  EXPECT_EQ(read("0001-01-01T00:00:00Z"), wall_time::min());
  EXPECT_EQ(read("9999-12-31T23:59:59Z"), wall_time::max());
  EXPECT_EQ(read("9999-12-31T23:59:59.9999999-12:00"), wall_time::max());
  EXPECT_EQ(json::encode(wall_time::min()), "\"0001-01-01T00:00:00Z\"");
  EXPECT_EQ(json::encode(wall_time::max()), "\"9999-12-31T23:59:59Z\"");
  // To the last nanosecond of the range that can be kept.
  for (const auto* text : {"1677-09-21T00:12:43.145224193Z", "2262-04-11T23:47:16.854775806Z", "1677-12-31T23:59:59Z",
                           "2262-01-01T00:00:00Z"})
    EXPECT_EQ(json::encode(read(text).value()), "\"" + std::string{text} + "\"");
  EXPECT_TRUE(read("2262-04-12T00:00:00+01:00"));
  for (const auto* text : {"1677-09-21T00:12:42Z", "2262-04-11T23:47:17Z", "1500-01-01T00:00:00Z"}) {
    const auto refused = read(text);
    ASSERT_FALSE(refused) << text;
    EXPECT_EQ(refused.error().message(),
              "$: the time is not between 1677-09-21 and 2262-04-11, the range that can be kept");
  }
  EXPECT_FALSE(read("9999-13-01T00:00:00Z"));
  EXPECT_FALSE(read("0001-02-30T00:00:00Z"));
  EXPECT_FALSE(read("10000-01-01T00:00:00Z"));
}

}  // namespace
