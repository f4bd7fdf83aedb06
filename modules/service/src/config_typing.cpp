#include "config_typing.hpp"

#include <weft/service/secret.hpp>

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <charconv>
#include <cmath>
#include <limits>

namespace weft::service::detail {

namespace {

// A number as YAML writes it without its rarer forms: -12, 1.5, 2e6.
std::optional<json::value> as_number(std::string_view text) {
  if (text.empty() || text.size() > 64 || !(text[0] == '-' || (text[0] >= '0' && text[0] <= '9'))) return std::nullopt;
  const char* end = text.data() + text.size();
  if (std::int64_t whole = 0; std::from_chars(text.data(), end, whole).ptr == end) {
    const auto [at, problem] = std::from_chars(text.data(), end, whole);
    if (problem == std::errc{} && at == end) return whole;
  }
  if (std::uint64_t whole = 0; text[0] != '-') {
    const auto [at, problem] = std::from_chars(text.data(), end, whole);
    if (problem == std::errc{} && at == end) return whole;
  }
  double real = 0;
  const auto [at, problem] = std::from_chars(text.data(), end, real);
  if (problem == std::errc{} && at == end && std::isfinite(real)) return real;
  return std::nullopt;
}

bool is_whole_in_range(const json::value& number, const json::value& schema) {
  const auto& object = schema.as_object();
  const auto *least = object.if_contains("minimum"), *most = object.if_contains("maximum");
  if (least == nullptr || most == nullptr || number.is_double()) return !number.is_double();
  if (number.is_uint64()) return most->is_uint64() && number.get_uint64() <= most->get_uint64();
  const auto value = number.get_int64();
  if (least->is_int64() && value < least->get_int64()) return false;
  return !(most->is_int64() && value > most->get_int64());
}

// A secret or a URL that may hold one.
bool holds_secret(const setting_type& type) {
  const auto* mark = type.schema == nullptr ? nullptr : type.schema->as_object().if_contains("writeOnly");
  return mark != nullptr && mark->is_bool() && mark->get_bool();
}

std::string shown(const config_node& node) {
  constexpr std::size_t longest = 64;
  std::string out;
  for (const char c : std::string_view{node.text}.substr(0, longest))
    out.push_back(static_cast<unsigned char>(c) < ' ' ? '?' : c);
  return "\"" + out + (node.text.size() > longest ? "..." : "") + "\"";
}

class converter {
 public:
  converter(const config_node& root, const config_schema& schema, std::vector<config_problem>& problems)
      : root_{root}, schema_{schema}, problems_{problems} {}

  std::optional<json::value> convert(const config_node& node, const setting_type& type) {
    switch (node.is) {
      case config_node::kind::null:
        return convert_null(node, type);
      case config_node::kind::scalar:
        return convert_scalar(node, type);
      case config_node::kind::list:
        return convert_list(node, type);
      case config_node::kind::map:
        return convert_map(node, type);
    }
    return std::nullopt;
  }

 private:
  std::nullopt_t wrong(const config_node& node, std::string what) {
    problems_.push_back({node.place.to_string(), join_path(root_, steps_), std::move(what)});
    return std::nullopt;
  }

  std::optional<json::value> convert_null(const config_node& node, const setting_type& type) {
    if (type.nullable || type.is == setting_kind::any) return json::value(nullptr);
    if (type.is == setting_kind::map) return json::value(boost::json::object_kind);  // a section without settings
    return wrong(node, "expected " + config_schema::expectation(type) + ", got nothing");
  }

  std::optional<json::value> convert_scalar(const config_node& node, const setting_type& type) {
    switch (type.is) {
      case setting_kind::boolean:
        if (node.written != config_node::writing::quoted && node.text == "true") return json::value(true);
        if (node.written != config_node::writing::quoted && node.text == "false") return json::value(false);
        return mismatch(node, type);
      case setting_kind::integer:
      case setting_kind::number: {
        auto number = node.written == config_node::writing::quoted ? std::nullopt : as_number(node.text);
        if (!number || (type.is == setting_kind::integer && !is_whole_in_range(*number, *type.schema)))
          return mismatch(node, type);
        return number;
      }
      case setting_kind::list:
      case setting_kind::map:
        return mismatch(node, type);
      case setting_kind::text:
        if (holds_secret(type) && node.text.contains(secret::shown))
          return wrong(node, "holds " + std::string{secret::shown} +
                                 ", which stands where --print-config leaves a secret out; give the secret itself, "
                                 "best by a reference: ${env:NAME} or ${file:PATH}");
        return json::value(node.text);
      case setting_kind::choice:
        return choose(node, type);
      case setting_kind::any:
        return guess(node);
    }
    return std::nullopt;
  }

  std::nullopt_t mismatch(const config_node& node, const setting_type& type) {
    auto what = "expected " + config_schema::expectation(type) + ", got ";
    if (node.written == config_node::writing::reference) return wrong(node, what + "what the reference stands for");
    if (node.written == config_node::writing::quoted &&
        (as_number(node.text) || node.text == "true" || node.text == "false"))
      return wrong(node, what + "the text " + shown(node) + "; leave the quotes out");
    return wrong(node, what + shown(node));
  }

  static json::value guess(const config_node& node) {
    if (node.written != config_node::writing::plain) return json::value(node.text);
    if (node.text == "true") return true;
    if (node.text == "false") return false;
    if (auto number = as_number(node.text)) return *std::move(number);
    return json::value(node.text);
  }

  // Text, unless an alternative wants what it looks like.
  std::optional<json::value> choose(const config_node& node, const setting_type& type) {
    auto guessed = guess(node);
    const auto takes = [&](setting_kind kind) {
      const auto all = schema_.alternatives(type);
      return std::ranges::any_of(all, [&](const setting_type& one) { return one.is == kind; });
    };
    if (guessed.is_bool() && takes(setting_kind::boolean)) return guessed;
    if (guessed.is_number() && (takes(setting_kind::integer) || takes(setting_kind::number))) return guessed;
    return json::value(node.text);
  }

  std::optional<json::value> convert_list(const config_node& node, const setting_type& type) {
    if (type.is != setting_kind::list && type.is != setting_kind::any && type.is != setting_kind::choice)
      return wrong(node, "expected " + config_schema::expectation(type) + ", got a list");
    boost::json::array out;
    bool complete = true;
    for (std::size_t i = 0; i < node.items.size(); ++i) {
      steps_.push_back(std::to_string(i));
      const auto element = type.is == setting_kind::list ? schema_.inside(type, steps_.back()) : setting_type{};
      auto converted = convert(node.items[i], *element);
      complete = complete && converted;
      if (converted) out.push_back(*std::move(converted));
      steps_.pop_back();
    }
    if (!complete) return std::nullopt;  // the places of the others would no longer be right
    return json::value(std::move(out));
  }

  std::optional<json::value> convert_map(const config_node& node, const setting_type& type) {
    if (type.is != setting_kind::map && type.is != setting_kind::any && type.is != setting_kind::choice)
      return wrong(node, "expected " + config_schema::expectation(type) + ", got a section");
    const auto alternative = type.is == setting_kind::choice ? tagged_alternative(node, type) : type;
    boost::json::object out;
    for (std::size_t i = 0; i < node.keys.size(); ++i) {
      steps_.push_back(node.keys[i]);
      // What is not known goes on as it is: the decoder refuses it, and knows the names that are.
      const auto member = schema_.inside(alternative, node.keys[i]).value_or(setting_type{});
      if (auto converted = convert(node.items[i], member)) out[node.keys[i]] = *std::move(converted);
      steps_.pop_back();
    }
    return json::value(std::move(out));
  }

  setting_type tagged_alternative(const config_node& node, const setting_type& type) {
    for (const auto& one : schema_.alternatives(type)) {
      const auto* properties =
          one.is == setting_kind::map ? one.schema->as_object().if_contains("properties") : nullptr;
      if (properties == nullptr) continue;
      for (const auto& [name, property] : properties->as_object()) {
        const auto* constant = property.as_object().if_contains("const");
        const auto* given = node.find(name);
        if (constant != nullptr && given != nullptr && std::string_view{constant->get_string()} == given->text)
          return one;
      }
    }
    return {};
  }

  const config_node& root_;
  const config_schema& schema_;
  std::vector<config_problem>& problems_;
  std::vector<std::string> steps_;
};

}  // namespace

json::value to_typed(const config_node& root, const config_schema& schema, std::vector<config_problem>& problems) {
  converter c{root, schema, problems};
  auto converted = c.convert(root, schema.root());
  if (!converted || !converted->is_object()) return json::value(boost::json::object_kind);
  return *std::move(converted);
}

}  // namespace weft::service::detail
