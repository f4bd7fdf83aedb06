#include "config_schema.hpp"

#include <weft/base/assert.hpp>
#include <weft/base/closest_name.hpp>

#include <algorithm>

namespace weft::service::detail {

namespace {

json::value parse_schema(std::string_view text) {
  auto parsed = json::parse(text);
  WEFT_ASSERT(parsed.has_value(), "a schema of ours is JSON");
  return *std::move(parsed);
}

std::string text_of(const json::value& object, std::string_view key) {
  const auto* found = object.as_object().if_contains(key);
  return found != nullptr && found->is_string() ? std::string{found->get_string()} : std::string{};
}

}  // namespace

std::optional<std::string> closest(std::string_view wanted, const std::vector<std::string>& names) {
  const std::vector<std::string_view> known{names.begin(), names.end()};
  const auto found = closest_name(wanted, known);
  return found.empty() ? std::nullopt : std::optional{std::string{found}};
}

std::string setting::name() const {
  std::string out;
  for (const auto& step : path) out += (out.empty() ? "" : ".") + step;
  return out;
}

config_schema::config_schema(std::string_view text) : root_{parse_schema(text)} {
  std::vector<std::string> path;
  std::vector<const json::value*> within;
  collect(root_, path, within);
}

const json::value& config_schema::follow(const json::value& schema) const {
  const json::value* at = &schema;
  while (const auto* reference = at->as_object().if_contains("$ref")) {
    const std::string_view name{reference->get_string()};
    at = &root_.as_object().at("$defs").as_object().at(name.substr(name.rfind('/') + 1));
  }
  return *at;
}

setting_type config_schema::classify(const json::value& schema) const {
  const auto& followed = follow(schema);
  const auto& object = followed.as_object();
  if (const auto* any_of = object.if_contains("anyOf")) {  // a type, or null
    auto inner = classify(any_of->as_array().front());
    inner.nullable = true;
    return inner;
  }
  setting_type type{.schema = &followed};
  const auto named = text_of(followed, "type");
  if (object.contains("oneOf"))
    type.is = setting_kind::choice;
  else if (named == "boolean")
    type.is = setting_kind::boolean;
  else if (named == "integer")
    type.is = setting_kind::integer;
  else if (named == "number")
    type.is = setting_kind::number;
  else if (named == "string")
    type.is = setting_kind::text;
  else if (named == "array")
    type.is = setting_kind::list;
  else if (named == "object")
    type.is = setting_kind::map;
  else if (named == "null")
    type.nullable = true;
  return type;
}

std::optional<setting_type> config_schema::inside(const setting_type& type, std::string_view step) const {
  if (type.schema == nullptr) return setting_type{};
  const auto& object = type.schema->as_object();
  if (type.is == setting_kind::list) {
    if (const auto* items = object.if_contains("items")) return classify(*items);
    return setting_type{};
  }
  if (type.is == setting_kind::map) {
    if (const auto* properties = object.if_contains("properties"))
      if (const auto* found = properties->as_object().if_contains(step)) return classify(*found);
    if (const auto* more = object.if_contains("additionalProperties"); more != nullptr && more->is_object())
      return classify(*more);
    return std::nullopt;
  }
  if (type.is == setting_kind::any) return setting_type{};
  if (type.is == setting_kind::choice) {
    for (const auto& alternative : alternatives(type))
      if (auto found = inside(alternative, step)) return found;
  }
  return std::nullopt;
}

std::optional<setting_type> config_schema::at(std::span<const std::string> path) const {
  std::optional<setting_type> type = root();
  for (const auto& step : path) {
    type = inside(*type, step);
    if (!type) break;
  }
  return type;
}

std::vector<setting_type> config_schema::alternatives(const setting_type& type) const {
  std::vector<setting_type> all;
  for (const auto& one : type.schema->as_object().at("oneOf").as_array()) all.push_back(classify(one));
  return all;
}

void config_schema::collect(const json::value& schema, std::vector<std::string>& path,
                            std::vector<const json::value*>& within) {
  const auto type = classify(schema);
  const auto* properties = type.is == setting_kind::map ? type.schema->as_object().if_contains("properties") : nullptr;
  const bool recursive = std::ranges::find(within, type.schema) != within.end();
  if (properties != nullptr && !recursive) {
    within.push_back(type.schema);
    for (const auto& [name, inner] : properties->as_object()) {
      path.emplace_back(name);
      collect(inner, path, within);
      path.pop_back();
    }
    within.pop_back();
    return;
  }
  settings_.push_back({path, type, text_of(schema, "description")});
}

std::string config_schema::expectation(const setting_type& type) {
  switch (type.is) {
    case setting_kind::boolean:
      return "true or false";
    case setting_kind::integer: {
      const auto& object = type.schema->as_object();
      const auto *least = object.if_contains("minimum"), *most = object.if_contains("maximum");
      if (least == nullptr || most == nullptr) return "a whole number";
      return "a whole number from " + json::serialize(*least) + " to " + json::serialize(*most);
    }
    case setting_kind::number:
      return "a number";
    case setting_kind::text:
      return "text";
    case setting_kind::list:
      return "a list";
    case setting_kind::map:
      return "a section of settings";
    case setting_kind::choice:
    case setting_kind::any:
      break;
  }
  return "a value";
}

}  // namespace weft::service::detail
