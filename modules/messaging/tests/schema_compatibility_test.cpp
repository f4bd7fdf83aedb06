// C8, F17: what `weft schema check` may call compatible. Sound first (what a writer may send, the reader takes), then
// without false alarms for what is plainly compatible.
#include <weft/messaging/schema_registry.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <ostream>
#include <vector>

namespace weft::messaging {
namespace {

enum class answer { compatible, incompatible, undecided };
std::ostream& operator<<(std::ostream& out, answer a) {
  return out << (a == answer::compatible ? "compatible" : a == answer::incompatible ? "incompatible" : "undecided");
}

answer judge(std::string_view reader, std::string_view writer) {
  const auto found = unreadable_by(json::parse(reader).value(), json::parse(writer).value());
  if (found.empty()) return answer::compatible;
  const bool certain = std::ranges::any_of(found, [](const auto& f) { return f.how == judgement::incompatible; });
  return certain ? answer::incompatible : answer::undecided;
}

struct pair_case {
  std::string_view reader, writer;
  answer expected;
};

void check(const std::vector<pair_case>& table) {
  for (const auto& each : table)
    EXPECT_EQ(judge(each.reader, each.writer), each.expected) << each.reader << "\n  reading " << each.writer;
}

constexpr auto yes = answer::compatible, no = answer::incompatible, unsure = answer::undecided;

TEST(SchemaCompatibility, C8AReadersKeywordsAllCount) {
  check({
      {R"({"type":"object","allOf":[{"required":["a"]}]})", R"({"type":"object"})", no},
      {R"({"type":"object","allOf":[{"required":["a"]}]})", R"({"type":"object","required":["a"]})", yes},
      {R"({"allOf":[{"type":"string"},{"minLength":3}]})", R"({"type":"string","minLength":2})", no},
      {R"({"type":"string","not":{"const":"x"}})", R"({"type":"string"})", unsure},
      {R"({"type":"string","not":{"type":"integer"}})", R"({"type":"string"})", yes},
      {R"({"type":"object","patternProperties":{"^x":{"type":"string"}}})", R"({"type":"object"})", unsure},
      {R"({"type":"object","patternProperties":{"^x":{"type":"string"}}})",
       R"({"type":"object","patternProperties":{"^x":{"type":"string","minLength":1}}})", yes},
      {R"({"type":"array","prefixItems":[{"type":"string"}]})", R"({"type":"array"})", no},
      {R"({"type":"array","prefixItems":[{"type":"string"}]})", R"({"type":"array","items":{"type":"string"}})", yes},
      {R"({"type":"array","prefixItems":[{"type":"string"}],"items":false})",
       R"({"type":"array","items":{"type":"string"},"maxItems":1})", yes},
      {R"({"type":"array","items":[{"type":"string"}],"additionalItems":false})",
       R"({"type":"array","items":{"type":"string"}})", no},
      {R"({"type":"object","required":["b"],"anyOf":[{"required":["a"]},{"required":["b"]}]})",
       R"({"type":"object","required":["a"]})", no},
      {R"({"type":"object","anyOf":[{"required":["a"]},{"required":["b"]}]})", R"({"type":"object","required":["a"]})",
       yes},
      {R"({"anyOf":[{"type":"string"}],"maxLength":3})", R"({"type":"string"})", no},
      {R"({"type":"object","if":{"required":["a"]},"then":{"required":["b"]}})", R"({"type":"object"})", unsure},
      {R"({"type":"object","if":{"required":["a"]},"then":{"required":["b"]}})",
       R"({"type":"object","required":["b"]})", yes},
      {R"({"type":"object","dependentSchemas":{"a":{"required":["b"]}}})", R"({"type":"object"})", unsure},
      {R"({"type":"object","dependentRequired":{"a":["b"]}})", R"({"type":"object","properties":{"a":{}}})", no},
      {R"({"type":"object","dependentRequired":{"a":["b"]}})", R"({"type":"object","required":["b"]})", yes},
      {R"({"type":"object","unevaluatedProperties":false})", R"({"type":"object"})", unsure},
      {R"({"type":"array","contains":{"type":"string"}})", R"({"type":"array"})", unsure},
      {R"({"type":"object","propertyNames":{"pattern":"^a"}})", R"({"type":"object"})", unsure},
      {R"({"type":"string","contentDigest":"x"})", R"({"type":"string"})", unsure},
      {R"({"type":"string","title":"x","x-unit":"m","default":"a"})", R"({"type":"string"})", yes},
      {R"({"type":"file"})", R"({"type":"string"})", unsure},
      {R"({"type":"string","pattern":"^a"})", R"({"type":"string","pattern":"^ab"})", unsure},
      {R"({"type":"object","properties":{"a":{"required":true}}})",
       R"({"type":"object","properties":{"a":{"type":"object"}}})", unsure},
      {R"({"type":"string"})", R"({"type":"string","nullable":true})", unsure},
      {R"({"type":"string","nullable":true})", R"({"type":"string"})", unsure},
      {R"({"anyOf":[{"minimum":0},{"maximum":0}]})", R"({"type":"number"})", unsure},
      {R"({"anyOf":[{"type":"string","maxLength":3},{"type":"null"}]})", R"({"type":["string","null"]})", no},
      {"false", R"({"type":"string"})", no},
      {"false", "false", yes},
      {R"({"type":"string"})", R"({"type":"string","enum":[]})", yes},
  });
}

TEST(SchemaCompatibility, C8OnlyOneAlternativeOfOneOfMayTakeAValue) {
  check({
      {R"({"oneOf":[{"type":"integer"},{"type":"number"}]})", R"({"type":"integer"})", unsure},
      {R"({"anyOf":[{"type":"integer"},{"type":"number"}]})", R"({"type":"integer"})", yes},
      {R"({"oneOf":[{"type":"integer"},{"type":"string"}]})", R"({"type":["integer","string"]})", yes},
      {R"({"oneOf":[{"properties":{"t":{"const":"a"}},"required":["t"]},{"properties":{"t":{"const":"b"}},"required":["t"]}]})",
       R"({"type":"object","properties":{"t":{"enum":["a","b"]}},"required":["t"]})", yes},
      {R"({"oneOf":[{"type":"object","properties":{"t":{"const":"a"}},"required":["t"]},
                    {"type":"object","properties":{"t":{"const":"b"}},"required":["t"]}]})",
       R"({"type":"object","properties":{"t":{"const":"b"}},"required":["t"]})", yes},
  });
}

TEST(SchemaCompatibility, C8BoundsAreComparedExactly) {
  check({
      {R"({"type":"integer","maximum":9007199254740992})", R"({"type":"integer","maximum":9007199254740993})", no},
      {R"({"type":"integer","minimum":-9007199254740992})", R"({"type":"integer","minimum":-9007199254740993})", no},
      {R"({"type":"integer","maximum":18446744073709551614})", R"({"type":"integer","maximum":18446744073709551615})",
       no},
      {R"({"type":"integer","maximum":9223372036854775807})", R"({"type":"integer","maximum":9223372036854775808})",
       no},
      {R"({"type":"number","maximum":10.5})", R"({"type":"integer","maximum":10})", yes},
      {R"({"type":"number","exclusiveMaximum":10})", R"({"type":"number","maximum":10})", no},
      {R"({"type":"number","exclusiveMaximum":10})", R"({"type":"number","maximum":9})", yes},
      {R"({"type":"number","maximum":10})", R"({"type":"number","exclusiveMaximum":10})", yes},
      {R"({"type":"number","minimum":0,"exclusiveMinimum":true})", R"({"type":"number","minimum":1})", unsure},
      {R"({"type":"integer","minimum":4})", R"({"type":"integer","exclusiveMinimum":3})", yes},
      {R"({"type":"integer","minimum":5})", R"({"type":"integer","exclusiveMinimum":3})", no},
      {R"({"type":"number","minimum":4})", R"({"type":"number","exclusiveMinimum":3})", no},
      {R"({"type":"array","minItems":2})", R"({"type":"array","minItems":1})", no},
      {R"({"type":"object","minProperties":1})", R"({"type":"object","required":["a"]})", yes},
      {R"({"type":"array","uniqueItems":true})", R"({"type":"array"})", no},
      {R"({"type":"array","uniqueItems":true})", R"({"type":"array","maxItems":1})", yes},
      {R"({"type":"array","uniqueItems":false})", R"({"type":"array","uniqueItems":true})", yes},
  });
}

TEST(SchemaCompatibility, C8F17FalseAlarms) {
  check({
      {R"({"type":"integer","minimum":0})", R"({"const":5})", yes},
      {R"({"type":"integer","minimum":6})", R"({"const":5})", no},
      {R"({"type":"number","multipleOf":2})", R"({"type":"number","multipleOf":4})", yes},
      {R"({"type":"number","multipleOf":4})", R"({"type":"number","multipleOf":2})", no},
      {R"({"type":"number","multipleOf":0.01})", R"({"type":"number","multipleOf":0.1})", yes},
      {R"({"type":"number","multipleOf":0.5})", R"({"type":"integer"})", yes},
      {R"({"type":"string"})", R"({"enum":["a"]})", yes},
      {R"({"type":"string"})", R"({"enum":["a",1]})", no},
      {R"({"const":1.0})", R"({"const":1})", yes},
      {R"({"enum":[1.0,2]})", R"({"enum":[1]})", yes},
      {R"({"type":"integer"})", R"({"const":1.0})", yes},
      {R"({"enum":[true,false]})", R"({"type":"boolean"})", yes},
      {R"({"type":"string","minimum":3})", R"({"type":"string"})", yes},
      {R"({"type":["string","null"],"maxLength":3})", R"({"type":["string","null"],"maxLength":2})", yes},
      {R"({"type":"array","items":{"type":"string"}})", R"({"type":"string"})", no},
      {R"({"properties":{"a":{"type":"string"}}})", R"({"type":"string"})", yes},
      // A new optional field, and one that is gone.
      {R"({"type":"object","properties":{"a":{"type":"string"},"b":{"type":"string"}}})",
       R"({"type":"object","properties":{"a":{"type":"string"}}})", yes},
      {R"({"type":"object","properties":{}})", R"({"type":"object","properties":{"a":{"type":"string"}}})", yes},
  });
}

TEST(SchemaCompatibility, F17ReferencesAreFollowedOrDoubted) {
  check({
      {R"({"$ref":"#/definitions/a","definitions":{"a":{"type":"string"}}})", R"({"type":"integer"})", no},
      {R"({"type":"string"})", R"({"$ref":"#/definitions/a","definitions":{"a":{"type":"integer"}}})", no},
      {R"({"type":"string"})", R"({"$ref":"#/definitions/a","definitions":{"a":{"type":"string"}}})", yes},
      {R"({"$ref":"#/$defs/gone"})", R"({"type":"integer"})", unsure},
      {R"({"$ref":"#/$defs/gone"})", R"({"$ref":"#/$defs/gone"})", unsure},
      {R"({"type":"string"})", R"({"$ref":"https://example.com/other"})", unsure},
      {R"({"$ref":"#/properties/a","properties":{"a":{"type":"string"}}})", R"({"type":"integer"})", no},
      {R"({"$ref":"#/$defs/x~1y%25","$defs":{"x/y%":{"type":"string"}}})", R"({"type":"string"})", yes},
      {R"({"$ref":"#here","$defs":{"a":{"$anchor":"here","type":"string"}}})", R"({"type":"string"})", yes},
      {R"({"$ref":"#here","$defs":{"a":{"$anchor":"here","type":"string"}}})", R"({"type":"null"})", no},
      {R"({"$id":"https://a/b","$ref":"https://a/b#/$defs/a","$defs":{"a":{"type":"string"}}})", R"({"type":"null"})",
       no},
      // Beside a reference keywords count, but not in draft 7.
      {R"({"$ref":"#/$defs/a","maxLength":1,"$defs":{"a":{"type":"string"}}})", R"({"type":"string"})", no},
      {R"({"$schema":"http://json-schema.org/draft-07/schema#","$ref":"#/definitions/a","maxLength":1,
           "definitions":{"a":{"type":"string"}}})",
       R"({"type":"string"})", yes},
      {R"({"maxLength":1})", R"({"$schema":"http://json-schema.org/draft-07/schema#","$ref":"#/definitions/a",
           "maxLength":1,"definitions":{"a":{"type":"string"}}})",
       no},
      {R"({"$ref":"#"})", R"({"type":"integer"})", unsure},
      {R"({"anyOf":[{"$ref":"#"},{"type":"string"}]})", R"({"type":"integer"})", unsure},
      {R"({"$defs":{"t":{"type":"object","properties":{"n":{"$ref":"#/$defs/t"},"v":{"type":"number"}}}},"$ref":"#/$defs/t"})",
       R"({"$defs":{"t":{"type":"object","properties":{"n":{"$ref":"#/$defs/t"},"v":{"type":"integer"}}}},"$ref":"#/$defs/t"})",
       yes},
      {R"({"$defs":{"t":{"type":"object","properties":{"n":{"$ref":"#/$defs/t"},"v":{"type":"integer"}}}},"$ref":"#/$defs/t"})",
       R"({"$defs":{"t":{"type":"object","properties":{"n":{"$ref":"#/$defs/t"},"v":{"type":"number"}}}},"$ref":"#/$defs/t"})",
       no},
      // The same text means something else where its definitions differ.
      {R"({"type":"string","not":{"$ref":"#/$defs/a"},"$defs":{"a":{"const":"x"}}})",
       R"({"type":"string","not":{"$ref":"#/$defs/a"},"$defs":{"a":{"const":"y"}}})", unsure},
      {R"({"type":"string","not":{"$ref":"#/$defs/a"},"minLength":0,"$defs":{"a":{"const":"x"}}})",
       R"({"type":"string","not":{"$ref":"#/$defs/a"},"$defs":{"a":{"const":"x"}}})", yes},
  });
}

TEST(SchemaCompatibility, F17UnknownFieldsOfOpenContent) {
  check({
      {R"({"type":"object","properties":{"a":{}},"additionalProperties":false})",
       R"({"type":"object","properties":{"a":{}}})", no},
      {R"({"type":"object","properties":{"a":{}},"additionalProperties":false})",
       R"({"type":"object","properties":{"a":{}},"additionalProperties":true})", no},
      {R"({"type":"object","properties":{"a":{}},"additionalProperties":false})",
       R"({"type":"object","properties":{"a":{}},"additionalProperties":false})", yes},
      {R"({"type":"object","additionalProperties":{"type":"string"}})", R"({"type":"object"})", no},
      {R"({"type":"object","additionalProperties":{"type":"string"}})",
       R"({"type":"object","properties":{"a":{"type":"integer"}},"additionalProperties":{"type":"string"}})", no},
      {R"({"type":"object","properties":{"a":{"type":"integer"}}})",
       R"({"type":"object","additionalProperties":{"type":"string"}})", no},
      {R"({"type":"object","properties":{"a":{"type":"string"}}})",
       R"({"type":"object","additionalProperties":{"type":"string"}})", yes},
      {R"({"type":"object","properties":{"a":{"type":"integer"}}})",
       R"({"type":"object","patternProperties":{"^a":{"type":"string"}}})", unsure},
      {R"({"type":"object","additionalProperties":{"type":"integer"}})",
       R"({"type":"object","patternProperties":{"^a":{"type":"string"}},"additionalProperties":false})", no},
      // Of a conjunction, each part closes for itself.
      {R"({"type":"object","properties":{"a":{"type":"integer"}}})",
       R"({"type":"object","allOf":[{"properties":{"b":{}},"additionalProperties":false},
                                     {"properties":{"a":{"type":"string"}}}]})",
       yes},
  });
}

TEST(SchemaRegistry, F17ComparesWithAllEarlierVersions) {
  constexpr std::string_view plain = R"({"type":"object","properties":{"a":{"type":"integer"}}})";
  constexpr std::string_view without = R"({"type":"object","properties":{}})";
  constexpr std::string_view other = R"({"type":"object","properties":{"a":{"type":"string"}}})";
  const auto parsed = [](std::string_view text) { return json::parse(text).value(); };
  schema_registry known;
  ASSERT_TRUE(known.add("t", 1, parsed(plain)));
  ASSERT_TRUE(known.add("t", 2, parsed(without)));
  // Compatible with version 2, but data of version 1 is still stored.
  const auto refused = known.check("t", 3, parsed(other));
  ASSERT_FALSE(refused);
  EXPECT_TRUE(refused.error().message().contains("$.a: new code reading old data: the reader takes string"));
  // With an upcaster from version 1 nobody reads it as it is.
  known.set_upcast("t", 1);
  EXPECT_TRUE(known.check("t", 3, parsed(other)));
  // A version in between is compared with those above it as well.
  ASSERT_TRUE(known.add("t", 7, parsed(other)));
  EXPECT_FALSE(known.check("t", 5, parsed(plain)));
}

}  // namespace
}  // namespace weft::messaging
