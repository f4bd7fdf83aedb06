#include <gtest/gtest.h>

#include "types.hpp"

namespace other {
struct item {
  bool used = false;
};
BOOST_DESCRIBE_STRUCT(item, (), (used))
}  // namespace other

namespace {

namespace json = weft::json;
using namespace shop;

struct both {
  shop::item mine;
  other::item theirs;
};
BOOST_DESCRIBE_STRUCT(both, (), (mine, theirs))

std::string definition(const json::value& schema, std::string_view name) {
  return json::serialize(schema.at("$defs").at(boost::json::string_view{name.data(), name.size()}));
}

TEST(schema, describes_structs_by_reference_in_stable_order) {
  EXPECT_EQ(json::schema_text<std::vector<circle>>(),
            R"({"$schema":"https://json-schema.org/draft/2020-12/schema","type":"array",)"
            R"("items":{"$ref":"#/$defs/circle"},"$defs":{"circle":{"type":"object",)"
            R"("properties":{"radius":{"type":"number"}},"required":["radius"]}}})");
}

TEST(schema, knows_every_kind_of_field) {
  const auto s = json::schema_of<order>();
  EXPECT_EQ(json::serialize(s.at("$ref")), "\"#/$defs/order\"");
  EXPECT_EQ(definition(s, "order"), R"({"type":"object","properties":{"id":{"type":"string","format":"uuid"},)"
                                    R"("at":{"type":"string","format":"date-time"},"name":{"type":"string"},)"
                                    R"("state":{"type":"string","enum":["placed","paid","on_hold"]},)"
                                    R"("items":{"type":"array","items":{"$ref":"#/$defs/item"}},)"
                                    R"("note":{"anyOf":[{"type":"string"},{"type":"null"}]},)"
                                    R"("totals":{"type":"object","additionalProperties":{"type":"integer",)"
                                    R"("minimum":-9223372036854775808,"maximum":9223372036854775807}}},)"
                                    R"("required":["id","at","name","state","items","totals"]})");
}

TEST(schema, ends_for_recursive_types) {
  EXPECT_EQ(definition(json::schema_of<tree>(), "tree"),
            R"({"type":"object","properties":{"name":{"type":"string"},)"
            R"("children":{"type":"array","items":{"$ref":"#/$defs/tree"}},)"
            R"("twin":{"anyOf":[{"$ref":"#/$defs/tree"},{"type":"null"}]}},"required":["name","children"]})");
}

TEST(schema, gives_tagged_alternatives_their_tag) {
  const auto s = json::schema_of<payment>();
  EXPECT_EQ(json::serialize(s.at("oneOf")),
            R"([{"$ref":"#/$defs/bank-transfer_tagged"},{"$ref":"#/$defs/card_tagged"}])");
  EXPECT_EQ(definition(s, "card_tagged"),
            R"({"type":"object","properties":{"method":{"const":"card"},"last_digits":{"type":"string"}},)"
            R"("required":["method","last_digits"]})");
}

TEST(schema, keeps_types_of_the_same_name_apart) {
  const auto s = json::schema_of<both>();
  EXPECT_EQ(definition(s, "item_2"),
            R"({"type":"object","properties":{"used":{"type":"boolean"}},"required":["used"]})");
}

TEST(schema, carries_descriptions) {
  EXPECT_EQ(definition(json::schema_of<camel>(), "camel"),
            R"({"description":"A price tag","type":"object","properties":{"unitPrice":{"type":"integer",)"
            R"("minimum":-2147483648,"maximum":2147483647,"description":"In cents"},"class":{"type":"string"}},)"
            R"("required":["unitPrice","class"]})");
}

TEST(schema, carries_names_and_descriptions_of_inherited_members) {
  EXPECT_EQ(definition(json::schema_of<reduced_camel>(), "reduced_camel"),
            R"({"type":"object","properties":{"unitPrice":{"type":"integer",)"
            R"("minimum":-2147483648,"maximum":2147483647,"description":"In cents"},)"
            R"("class":{"type":"string","description":"Of the sale"},)"
            R"("old_price":{"type":"integer","minimum":-2147483648,"maximum":2147483647}},)"
            R"("required":["unitPrice","class","old_price"]})");
  reduced_camel sale;
  sale.class_ = "b";
  sale.old_price = 7;
  EXPECT_EQ(json::encode(sale), R"({"unitPrice":0,"class":"b","old_price":7})");
}

TEST(schema, of_a_configuration_says_what_is_known_and_its_defaults) {
  const auto s = json::schema_of<configuration>(
      {.unknown_fields = json::unknown_fields::refuse, .missing_fields = json::missing_fields::keep_default});
  EXPECT_EQ(definition(s, "server"),
            R"({"type":"object","properties":{"host":{"type":"string","default":"localhost"},)"
            R"("port":{"type":"integer","minimum":0,"maximum":65535,"default":8080},)"
            R"("timeout":{"type":"string","pattern":"^-?[0-9]+(\\.[0-9]+)?(ns|us|ms|s|m|h|d)$","default":"5s"}},)"
            R"("additionalProperties":false})");
}

}  // namespace
