// Whether one JSON Schema accepts all that another one describes. Each keyword of the reader is a condition that has to
// follow from what is known about the writer's values; a condition that is not understood is reported as such, and one
// of the writer's is left out, since then more values are thought possible than there are.
#include <weft/messaging/schema_registry.hpp>

#include <algorithm>
#include <array>
#include <bit>
#include <map>
#include <set>

#include "schema_facts.hpp"

namespace weft::messaging {

namespace {

namespace bj = boost::json;
using namespace schema;

std::string quoted(const json::value& v) { return json::serialize(v); }

std::string join(type_set types) {
  static constexpr std::array<std::pair<type_set, std::string_view>, 6> words{{{type_array, "array"},
                                                                               {type_boolean, "boolean"},
                                                                               {type_null, "null"},
                                                                               {type_number, "number"},
                                                                               {type_object, "object"},
                                                                               {type_string, "string"}}};
  std::string text;
  for (const auto& [type, word] : words)
    if ((types & type) != 0)
      text += (text.empty() ? "" : " or ") + std::string{(types & type) == type_integer ? "integer" : word};
  return text;
}

__extension__ using wide = __int128;

constexpr std::array<type_set, 6> kinds{type_null, type_boolean, type_object, type_array, type_string, type_number};

class comparison {
 public:
  comparison(const json::value& reader, const json::value& writer) : reader_{reader}, writer_{writer} {}

  std::vector<incompatibility> run() {
    if (same_meaning(reader_.root(), reader_, writer_.root(), writer_)) return {};
    compare(reader_.root(), facts::of(writer_, writer_.root()), "$", 0);
    return std::move(found_);
  }

 private:
  static constexpr std::size_t max_found = 100;
  static constexpr int max_depth = 64;
  // Alternatives within alternatives are compared in every combination, which must end some time.
  static constexpr int max_comparisons = 20'000;

  void report(const std::string& path, std::string why, judgement how) {
    incompatibility each{path, std::move(why), how};
    if (found_.size() < max_found && std::ranges::find(found_, each) == found_.end()) found_.push_back(std::move(each));
  }
  void refuse(const std::string& path, std::string why) { report(path, std::move(why), judgement::incompatible); }
  void doubt(const std::string& path, std::string why) {
    report(path, "cannot be judged: " + std::move(why), judgement::undecided);
  }

  // What a comparison would find, without keeping it.
  std::vector<incompatibility> probe(const json::value& reader, const facts& writer, const std::string& path,
                                     int depth) {
    auto kept = std::exchange(found_, {});
    compare(reader, writer, path, depth);
    return std::exchange(found_, std::move(kept));
  }

  void compare(const json::value& reader, const facts& writer, const std::string& path, int depth) {
    if (reader.is_bool() && reader.get_bool()) return;
    if (reader.is_object() && reader.get_object().empty()) return;
    if (left_ == 0) return doubt(path, "the schemas are too intricate to compare");
    --left_;
    if (!reader.is_object() && !reader.is_bool()) return doubt(path, quoted(reader) + " is no schema");
    if (writer.impossible()) return;
    if (const auto values = writer.values()) return compare_values(reader, *values, path);
    if (reader.is_bool()) return refuse(path, "the reader takes nothing here");
    for (const auto& each : writer.schemas())
      if (same_meaning(reader, reader_, *each.whole, *each.document)) return;
    if (writer.has_alternatives()) {
      for (const auto& each : writer.split()) compare(reader, each, path, depth);
      return;
    }
    if (depth > max_depth) return doubt(path, "the schema is nested too deep to compare");
    // Recursive types: the same pair is being compared further out, and says all there is to say. At the same place it
    // says nothing: then the schema refers to itself.
    const auto [open, added] = open_.try_emplace({&reader, writer}, depth);
    if (!added) {
      if (open->second == depth) doubt(path, "the reader's schema refers to itself");
      return;
    }
    compare_object(reader.get_object(), reader, writer, path, depth);
    open_.erase(open);
  }

  void compare_values(const json::value& reader, const std::vector<const json::value*>& values,
                      const std::string& path) {
    const bool listed =
        reader.is_object() && (reader.get_object().contains("enum") || reader.get_object().contains("const"));
    for (const auto* each : values) {
      const auto taken = accepts(reader_, reader, *each);
      const auto types = reader.is_object() ? types_of(reader.get_object()) : std::nullopt;
      if (taken == verdict::no && types && (*types & type_of(*each)) == 0)
        refuse(path, "the reader takes " + join(*types) + ", the writer may send " + join(type_of(*each)));
      else if (taken == verdict::no)
        refuse(path,
               (listed ? "the reader does not know the value " : "the reader refuses the value ") + quoted(*each));
      if (taken == verdict::unknown) doubt(path, "whether the reader takes the value " + quoted(*each));
    }
  }

  void compare_object(const bj::object& reader, const json::value& whole, const facts& writer, const std::string& path,
                      int depth) {
    if (const auto* ref = member(reader, "$ref")) {
      const auto* target = ref->is_string() ? reader_.resolve(text_of(ref->get_string())) : nullptr;
      if (target == nullptr) return doubt(path, "$ref " + quoted(*ref) + " of the reader leads nowhere");
      compare(*target, writer, path, depth);
      if (!reader_.siblings_of_references_count()) return;
    }
    if (writer.unresolved()) return doubt(path, "a reference or a keyword of the writer");
    // Conditions on certain values hold for some types and not for others: one type after the other.
    static constexpr std::array<std::string_view, 6> by_type{"anyOf", "oneOf", "const", "enum", "not", "if"};
    const bool several = std::ranges::count_if(kinds, [&](type_set t) { return writer.may_be(t); }) > 1;
    if (several && std::ranges::any_of(by_type, [&](auto name) { return member(reader, name) != nullptr; })) {
      if (!compare_types(reader, writer, path)) return;
      for (const auto type : kinds)
        if (auto one = writer; one.may_be(type)) {
          one.restrict_to(type);
          compare(whole, one, path, depth);
        }
      return;
    }
    if (!compare_types(reader, writer, path)) return;
    if ((reader.contains("anyOf") || reader.contains("oneOf")) && compare_by_field(whole, writer, path, depth)) return;
    for (const auto& each : reader) compare_keyword(text_of(each.key()), each.value(), reader, writer, path, depth);
    if (writer.may_be(type_object)) compare_properties(reader, writer, path, depth);
    if (writer.may_be(type_array)) compare_elements(reader, writer, path, depth);
  }

  // Alternatives are told apart by a field with certain values: one value after the other.
  bool compare_by_field(const json::value& reader, const facts& writer, const std::string& path, int depth) {
    constexpr std::size_t max_values = 64;
    if (writer.types() != type_object) return false;
    for (const auto& name : writer.required_fields()) {
      const auto values = writer.property(name).values();
      if (!values || values->size() < 2 || values->size() > max_values) continue;
      for (const auto* value : *values) {
        const auto [made, added] = with_value_.try_emplace({name, value});
        if (added) made->second = bj::object{{"properties", bj::object{{name, bj::object{{"const", *value}}}}}};
        auto one = writer;
        one.add(writer_, made->second);
        compare(reader, one, path, depth);
      }
      return true;
    }
    return false;
  }

  bool compare_types(const bj::object& reader, const facts& writer, const std::string& path) {
    const auto wanted = types_of(reader);
    if (!wanted) {
      doubt(path, "the type " + quoted(*member(reader, "type")) + " of the reader");
      return false;
    }
    if ((writer.types() & ~*wanted) == 0) return true;
    refuse(path, "the reader takes " + join(*wanted) + ", the writer may send " +
                     (writer.types() == type_any ? "anything" : join(writer.types())));
    return false;
  }

  void compare_keyword(std::string_view name, const json::value& wanted, const bj::object& reader, const facts& writer,
                       const std::string& path, int depth) {
    // Looked at elsewhere.
    static constexpr std::array<std::string_view, 11> elsewhere{"$ref",
                                                                "type",
                                                                "properties",
                                                                "required",
                                                                "additionalProperties",
                                                                "items",
                                                                "prefixItems",
                                                                "additionalItems",
                                                                "then",
                                                                "else",
                                                                "patternProperties"};
    if (is_remark(name) || std::ranges::find(elsewhere, name) != elsewhere.end()) return;
    if (name == "const" || name == "enum")
      return refuse(path, "the reader takes certain values only, the writer may send any");
    if (name == "allOf") return compare_all(wanted, writer, path, depth);
    if (name == "anyOf" || name == "oneOf") return compare_alternatives(name, wanted, writer, path, depth);
    if (name == "not") return compare_not(wanted, writer, path);
    if (name == "if") return compare_condition(wanted, reader, writer, path, depth);
    if (compare_bound(name, wanted, writer, path) || compare_text(name, wanted, writer, path)) return;
    if (name == "uniqueItems") return compare_unique(wanted, writer, path);
    if (name == "dependentRequired") return compare_dependent(wanted, writer, path);
    if (has_the_same(name, wanted, writer)) return;
    if (says_nothing_about(name, writer)) return;
    doubt(path, "the reader's \"" + std::string{name} + "\"");
  }

  // Whether one of the writer's schemas says the same with that keyword. Not for those that depend on others beside
  // them.
  bool has_the_same(std::string_view name, const json::value& wanted, const facts& writer) const {
    if (name.starts_with("unevaluated") || name.ends_with("ontains")) return false;
    return std::ranges::any_of(writer.schemas(), [&](const facts::known& each) {
      const auto* mine = member(*each.schema, name);
      return mine != nullptr && same_meaning(wanted, reader_, *mine, *each.document);
    });
  }

  static bool says_nothing_about(std::string_view name, const facts& writer) {
    if (name == "propertyNames" || name == "unevaluatedProperties" || name.starts_with("dependent") ||
        name == "dependencies")
      return !writer.may_be(type_object);
    if (name == "contains" || name == "minContains" || name == "maxContains" || name == "unevaluatedItems")
      return !writer.may_be(type_array);
    return false;
  }

  void compare_all(const json::value& list, const facts& writer, const std::string& path, int depth) {
    if (!list.is_array()) return doubt(path, "the reader's \"allOf\"");
    for (const auto& each : list.get_array()) compare(each, writer, path, depth);
  }

  void compare_alternatives(std::string_view name, const json::value& list, const facts& writer,
                            const std::string& path, int depth) {
    if (!list.is_array() || list.get_array().empty()) return doubt(path, "the reader's \"" + std::string{name} + "\"");
    const auto& all = list.get_array();
    if (all.size() == 1) return compare(all.front(), writer, path, depth);
    bool taken = false;
    for (const auto& each : all) {
      if (!probe(each, writer, path, depth).empty()) continue;
      taken = true;
      if (name == "anyOf" || only_one_takes(all, each, writer)) return;
    }
    if (taken) return doubt(path, "more than one of the reader's alternatives may take what the writer sends");
    // Those that take some of it: together they may take all.
    std::vector<const json::value*> some;
    for (const auto& each : all)
      if (!have_nothing_in_common(each, writer)) some.push_back(&each);
    if (some.size() > 1) return doubt(path, "whether the reader's alternatives take all that the writer may send");
    if (some.size() == 1) return compare(*some.front(), writer, path, depth);
    refuse(path, "none of the reader's alternatives takes what the writer may send");
  }

  bool only_one_takes(const bj::array& all, const json::value& chosen, const facts& writer) const {
    return std::ranges::all_of(
        all, [&](const json::value& each) { return &each == &chosen || have_nothing_in_common(each, writer); });
  }

  bool have_nothing_in_common(const json::value& reader, const facts& writer) const {
    auto common = writer;
    common.add(facts::of(reader_, reader));
    return common.impossible();
  }

  void compare_not(const json::value& refused, const facts& writer, const std::string& path) {
    if (has_the_same("not", refused, writer) || have_nothing_in_common(refused, writer)) return;
    doubt(path, "the reader's \"not\"");
  }

  void compare_condition(const json::value& condition, const bj::object& reader, const facts& writer,
                         const std::string& path, int depth) {
    const auto *yes = member(reader, "then"), *no = member(reader, "else");
    const bool holds = (yes == nullptr || probe(*yes, writer, path, depth).empty()) &&
                       (no == nullptr || probe(*no, writer, path, depth).empty());
    const auto same = [&](const facts::known& each) {
      const auto same_member = [&](std::string_view name) {
        const auto *mine = member(reader, name), *other = member(*each.schema, name);
        return mine == nullptr ? name != "if"
                               : other != nullptr && same_meaning(*mine, reader_, *other, *each.document);
      };
      return same_member("if") && same_member("then") && same_member("else");
    };
    if (holds || std::ranges::any_of(writer.schemas(), same)) return;
    // Where the condition cannot hold, only "else" counts.
    if (have_nothing_in_common(condition, writer)) {
      if (no != nullptr) compare(*no, writer, path, depth);
      return;
    }
    doubt(path, "the reader's \"if\"");
  }

  // True for the keywords it knows.
  bool compare_bound(std::string_view name, const json::value& wanted, const facts& writer, const std::string& path) {
    struct bound {
      std::string_view name;
      type_set type;
      bool least;
    };
    static constexpr std::array<bound, 10> bounds{{{"minimum", type_number, true},
                                                   {"exclusiveMinimum", type_number, true},
                                                   {"maximum", type_number, false},
                                                   {"exclusiveMaximum", type_number, false},
                                                   {"minLength", type_string, true},
                                                   {"maxLength", type_string, false},
                                                   {"minItems", type_array, true},
                                                   {"maxItems", type_array, false},
                                                   {"minProperties", type_object, true},
                                                   {"maxProperties", type_object, false}}};
    const auto* at = std::ranges::find(bounds, name, &bound::name);
    if (at == bounds.end()) return false;
    if (!writer.may_be(at->type)) return true;
    if (!wanted.is_number()) {
      doubt(path, "the reader's \"" + std::string{name} + "\" " + quoted(wanted));
      return true;
    }
    if (at->type != type_number && at->least && compare_numbers(wanted, json::value(0)) <= 0) return true;
    if (!within(name, at->least, wanted, writer))
      refuse(path, std::string{name} + " is " + (at->least ? "higher" : "lower") + " for the reader");
    return true;
  }

  // Whether the writer's bounds keep to the reader's.
  static bool within(std::string_view name, bool least, const json::value& wanted, const facts& writer) {
    // The tightest of the writer's, and how it compares: positive where it is tighter.
    const auto tighter = [&](std::string_view keyword) -> std::optional<int> {
      const auto* mine = least ? writer.highest(keyword) : writer.lowest(keyword);
      if (mine == nullptr) return std::nullopt;
      return least ? compare_numbers(*mine, wanted) : -compare_numbers(*mine, wanted);
    };
    if (name == "minProperties" &&
        compare_numbers(json::value(static_cast<std::uint64_t>(writer.required_fields().size())), wanted) >= 0)
      return true;
    // Whole numbers beyond 3 begin with 4.
    const auto* beyond = least ? writer.highest("exclusiveMinimum") : writer.lowest("exclusiveMaximum");
    if ((name == "minimum" || name == "maximum") && beyond != nullptr && !writer.may_be(type_fraction) &&
        beyond->is_int64() && wanted.is_int64()) {
      const auto step = wide{beyond->get_int64()} + (least ? 1 : -1);
      if (least ? step >= wanted.get_int64() : step <= wanted.get_int64()) return true;
    }
    if (name == "minimum" || name == "maximum")
      return tighter(name).value_or(-1) >= 0 ||
             tighter(name == "minimum" ? "exclusiveMinimum" : "exclusiveMaximum").value_or(-1) >= 0;
    if (name.starts_with("exclusive"))
      return tighter(name).value_or(-1) >= 0 ||
             tighter(name == "exclusiveMinimum" ? "minimum" : "maximum").value_or(-1) > 0;
    return tighter(name).value_or(-1) >= 0;
  }

  bool compare_text(std::string_view name, const json::value& wanted, const facts& writer, const std::string& path) {
    if (name == "multipleOf") {
      if (writer.may_be(type_number)) compare_multiple(wanted, writer, path);
      return true;
    }
    if (name != "pattern" && name != "format" && name != "contentEncoding") return false;
    // "format" may be of numbers too.
    if (!writer.may_be(type_string) && (name != "format" || !writer.may_be(type_number))) return true;
    const auto same = [&](const json::value& v) { return v == wanted; };
    if (writer.find(name, same) != nullptr) return true;
    const auto* sent = writer.find(name, [](const json::value&) { return true; });
    const auto why = std::string{name} + " is " + quoted(wanted) + " for the reader, and " +
                     (sent == nullptr ? "free" : quoted(*sent)) + " for the writer";
    if (name == "pattern" && sent != nullptr)
      doubt(path, why);
    else
      refuse(path, why);
    return true;
  }

  void compare_multiple(const json::value& wanted, const facts& writer, const std::string& path) {
    if (!wanted.is_number()) return doubt(path, "the reader's \"multipleOf\" " + quoted(wanted));
    static const json::value one = 1;
    const bool whole = !writer.may_be(type_fraction);
    bool unknown = false;
    const auto follows = [&](const json::value& sent) {
      if (!sent.is_number()) return false;
      const auto multiple = is_multiple(sent, wanted);
      unknown = unknown || !multiple;
      return multiple.value_or(false);
    };
    if ((whole && follows(one)) || writer.find("multipleOf", follows) != nullptr) return;
    const auto* sent = writer.find("multipleOf", [](const json::value&) { return true; });
    const auto why = "multipleOf is " + quoted(wanted) + " for the reader, and " +
                     (sent == nullptr ? "free" : quoted(*sent)) + " for the writer";
    if (unknown)
      doubt(path, why);
    else
      refuse(path, why);
  }

  void compare_unique(const json::value& wanted, const facts& writer, const std::string& path) {
    if (!writer.may_be(type_array) || (wanted.is_bool() && !wanted.get_bool())) return;
    if (writer.find("uniqueItems", [&](const json::value& v) { return v == wanted; }) != nullptr) return;
    if (const auto* most = writer.lowest("maxItems"); most != nullptr && compare_numbers(*most, json::value(1)) <= 0)
      return;
    refuse(path, "uniqueItems is " + quoted(wanted) + " for the reader, and free for the writer");
  }

  void compare_dependent(const json::value& wanted, const facts& writer, const std::string& path) {
    if (!writer.may_be(type_object)) return;
    if (!wanted.is_object()) return doubt(path, "the reader's \"dependentRequired\"");
    for (const auto& each : wanted.get_object()) {
      const std::string name{text_of(each.key())};
      if (!each.value().is_array()) {
        doubt(path, "the reader's \"dependentRequired\"");
        continue;
      }
      if (writer.closed() && !writer.names(name)) continue;
      for (const auto& other : each.value().get_array()) {
        if (!other.is_string() || writer.requires_field(text_of(other.get_string()))) continue;
        const bool same = writer.find("dependentRequired", [&](const json::value& v) {
          const auto* list = v.is_object() ? member(v.get_object(), name) : nullptr;
          return list != nullptr && list->is_array() &&
                 std::ranges::find(list->get_array(), other) != list->get_array().end();
        }) != nullptr;
        if (!same && (writer.names(name) || writer.requires_field(name)))
          refuse(path + "." + std::string{text_of(other.get_string())},
                 "is required by the reader where there is " + name + ", but the writer may leave it out");
        else if (!same)
          doubt(path, "the reader's \"dependentRequired\"");
      }
    }
  }

  // A field that neither names is the writer's own affair. One that only the reader names is taken to be absent, unless
  // the writer says what its other fields are: else no reader could ever learn a new optional field.
  void compare_properties(const bj::object& reader, const facts& writer, const std::string& path, int depth) {
    const auto* list = member(reader, "required");
    if (list != nullptr && !list->is_array()) doubt(path, "the reader's \"required\" " + quoted(*list));
    if (list != nullptr && list->is_array())
      for (const auto& each : list->get_array())
        if (each.is_string() && !writer.requires_field(text_of(each.get_string())))
          refuse(path + "." + std::string{text_of(each.get_string())},
                 "is required by the reader, but the writer may leave it out");
    static const bj::object none;
    const auto* properties = member(reader, "properties");
    if (properties != nullptr && !properties->is_object()) doubt(path, "the reader's \"properties\"");
    const auto& known = properties != nullptr && properties->is_object() ? properties->get_object() : none;
    const auto patterns = writer.pattern_properties();
    for (const auto& mine : known) {
      const std::string name{text_of(mine.key())};
      const auto below = path + "." + name;
      if (writer.names(name) || writer.closed() || writer.limits_other_properties() || writer.requires_field(name))
        compare(mine.value(), writer.property(name), below, depth + 1);
      if (writer.names(name)) continue;
      for (const auto& each : patterns)
        if (!probe(mine.value(), each, below, depth + 1).empty())
          doubt(below, "whether a pattern of the writer's fields is about it");
    }
    compare_others(reader, known, writer, path, depth);
    compare_patterns(reader, writer, path, depth);
  }

  void compare_others(const bj::object& reader, const bj::object& known, const facts& writer, const std::string& path,
                      int depth) {
    const auto* rest = member(reader, "additionalProperties");
    if (rest == nullptr || (rest->is_bool() && rest->get_bool())) return;
    const bool refused = rest->is_bool();
    for (const auto& name : writer.fields()) {
      if (known.contains(name)) continue;
      const auto field = writer.property(name);
      if (refused && !field.impossible())
        refuse(path + "." + name, "is unknown to the reader, which refuses unknown fields");
      else
        compare(*rest, field, path + "." + name, depth + 1);
    }
    for (const auto& each : writer.pattern_properties()) compare(*rest, each, path + ".*", depth + 1);
    if (writer.closed()) return;
    if (refused && !writer.other_properties().impossible())
      refuse(path + ".*", "the reader refuses unknown fields, and the writer may send some");
    else
      compare(*rest, writer.other_properties(), path + ".*", depth + 1);
  }

  void compare_patterns(const bj::object& reader, const facts& writer, const std::string& path, int depth) {
    const auto* patterns = member(reader, "patternProperties");
    if (patterns == nullptr) return;
    if (!patterns->is_object()) return doubt(path, "the reader's \"patternProperties\"");
    for (const auto& each : patterns->get_object()) {
      const auto same = std::ranges::any_of(writer.schemas(), [&](const facts::known& other) {
        const auto* theirs = member(*other.schema, "patternProperties");
        const auto* of_pattern =
            theirs != nullptr && theirs->is_object() ? theirs->get_object().if_contains(each.key()) : nullptr;
        return of_pattern != nullptr &&
               probe(each.value(), facts::of(*other.document, *of_pattern), path + ".*", depth + 1).empty();
      });
      if (!same) doubt(path, "the reader's \"patternProperties\"");
    }
  }

  void compare_elements(const bj::object& reader, const facts& writer, const std::string& path, int depth) {
    const auto wanted = elements_of(reader);
    if (wanted.first == nullptr && wanted.rest == nullptr) return;
    static const json::value anything = true;
    const auto places = std::max(writer.tuple_size(), wanted.first != nullptr ? wanted.first->size() : 0);
    const auto* most = writer.lowest("maxItems");
    const auto may_have = [&](std::size_t index) {
      return most == nullptr || compare_numbers(*most, json::value(static_cast<std::uint64_t>(index))) > 0;
    };
    for (std::size_t i = 0; i <= places && may_have(i); ++i) {
      const auto& mine = wanted.first != nullptr && i < wanted.first->size() ? (*wanted.first)[i]
                         : wanted.rest != nullptr                            ? *wanted.rest
                                                                             : anything;
      const auto element = writer.element(i);
      if (element.impossible()) break;  // and none follows
      compare(mine, element, path + "[]", depth + 1);
    }
  }

  schema_document reader_, writer_;
  std::map<std::pair<const json::value*, facts>, int> open_;
  std::map<std::pair<std::string, const json::value*>, json::value> with_value_;  // schemas of a field's one value
  int left_ = max_comparisons;
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
    for (auto& each : some) all.push_back({std::move(each.path), std::string{direction} + each.why, each.how});
  };
  if (wanted == compatibility::backward || wanted == compatibility::full)
    add("new code reading old data: ", unreadable_by(newer, older));
  if (wanted == compatibility::forward || wanted == compatibility::full)
    add("old code reading new data: ", unreadable_by(older, newer));
  return all;
}

}  // namespace weft::messaging
