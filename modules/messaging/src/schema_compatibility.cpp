// Whether one JSON Schema accepts what another one describes.
#include <weft/messaging/schema_registry.hpp>

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <set>

namespace weft::messaging {

namespace {

namespace bj = boost::json;

std::string_view text_of(const bj::string& s) { return {s.data(), s.size()}; }
std::string quoted(const json::value& v) { return json::serialize(v); }

class comparison {
 public:
  comparison(const json::value& reader, const json::value& writer) : reader_root_{reader}, writer_root_{writer} {}

  std::vector<incompatibility> run() {
    compare(reader_root_, writer_root_, "$");
    return std::move(found_);
  }

 private:
  static constexpr std::size_t max_found = 100;
  static constexpr int max_depth = 64;
  // Alternatives within alternatives are compared in every combination, which must end some time.
  static constexpr int max_comparisons = 100'000;

  void report(const std::string& path, std::string why) {
    if (found_.size() < max_found) found_.push_back({path, std::move(why)});
  }

  // Follows "$ref": "#/$defs/name".
  static const json::value& resolve(const json::value& schema, const json::value& root) {
    const auto* at = &schema;
    for (int steps = 0; steps < max_depth && at->is_object(); ++steps) {
      const auto* ref = at->get_object().if_contains("$ref");
      if (ref == nullptr || !ref->is_string()) break;
      const auto name = text_of(ref->get_string());
      constexpr std::string_view prefix = "#/$defs/";
      const auto* defs = root.is_object() ? root.get_object().if_contains("$defs") : nullptr;
      if (!name.starts_with(prefix) || defs == nullptr || !defs->is_object()) break;
      const auto wanted = name.substr(prefix.size());
      const auto* target = defs->get_object().if_contains({wanted.data(), wanted.size()});
      if (target == nullptr) break;
      at = target;
    }
    return *at;
  }

  static const bj::array* alternatives(const bj::object& schema) {
    for (const auto* name : {"anyOf", "oneOf"})
      if (const auto* list = schema.if_contains(name); list != nullptr && list->is_array()) return &list->get_array();
    return nullptr;
  }

  // Empty: any type.
  static std::set<std::string> types(const bj::object& schema) {
    std::set<std::string> set;
    const auto* type = schema.if_contains("type");
    if (type == nullptr) return set;
    if (type->is_string()) set.emplace(text_of(type->get_string()));
    if (type->is_array())
      for (const auto& each : type->get_array())
        if (each.is_string()) set.emplace(text_of(each.get_string()));
    return set;
  }

  static std::string join(const std::set<std::string>& set) {
    std::string text;
    for (const auto& each : set) text += (text.empty() ? "" : " or ") + each;
    return text;
  }

  bool readable(const json::value& reader, const json::value& writer, const std::string& path) {
    comparison probe{reader_root_, writer_root_};
    probe.open_ = open_;
    probe.depth_ = depth_;
    probe.left_ = left_;
    probe.compare(reader, writer, path);
    left_ = probe.left_;
    return probe.found_.empty();
  }

  void compare(const json::value& reader_ref, const json::value& writer_ref, const std::string& path) {
    const auto& reader = resolve(reader_ref, reader_root_);
    const auto& writer = resolve(writer_ref, writer_root_);
    if (left_ == 0) return report(path, "the schemas are too intricate to compare");
    --left_;
    if (reader.is_bool() && reader.get_bool()) return;
    if (reader.is_object() && reader.get_object().empty()) return;
    if (!reader.is_object() || !writer.is_object()) {
      if (reader != writer) report(path, "the schemas differ: " + quoted(writer) + " became " + quoted(reader));
      return;
    }
    // Recursive types: the same pair is being compared further out, and says all there is to say.
    if (!open_.emplace(&reader, &writer).second) return;
    if (++depth_ > max_depth) {
      report(path, "the schema is nested too deep to compare");
    } else {
      compare_objects(reader.get_object(), writer.get_object(), reader, writer, path);
    }
    --depth_;
    open_.erase({&reader, &writer});
  }

  void compare_objects(const bj::object& reader, const bj::object& writer, const json::value& reader_value,
                       const json::value& writer_value, const std::string& path) {
    if (const auto* of_writer = alternatives(writer)) {
      for (const auto& each : *of_writer) compare(reader_value, each, path);
      return;
    }
    if (const auto* of_reader = alternatives(reader)) {
      if (of_reader->size() == 1) return compare(of_reader->front(), writer_value, path);
      const bool any =
          std::ranges::any_of(*of_reader, [&](const json::value& each) { return readable(each, writer_value, path); });
      if (!any) report(path, "none of the reader's alternatives takes what the writer may send");
      return;
    }
    if (!compare_types(reader, writer, path)) return;
    compare_values(reader, writer, path);
    compare_bounds(reader, writer, path);
    compare_properties(reader, writer, path);
    compare_items(reader, writer, path);
    for (const auto* keyword : {"pattern", "format", "contentEncoding", "uniqueItems", "multipleOf"})
      if (const auto* wanted = reader.if_contains(keyword))
        if (const auto* sent = writer.if_contains(keyword); sent == nullptr || *sent != *wanted)
          report(path, std::string{keyword} + " is " + quoted(*wanted) + " for the reader, and " +
                           (sent == nullptr ? "free" : quoted(*sent)) + " for the writer");
  }

  bool compare_types(const bj::object& reader, const bj::object& writer, const std::string& path) {
    const auto wanted = types(reader), sent = types(writer);
    if (wanted.empty()) return true;
    const auto takes = [&](const std::string& type) {
      return wanted.contains(type) || (type == "integer" && wanted.contains("number"));
    };
    if (!sent.empty() && std::ranges::all_of(sent, takes)) return true;
    report(path,
           "the reader takes " + join(wanted) + ", the writer may send " + (sent.empty() ? "anything" : join(sent)));
    return false;
  }

  void compare_values(const bj::object& reader, const bj::object& writer, const std::string& path) {
    const auto values = [](const bj::object& schema) -> std::optional<std::vector<json::value>> {
      if (const auto* constant = schema.if_contains("const")) return std::vector<json::value>{*constant};
      if (const auto* list = schema.if_contains("enum"); list != nullptr && list->is_array())
        return std::vector<json::value>(list->get_array().begin(), list->get_array().end());
      return std::nullopt;
    };
    const auto wanted = values(reader), sent = values(writer);
    if (!wanted) return;
    if (!sent) return report(path, "the reader takes certain values only, the writer may send any");
    for (const auto& v : *sent)
      if (std::ranges::find(*wanted, v) == wanted->end())
        report(path, "the reader does not know the value " + quoted(v));
  }

  static std::optional<double> number(const bj::object& schema, std::string_view keyword) {
    const auto* v = schema.if_contains({keyword.data(), keyword.size()});
    if (v == nullptr || !v->is_number()) return std::nullopt;
    return v->to_number<double>();
  }

  void compare_bounds(const bj::object& reader, const bj::object& writer, const std::string& path) {
    for (const auto* keyword : {"minimum", "exclusiveMinimum"})
      if (const auto least = number(reader, keyword))
        if (const auto sent = number(writer, keyword); !sent || *sent < *least)
          report(path, std::string{keyword} + " is higher for the reader");
    for (const auto* keyword : {"minLength", "minItems", "minProperties"})
      if (number(reader, keyword).value_or(0) > number(writer, keyword).value_or(0))
        report(path, std::string{keyword} + " is higher for the reader");
    for (const auto* keyword : {"maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties"})
      if (const auto most = number(reader, keyword))
        if (const auto sent = number(writer, keyword); !sent || *sent > *most)
          report(path, std::string{keyword} + " is lower for the reader");
  }

  static std::set<std::string> required(const bj::object& schema) {
    std::set<std::string> names;
    if (const auto* list = schema.if_contains("required"); list != nullptr && list->is_array())
      for (const auto& each : list->get_array())
        if (each.is_string()) names.emplace(text_of(each.get_string()));
    return names;
  }

  void compare_properties(const bj::object& reader, const bj::object& writer, const std::string& path) {
    const auto sent_always = required(writer);
    for (const auto& name : required(reader))
      if (!sent_always.contains(name))
        report(path + "." + name, "is required by the reader, but the writer may leave it out");
    static const bj::object none;
    const auto properties = [](const bj::object& schema) -> const bj::object& {
      const auto* p = schema.if_contains("properties");
      return p != nullptr && p->is_object() ? p->get_object() : none;
    };
    const auto& known = properties(reader);
    const auto* rest = reader.if_contains("additionalProperties");
    for (const auto& sent : properties(writer)) {
      const auto below = path + "." + std::string{sent.key().data(), sent.key().size()};
      if (const auto* mine = known.if_contains(sent.key()))
        compare(*mine, sent.value(), below);
      else if (rest != nullptr && rest->is_bool() && !rest->get_bool())
        report(below, "is unknown to the reader, which refuses unknown fields");
      else if (rest != nullptr && rest->is_object())
        compare(*rest, sent.value(), below);
    }
    const auto* others = writer.if_contains("additionalProperties");
    if (rest != nullptr && rest->is_object() && others != nullptr && others->is_object())
      compare(*rest, *others, path + ".*");
  }

  void compare_items(const bj::object& reader, const bj::object& writer, const std::string& path) {
    const auto* wanted = reader.if_contains("items");
    if (wanted == nullptr) return;
    const auto* sent = writer.if_contains("items");
    static const json::value anything = true;
    compare(*wanted, sent != nullptr ? *sent : anything, path + "[]");
  }

  const json::value& reader_root_;
  const json::value& writer_root_;
  std::set<std::pair<const json::value*, const json::value*>> open_;  // looked up only
  int depth_ = 0, left_ = max_comparisons;
  std::vector<incompatibility> found_;
};

}  // namespace

std::vector<incompatibility> unreadable_by(const json::value& reader, const json::value& writer) {
  return comparison{reader, writer}.run();
}

std::vector<incompatibility> incompatibilities(const json::value& older, const json::value& newer,
                                               compatibility wanted) {
  std::vector<incompatibility> all;
  const auto add = [&](std::string_view direction, std::vector<incompatibility> some) {
    for (auto& each : some) all.push_back({std::move(each.path), std::string{direction} + each.why});
  };
  if (wanted == compatibility::backward || wanted == compatibility::full)
    add("new code reading old data: ", unreadable_by(newer, older));
  if (wanted == compatibility::forward || wanted == compatibility::full)
    add("old code reading new data: ", unreadable_by(older, newer));
  return all;
}

}  // namespace weft::messaging
