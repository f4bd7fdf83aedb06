// Which changes of an event's shape break whom.
#include <weft/messaging/schema_registry.hpp>

#include <gtest/gtest.h>
#include <boost/describe/class.hpp>
#include <boost/describe/enum.hpp>

namespace weft::messaging {
namespace {

enum class currency { eur, usd };
BOOST_DESCRIBE_ENUM(currency, eur, usd)
enum class more_currency { eur, usd, gbp };
BOOST_DESCRIBE_ENUM(more_currency, eur, usd, gbp)

struct item {
  std::string sku;
  int count = 1;
};
BOOST_DESCRIBE_STRUCT(item, (), (sku, count))
struct order {
  std::string id;
  std::vector<item> items;
  currency paid_in = currency::eur;
};
BOOST_DESCRIBE_STRUCT(order, (), (id, items, paid_in))
struct order_with_note {
  std::string id;
  std::vector<item> items;
  currency paid_in = currency::eur;
  std::optional<std::string> note;
};
BOOST_DESCRIBE_STRUCT(order_with_note, (), (id, items, paid_in, note))
struct order_with_required_note {
  std::string id;
  std::vector<item> items;
  currency paid_in = currency::eur;
  std::string note;
};
BOOST_DESCRIBE_STRUCT(order_with_required_note, (), (id, items, paid_in, note))
struct order_with_more {
  std::string id;
  std::vector<item> items;
  more_currency paid_in = more_currency::eur;
};
BOOST_DESCRIBE_STRUCT(order_with_more, (), (id, items, paid_in))
struct other_item {
  std::string sku;
  std::string count;
};
BOOST_DESCRIBE_STRUCT(other_item, (), (sku, count))
struct order_with_other_items {
  std::string id;
  std::vector<other_item> items;
  currency paid_in = currency::eur;
};
BOOST_DESCRIBE_STRUCT(order_with_other_items, (), (id, items, paid_in))
struct tree {
  std::string name;
  std::vector<tree> below;
};
BOOST_DESCRIBE_STRUCT(tree, (), (name, below))

template <class Old, class New>
std::vector<std::string> broken(compatibility wanted) {
  std::vector<std::string> list;
  for (const auto& each : incompatibilities(json::schema_of<Old>(), json::schema_of<New>(), wanted))
    list.push_back(each.describe());
  return list;
}
using strings = std::vector<std::string>;

TEST(SchemaCompatibility, OptionalFieldsBreakNobody) {
  EXPECT_EQ((broken<order, order>(compatibility::full)), strings{});
  EXPECT_EQ((broken<order, order_with_note>(compatibility::full)), strings{});
  EXPECT_EQ((broken<order_with_note, order>(compatibility::full)), strings{});
  EXPECT_EQ((broken<tree, tree>(compatibility::full)), strings{}) << "recursive types end";
}

TEST(SchemaCompatibility, ANewRequiredFieldBreaksReadersOfOldData) {
  EXPECT_EQ((broken<order, order_with_required_note>(compatibility::backward)),
            (strings{"$.note: new code reading old data: is required by the reader, but the writer may leave it out"}));
  EXPECT_EQ((broken<order, order_with_required_note>(compatibility::forward)), strings{});
  EXPECT_EQ((broken<order_with_required_note, order>(compatibility::forward)),
            (strings{"$.note: old code reading new data: is required by the reader, but the writer may leave it out"}));
}

TEST(SchemaCompatibility, ANewValueBreaksOldReaders) {
  EXPECT_EQ((broken<order, order_with_more>(compatibility::backward)), strings{});
  EXPECT_EQ((broken<order, order_with_more>(compatibility::forward)),
            (strings{"$.paid_in: old code reading new data: the reader does not know the value \"gbp\""}));
}

TEST(SchemaCompatibility, AChangedTypeIsNamedWithItsPath) {
  EXPECT_EQ(
      (broken<order, order_with_other_items>(compatibility::backward)),
      (strings{"$.items[].count: new code reading old data: the reader takes string, the writer may send integer"}));
}

TEST(SchemaCompatibility, BoundsAndUnknownFieldsCount) {
  const auto schema = [](std::string_view text) { return json::parse(text).value(); };
  const auto strict = schema(R"({"type":"object","properties":{"a":{"type":"integer","minimum":0,"maximum":9}},
                                 "additionalProperties":false})");
  const auto wide =
      schema(R"({"type":"object","properties":{"a":{"type":"integer","minimum":-1,"maximum":10},"b":{}}})");
  strings list;
  for (const auto& each : unreadable_by(strict, wide)) list.push_back(each.describe());
  EXPECT_EQ(list, (strings{"$.a: minimum is higher for the reader", "$.a: maximum is lower for the reader",
                           "$.b: is unknown to the reader, which refuses unknown fields",
                           "$.*: the reader refuses unknown fields, and the writer may send some"}));
  EXPECT_TRUE(unreadable_by(wide, strict).empty());
}

// Each of 8 definitions refers to all of them in alternatives: more ways through than anybody could follow.
TEST(SchemaCompatibility, EndsHoweverIntricateTheSchemas) {
  const auto tangle = [](std::string_view last) {
    std::string text = R"({"$ref":"#/$defs/d0","$defs":{)";
    for (int i = 0; i < 8; ++i) {
      text += (i == 0 ? "\"d" : ",\"d") + std::to_string(i) + "\":{\"anyOf\":[";
      for (int j = 0; j < 8; ++j)
        text += R"({"type":"object","properties":{"p)" + std::to_string(j) + R"(":{"$ref":"#/$defs/d)" +
                std::to_string((i + j + 1) % 8) + R"("}},"required":["p)" + std::to_string(j) + R"("]},)";
      text += std::string{last} + "]}";
    }
    return json::parse(text + "}}").value();
  };
  EXPECT_FALSE(unreadable_by(tangle(R"({"type":"string"})"), tangle(R"({"type":"integer"})")).empty());
}

TEST(SchemaRegistry, RefusesWhatBreaksItsPromise) {
  schema_registry known;
  EXPECT_TRUE(known.add<order>("orders.placed", 1));
  EXPECT_TRUE(known.add<order_with_note>("orders.placed", 2));
  EXPECT_TRUE(known.add<order>("orders.placed", 1)) << "the same again";
  const auto refused = known.add<order_with_required_note>("orders.placed", 3);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), errc::failed_precondition);
  EXPECT_EQ(refused.error().message(),
            "orders.placed version 3 is not backward compatible: $.note: new code reading old data: is required by the "
            "reader, but the writer may leave it out; $.note: new code reading old data: the reader takes string, the "
            "writer may send null");
  const auto changed = known.check<order_with_more>("orders.placed", 1);
  ASSERT_FALSE(changed);
  EXPECT_EQ(changed.error().message().substr(0, 51), "orders.placed version 1 is not what the registry ha");
  known.set_compatibility("orders.placed", compatibility::none);
  EXPECT_TRUE(known.add<order_with_required_note>("orders.placed", 3));
}

TEST(SchemaRegistry, CountsOnUpcasters) {
  const auto remedied = [](compatibility wanted) {
    schema_registry known;
    EXPECT_TRUE(known.add<order>("orders.placed", 1));
    known.set_compatibility("orders.placed", wanted);
    EXPECT_FALSE(known.add<order_with_other_items>("orders.placed", 2));
    known.set_upcast("orders.placed", 1);
    return known.add<order_with_other_items>("orders.placed", 2);
  };
  EXPECT_TRUE(remedied(compatibility::backward));
  EXPECT_FALSE(remedied(compatibility::full)) << "old code has no upcaster to read new data";

  const auto known =
      schema_registry::parse(R"({"types":{"orders.placed":{"upcast":[1],"versions":{"1":true}}}})").value();
  EXPECT_NE(known.to_json().find("\"upcast\": [\n        1\n      ]"), std::string::npos) << known.to_json();
  upcasters steps;
  EXPECT_EQ(known.check(steps).error().message(), "no upcaster for orders.placed from version 1");
  steps.add<order, order_with_note>("orders.placed", 1, [](order o) -> result<order_with_note> {
    return order_with_note{o.id, o.items, o.paid_in, {}};
  });
  EXPECT_TRUE(known.check(steps));
}

TEST(SchemaRegistry, IsAFile) {
  schema_registry known;
  EXPECT_TRUE(known.add<order>("orders.placed", 1));
  EXPECT_TRUE(known.add<order_with_note>("orders.placed", 2));
  known.set_compatibility("orders.placed", compatibility::full);
  const auto text = known.to_json();
  EXPECT_TRUE(text.starts_with("{\n  \"types\": {\n    \"orders.placed\": {\n      \"compatibility\": \"full\",\n"))
      << text;
  auto again = schema_registry::parse(text);
  ASSERT_TRUE(again) << again.error().describe();
  EXPECT_EQ(again->to_json(), text);
  EXPECT_TRUE(again->check<order>("orders.placed", 1));
  const auto why = [](std::string_view file) { return std::string{schema_registry::parse(file).error().message()}; };
  EXPECT_EQ(why("{}"), "schema registry, $.types: expected an object");
  EXPECT_EQ(why(R"({"types":{"a":{"compatibility":"most"}}})"),
            "schema registry, $.types.a.compatibility: 'most' is no compatibility: none, backward, forward or full");
  EXPECT_EQ(why(R"({"types":{"a":{"upcast":[0]}}})"),
            "schema registry, $.types.a.upcast: expected version numbers from 1");
  EXPECT_EQ(why(R"({"types":{"a":{"versions":{"one":{}}}}})"),
            "schema registry, $.types.a.versions.one: expected a version number from 1");
}

}  // namespace
}  // namespace weft::messaging
