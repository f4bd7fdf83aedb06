#include "schema_values.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace weft::messaging::schema {

namespace {

namespace bj = boost::json;

constexpr int max_depth = 64;

constexpr std::array<std::pair<std::string_view, type_set>, 7> names{{{"null", type_null},
                                                                      {"boolean", type_boolean},
                                                                      {"object", type_object},
                                                                      {"array", type_array},
                                                                      {"string", type_string},
                                                                      {"integer", type_integer},
                                                                      {"number", type_number}}};

constexpr std::array<std::string_view, 20> remarks{
    "$schema",       "$id",         "$comment",       "$anchor",          "$defs",    "definitions", "title",
    "description",   "default",     "examples",       "deprecated",       "readOnly", "writeOnly",   "contentMediaType",
    "contentSchema", "$vocabulary", "$dynamicAnchor", "$recursiveAnchor", "id",       "example"};

std::size_t length_of(const bj::string& s) {
  return static_cast<std::size_t>(
      std::ranges::count_if(s, [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

class validator {
 public:
  explicit validator(const schema_document& document) : document_{document} {}

  verdict check(const json::value& schema, const json::value& v, int depth) const {
    if (schema.is_bool()) return schema.get_bool() ? verdict::yes : verdict::no;
    if (!schema.is_object() || depth > max_depth) return verdict::unknown;
    const auto& s = schema.get_object();
    auto all = verdict::yes;
    if (s.contains("$ref") && !document_.siblings_of_references_count())
      return keyword("$ref", *member(s, "$ref"), s, v, depth);
    for (const auto& each : s) {
      const auto name = text_of(each.key());
      if (is_remark(name)) continue;
      all = both(all, keyword(name, each.value(), s, v, depth));
      if (all == verdict::no) break;
    }
    return all;
  }

 private:
  static verdict of(bool yes) { return yes ? verdict::yes : verdict::no; }

  verdict keyword(std::string_view name, const json::value& k, const bj::object& s, const json::value& v,
                  int depth) const {
    if (name == "$ref") {
      const auto* target = k.is_string() ? document_.resolve(text_of(k.get_string())) : nullptr;
      return target != nullptr ? check(*target, v, depth + 1) : verdict::unknown;
    }
    if (name == "type") {
      const auto types = types_of(s);
      return types ? of((*types & type_of(v)) != 0) : verdict::unknown;
    }
    if (name == "const") return of(equal_values(k, v));
    if (name == "enum")
      return k.is_array() ? of(std::ranges::any_of(k.get_array(), [&](const auto& e) { return equal_values(e, v); }))
                          : verdict::unknown;
    if (name == "allOf" || name == "anyOf" || name == "oneOf" || name == "not") return combined(name, k, v, depth);
    if (v.is_number()) return number(name, k, v);
    if (v.is_string()) return text(name, k, v.get_string());
    if (v.is_array()) return list(name, k, s, v.get_array(), depth);
    if (v.is_object()) return object(name, k, s, v.get_object(), depth);
    return for_other_types(name);
  }

  // Keywords of one type say nothing about values of another.
  static verdict for_other_types(std::string_view name) {
    static constexpr std::array<std::string_view, 27> known{"minimum",           "maximum",
                                                            "exclusiveMinimum",  "exclusiveMaximum",
                                                            "multipleOf",        "minLength",
                                                            "maxLength",         "pattern",
                                                            "contentEncoding",   "items",
                                                            "prefixItems",       "additionalItems",
                                                            "contains",          "minContains",
                                                            "maxContains",       "minItems",
                                                            "maxItems",          "uniqueItems",
                                                            "properties",        "required",
                                                            "patternProperties", "additionalProperties",
                                                            "propertyNames",     "minProperties",
                                                            "maxProperties",     "dependentRequired",
                                                            "dependentSchemas"};
    return std::ranges::find(known, name) != known.end() ? verdict::yes : verdict::unknown;
  }

  verdict combined(std::string_view name, const json::value& k, const json::value& v, int depth) const {
    if (name == "not") {
      const auto inner = check(k, v, depth + 1);
      return inner == verdict::unknown ? inner : of(inner == verdict::no);
    }
    if (!k.is_array()) return verdict::unknown;
    std::size_t yes = 0, unknown = 0;
    for (const auto& each : k.get_array()) {
      const auto one = check(each, v, depth + 1);
      yes += one == verdict::yes ? 1 : 0;
      unknown += one == verdict::unknown ? 1 : 0;
    }
    const auto size = k.get_array().size();
    if (name == "allOf") return yes + unknown < size ? verdict::no : of_unless(unknown, true);
    if (name == "anyOf") return yes != 0 ? verdict::yes : of_unless(unknown, false);
    return yes > 1 ? verdict::no : of_unless(unknown, yes == 1);
  }
  static verdict of_unless(std::size_t unknown, bool yes) { return unknown != 0 ? verdict::unknown : of(yes); }

  static verdict number(std::string_view name, const json::value& k, const json::value& v) {
    if (!k.is_number())
      return name.starts_with("exclusive") || name == "minimum" || name == "maximum" || name == "multipleOf"
                 ? verdict::unknown
                 : for_other_types(name);
    if (name == "minimum") return of(compare_numbers(v, k) >= 0);
    if (name == "maximum") return of(compare_numbers(v, k) <= 0);
    if (name == "exclusiveMinimum") return of(compare_numbers(v, k) > 0);
    if (name == "exclusiveMaximum") return of(compare_numbers(v, k) < 0);
    if (name == "multipleOf") {
      const auto multiple = is_multiple(v, k);
      return multiple ? of(*multiple) : verdict::unknown;
    }
    return for_other_types(name);
  }

  // A count against a bound.
  static verdict counted(bool least, const json::value& k, std::size_t count) {
    if (!k.is_number()) return verdict::unknown;
    const auto order = compare_numbers(json::value(static_cast<std::uint64_t>(count)), k);
    return of(least ? order >= 0 : order <= 0);
  }

  static verdict text(std::string_view name, const json::value& k, const bj::string& v) {
    if (name == "minLength" || name == "maxLength") return counted(name == "minLength", k, length_of(v));
    if (name == "pattern" || name == "format" || name == "contentEncoding") return verdict::unknown;
    return for_other_types(name);
  }

  verdict list(std::string_view name, const json::value& k, const bj::object& s, const bj::array& v, int depth) const {
    if (name == "minItems" || name == "maxItems") return counted(name == "minItems", k, v.size());
    if (name == "uniqueItems") return unique(k, v);
    const bool tuple = name == "prefixItems" || (name == "items" && k.is_array());
    if (tuple) {
      auto all = verdict::yes;
      for (std::size_t i = 0; k.is_array() && i < std::min(v.size(), k.get_array().size()); ++i)
        all = both(all, check(k.get_array()[i], v[i], depth + 1));
      return k.is_array() ? all : verdict::unknown;
    }
    if (name == "items") {
      const auto* first = member(s, "prefixItems");
      auto all = verdict::yes;
      for (auto i = first != nullptr && first->is_array() ? first->get_array().size() : 0; i < v.size(); ++i)
        all = both(all, check(k, v[i], depth + 1));
      return all;
    }
    if (name == "contains" || name == "minContains" || name == "maxContains" || name == "additionalItems")
      return verdict::unknown;
    return for_other_types(name);
  }

  static verdict unique(const json::value& k, const bj::array& v) {
    if (!k.is_bool()) return verdict::unknown;
    for (std::size_t i = 0; k.get_bool() && i < v.size(); ++i)
      for (std::size_t j = 0; j < i; ++j)
        if (equal_values(v[i], v[j])) return verdict::no;
    return verdict::yes;
  }

  verdict object(std::string_view name, const json::value& k, const bj::object& s, const bj::object& v,
                 int depth) const {
    if (name == "minProperties" || name == "maxProperties") return counted(name == "minProperties", k, v.size());
    if (name == "required")
      return k.is_array() ? of(std::ranges::all_of(k.get_array(),
                                                   [&](const json::value& each) {
                                                     return !each.is_string() ||
                                                            member(v, text_of(each.get_string())) != nullptr;
                                                   }))
                          : verdict::unknown;
    if (name == "properties") {
      if (!k.is_object()) return verdict::unknown;
      auto all = verdict::yes;
      for (const auto& each : k.get_object())
        if (const auto* field = v.if_contains(each.key())) all = both(all, check(each.value(), *field, depth + 1));
      return all;
    }
    if (name == "additionalProperties") {
      const auto* known = member(s, "properties");
      auto all = verdict::yes;
      for (const auto& each : v)
        if (known == nullptr || !known->is_object() || !known->get_object().contains(each.key()))
          all = both(all, s.contains("patternProperties") ? verdict::unknown : check(k, each.value(), depth + 1));
      return all;
    }
    if (name == "patternProperties" || name == "propertyNames" || name.starts_with("dependent"))
      return v.empty() ? verdict::yes : verdict::unknown;
    return for_other_types(name);
  }

  const schema_document& document_;
};

}  // namespace

type_set type_of(const json::value& v) {
  if (v.is_null()) return type_null;
  if (v.is_bool()) return type_boolean;
  if (v.is_object()) return type_object;
  if (v.is_array()) return type_array;
  if (v.is_string()) return type_string;
  return is_integer(v) ? type_integer : type_fraction;
}

std::optional<type_set> types_of(const bj::object& schema) {
  const auto* type = member(schema, "type");
  if (type == nullptr) return type_any;
  type_set set = 0;
  const auto add = [&](const json::value& each) {
    if (!each.is_string()) return false;
    const auto* at =
        std::ranges::find(names, text_of(each.get_string()), &std::pair<std::string_view, type_set>::first);
    if (at == names.end()) return false;
    set |= at->second;
    return true;
  };
  const bool known = type->is_array() ? std::ranges::all_of(type->get_array(), add) : add(*type);
  return known ? std::optional{set} : std::nullopt;
}

bool is_remark(std::string_view keyword) {
  return keyword.starts_with("x-") || std::ranges::find(remarks, keyword) != remarks.end();
}

verdict accepts(const schema_document& document, const json::value& schema, const json::value& value) {
  return validator{document}.check(schema, value, 0);
}

}  // namespace weft::messaging::schema
