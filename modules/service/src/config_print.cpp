// What people read: the effective configuration as YAML, the help, and what a reload changed.
#include "config_overrides.hpp"
#include "config_reference.hpp"
#include "config_state.hpp"

#include <weft/service/secret.hpp>

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <map>

namespace weft::service::detail {

namespace {

// Text that YAML reads as itself needs no quotes.
bool is_plain(std::string_view text) {
  static constexpr std::string_view words[] = {"true", "false", "null", "~", "yes", "no", "on", "off"};
  const auto same = [&](std::string_view word) {
    return std::ranges::equal(text, word, {}, [](char c) { return c >= 'A' && c <= 'Z' ? char(c - 'A' + 'a') : c; });
  };
  if (text.empty() || std::ranges::any_of(words, same)) return false;
  const auto letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '/' || c == '_'; };
  const auto inner = [&](char c) { return letter(c) || (c >= '0' && c <= '9') || c == '-' || c == '.'; };
  return letter(text.front()) && std::ranges::all_of(text, inner);
}

std::string scalar_text(const json::value& v) {
  if (v.is_string() && is_plain({v.get_string().data(), v.get_string().size()}))
    return std::string{v.get_string().data(), v.get_string().size()};
  return json::serialize(v);
}

// With texts that look like references made to be read as they are.
json::value escaped(json::value v) {
  if (v.is_string()) return json::value(escape_reference({v.get_string().data(), v.get_string().size()}));
  if (v.is_array())
    for (auto& item : v.get_array()) item = escaped(std::move(item));
  if (v.is_object())
    for (auto& [key, item] : v.get_object()) item = escaped(std::move(item));
  return v;
}

class yaml_printer {
 public:
  explicit yaml_printer(const config_node& raw) : raw_{raw} {}

  std::string print(const json::value& root) && {
    members(root.as_object(), 0);
    return std::move(out_);
  }

 private:
  void members(const boost::json::object& object, std::size_t indent) {
    for (const auto& [key, value] : object) {
      const std::string name{std::string_view{key}};
      steps_.push_back(name);
      out_ += std::string(indent, ' ') + (is_plain(name) ? name : json::serialize(json::value(name))) + ":";
      if (value.is_object() && !value.get_object().empty()) {
        out_ += "\n";
        members(value.get_object(), indent + 2);
      } else {
        out_ += " " + scalar_text(escaped(value)) + place() + "\n";
      }
      steps_.pop_back();
    }
  }

  // Where the value comes from, unless that is the program itself.
  [[nodiscard]] std::string place() const {
    const config_node* at = &raw_;
    for (const auto& step : steps_) {
      at = at->find(step);
      if (at == nullptr) return "";
    }
    return "  # " + at->place.to_string();
  }

  const config_node& raw_;
  std::vector<std::string> steps_;
  std::string out_;
};

using leaves = std::map<std::string, std::string>;

void flatten(const json::value& v, const std::string& path, leaves& out) {
  if (v.is_object()) {
    for (const auto& [key, inner] : v.get_object())
      flatten(inner, path + (path.empty() ? "" : ".") + std::string{std::string_view{key}}, out);
  } else if (v.is_array()) {
    for (std::size_t i = 0; i < v.get_array().size(); ++i)
      flatten(v.get_array()[i], path + "[" + std::to_string(i) + "]", out);
  } else {
    out[path] = json::serialize(v);
  }
}

// Every leaf; what is redacted, or holds what is, is compared by what was given.
leaves comparable(const config_state& state) {
  leaves all, given;
  flatten(state.effective, "", all);
  flatten(state.given, "", given);
  for (auto& [path, text] : all)
    if (text.contains(secret::shown) && given.contains(path)) text = given[path];
  return all;
}

const json::value* value_at(const json::value& root, const std::vector<std::string>& path) {
  const json::value* at = &root;
  for (const auto& step : path) {
    const auto* object = at->if_object();
    at = object == nullptr ? nullptr : object->if_contains(step);
    if (at == nullptr) break;
  }
  return at;
}

std::string shown_type(const setting_type& type) {
  switch (type.is) {
    case setting_kind::boolean:
      return "true|false";
    case setting_kind::integer:
      return "INTEGER";
    case setting_kind::number:
      return "NUMBER";
    case setting_kind::list:
      return "[...]";
    case setting_kind::map:
      return "{...}";
    case setting_kind::text:
      break;
    case setting_kind::choice:
    case setting_kind::any:
      return "VALUE";
  }
  const auto* names = type.schema->as_object().if_contains("enum");
  if (names == nullptr) return "TEXT";
  std::string out;
  for (const auto& name : names->as_array())
    out += (out.empty() ? "" : "|") + std::string{std::string_view{name.get_string()}};
  return out;
}

}  // namespace

std::string print(const config_state& state) { return yaml_printer{state.raw}.print(state.effective); }

std::vector<std::string> changes(const config_state& before, const config_state& after) {
  const auto old_leaves = comparable(before), new_leaves = comparable(after);
  std::vector<std::string> changed;
  for (const auto& [path, text] : new_leaves) {
    const auto found = old_leaves.find(path);
    if (found == old_leaves.end() || found->second != text) changed.push_back(path);
  }
  for (const auto& [path, text] : old_leaves)
    if (!new_leaves.contains(path)) changed.push_back(path);
  std::ranges::sort(changed);
  return changed;
}

std::string help_text(const program_words& program, const config_schema& schema, const json::value& defaults,
                      std::string_view prefix) {
  std::string out = "usage: " + program.name + " [flags]\n";
  if (!program.description.empty()) out += program.description + "\n";
  out +=
      "\n"
      "  --config FILE            read settings from YAML; a later file wins over an earlier one\n"
      "  --set NAME=VALUE         the same as --NAME=VALUE\n"
      "  --check-config           say whether the configuration is right, and end\n"
      "  --print-config           print every setting and where it comes from, and end\n"
      "  --print-config-schema    print the JSON Schema of the settings, and end\n"
      "  --version, --help\n"
      "\n"
      "Settings, from the weakest source to the strongest: YAML files, ";
  if (!prefix.empty()) out += "the environment (" + std::string{prefix} + "HTTP_PORT is http.port), ";
  out += "flags.\n\n";
  for (const auto& s : schema.settings()) {
    out += "  --" + s.name() + "=" + shown_type(s.type);
    if (const auto* value = value_at(defaults, s.path)) out += "   (" + scalar_text(*value) + ")";
    out += "\n";
    if (!s.description.empty()) out += "      " + s.description + "\n";
  }
  return out;
}

}  // namespace weft::service::detail
