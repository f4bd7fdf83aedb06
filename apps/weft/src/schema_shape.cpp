#include "schema_shape.hpp"

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <iterator>
#include <vector>

namespace weft::cli {

namespace {

namespace bj = boost::json;

constexpr int max_depth = 32;
constexpr std::size_t max_words = 120;

std::string_view text_of(bj::string_view s) { return {s.data(), s.size()}; }

const json::value* member(const json::value& v, std::string_view name) {
  return v.is_object() ? v.get_object().if_contains({name.data(), name.size()}) : nullptr;
}

// Follows "$ref" to "#/$defs/name" and, of older drafts, "#/definitions/name".
const json::value& resolve(const json::value& schema, const json::value& root) {
  const auto* at = &schema;
  for (int steps = 0; steps < max_depth; ++steps) {
    const auto* ref = member(*at, "$ref");
    if (ref == nullptr || !ref->is_string()) break;
    const auto name = text_of(ref->get_string());
    const json::value* target = nullptr;
    for (const std::string_view folder : {"$defs", "definitions"})
      if (const auto* defs = member(root, folder);
          defs != nullptr && name.starts_with("#/" + std::string{folder} + "/"))
        target = member(*defs, name.substr(folder.size() + 3));
    if (target == nullptr) break;
    at = target;
  }
  return *at;
}

std::string shortened(std::string text) {
  if (text.size() > max_words) text.replace(max_words, text.npos, "...");
  return text;
}

// "a", "a or b".
std::string alternatives(const std::vector<std::string>& words) {
  std::string text;
  for (const auto& each : words)
    if (!each.empty()) text += (text.empty() ? "" : " or ") + each;
  return text;
}

std::string words(const json::value& schema, const json::value& root, int depth);

std::string words_of_list(const json::value& list, const json::value& root, int depth) {
  std::vector<std::string> each;
  for (const auto& one : list.get_array()) each.push_back(words(one, root, depth + 1));
  return alternatives(each);
}

// The range of a C++ integer, which says more than its two numbers; empty for another one.
std::string_view width_of(const json::value& schema) {
  struct range {
    std::string_view least, most, words;
  };
  static constexpr range known[] = {
      {"-128", "127", "8 bits"},
      {"0", "255", "8 bits, unsigned"},
      {"-32768", "32767", "16 bits"},
      {"0", "65535", "16 bits, unsigned"},
      {"-2147483648", "2147483647", "32 bits"},
      {"0", "4294967295", "32 bits, unsigned"},
      {"-9223372036854775808", "9223372036854775807", "64 bits"},
      {"0", "18446744073709551615", "64 bits, unsigned"},
  };
  const auto *least = member(schema, "minimum"), *most = member(schema, "maximum");
  if (least == nullptr || most == nullptr) return {};
  const auto from = json::serialize(*least), to = json::serialize(*most);
  const auto* at = std::ranges::find_if(known, [&](const range& r) { return r.least == from && r.most == to; });
  return at == std::end(known) ? std::string_view{} : at->words;
}

std::string bounds(const json::value& schema) {
  const auto width = width_of(schema);
  std::string text{width};
  for (const std::string_view name : {"minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum", "minLength",
                                      "maxLength", "minItems", "maxItems", "pattern", "format", "contentEncoding"}) {
    const auto* v = member(schema, name);
    if (v == nullptr || (!width.empty() && (name == "minimum" || name == "maximum"))) continue;
    text.append(text.empty() ? "" : ", ").append(name).append(" ").append(json::serialize(*v));
  }
  return text.empty() ? text : " (" + text + ")";
}

std::string words(const json::value& given, const json::value& root, int depth) {
  const auto& schema = resolve(given, root);
  if (depth > max_depth) return "...";
  if (schema.is_bool()) return schema.get_bool() ? "anything" : "nothing";
  if (!schema.is_object() || schema.get_object().empty()) return "anything";
  for (const auto* name : {"anyOf", "oneOf"})
    if (const auto* list = member(schema, name); list != nullptr && list->is_array())
      return words_of_list(*list, root, depth);
  if (const auto* one = member(schema, "const")) return json::serialize(*one);
  if (const auto* list = member(schema, "enum"); list != nullptr && list->is_array()) {
    std::vector<std::string> values;
    for (const auto& v : list->get_array()) values.push_back(json::serialize(v));
    return alternatives(values);
  }
  std::vector<std::string> types;
  if (const auto* type = member(schema, "type")) {
    if (type->is_string()) types.emplace_back(text_of(type->get_string()));
    if (type->is_array())
      for (const auto& each : type->get_array())
        if (each.is_string()) types.emplace_back(text_of(each.get_string()));
  }
  if (types.empty()) types.emplace_back(member(schema, "properties") != nullptr ? "object" : "anything");
  return alternatives(types) + bounds(schema);
}

bool is_required(const json::value& object, std::string_view name) {
  const auto* list = member(object, "required");
  return list != nullptr && list->is_array() && std::ranges::any_of(list->get_array(), [&](const json::value& each) {
           return each.is_string() && text_of(each.get_string()) == name;
         });
}

// The alternative that has the member, or the schema itself.
const json::value& with_member(const json::value& given, const json::value& root, std::string_view name) {
  const auto& schema = resolve(given, root);
  for (const auto* of : {"anyOf", "oneOf"})
    if (const auto* list = member(schema, of); list != nullptr && list->is_array())
      for (const auto& each : list->get_array())
        if (const auto& one = resolve(each, root); member(one, name) != nullptr) return one;
  return schema;
}

// The longest property that the path begins with, since names may have dots in them.
std::string_view property_at(const json::value& properties, std::string_view path) {
  std::string_view longest;
  for (const auto& each : properties.get_object()) {
    const auto name = text_of(each.key());
    if (!path.starts_with(name) || name.size() < longest.size()) continue;
    if (path.size() == name.size() || path[name.size()] == '.' || path[name.size()] == '[') longest = name;
  }
  return longest;
}

void collect(std::map<std::string, std::string>& into, const json::value& given, const json::value& root,
             const std::string& path, std::string_view presence, std::vector<const json::value*> open) {
  into[path] = std::string{presence} + shortened(words(given, root, 0));
  const auto& object = with_member(given, root, "properties");
  const auto& list = with_member(given, root, "items");
  if (std::ranges::find(open, &object) != open.end() || open.size() > static_cast<std::size_t>(max_depth)) return;
  open.push_back(&object);
  if (const auto* properties = member(object, "properties"); properties != nullptr && properties->is_object())
    for (const auto& each : properties->get_object())
      collect(into, each.value(), root, path + "." + std::string{text_of(each.key())},
              is_required(object, text_of(each.key())) ? "required " : "optional ", open);
  if (const auto* items = member(list, "items")) collect(into, *items, root, path + "[]", "", open);
}

}  // namespace

std::string shape_at(const json::value& schema, std::string_view path) {
  const auto* at = &schema;
  std::string_view presence;
  path.remove_prefix(std::min<std::size_t>(path.size(), 1));  // the $
  while (!path.empty()) {
    if (path.starts_with("[]")) {
      at = member(with_member(*at, schema, "items"), "items");
      presence = "";
      path.remove_prefix(2);
    } else {
      path.remove_prefix(1);
      const auto& object = with_member(*at, schema, "properties");
      const auto* properties = member(object, "properties");
      const auto name =
          properties != nullptr && properties->is_object() ? property_at(*properties, path) : std::string_view{};
      at = name.empty() ? nullptr : member(*properties, name);
      presence = is_required(object, name) ? "required " : "optional ";
      path.remove_prefix(name.size());
    }
    if (at == nullptr) return "absent";
  }
  return std::string{presence} + shortened(words(*at, schema, 0));
}

std::map<std::string, std::string> shapes(const json::value& schema) {
  std::map<std::string, std::string> all;
  collect(all, schema, schema, "$", "", {});
  return all;
}

}  // namespace weft::cli
