// C8: whatever schemas there are, "compatible" is never said of a pair where the writer admits a value that the reader
// refuses. A small validator of its own says what admits what.
#include <weft/messaging/schema_registry.hpp>
#include <weft/runtime/rng.hpp>

#include <gtest/gtest.h>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include <cmath>
#include <set>
#include <string>

namespace weft::messaging {
namespace {

namespace bj = boost::json;
using names = std::set<std::string>;

// Values are small here, so that doubles are exact.
class small_validator {
 public:
  // `own_fields_only`: a field that the schema does not name is no field of the writer's, as the registry takes it.
  small_validator(const json::value& root, bool own_fields_only) : root_{root}, own_only_{own_fields_only} {}

  bool admits(const json::value& schema, const json::value& v, int depth = 0) const {
    names named;
    if (!holds(schema, v, named, depth)) return false;
    if (own_only_ && v.is_object())
      for (const auto& each : v.get_object())
        if (!named.contains(std::string{each.key()})) return false;
    return true;
  }

 private:
  static bool same(const json::value& a, const json::value& b) {
    if (a.is_number() && b.is_number()) return a.to_number<double>() == b.to_number<double>();
    if (a.is_array() && b.is_array()) return std::ranges::equal(a.get_array(), b.get_array(), same);
    if (!a.is_object() || !b.is_object()) return a == b;
    return a.get_object().size() == b.get_object().size() && std::ranges::all_of(a.get_object(), [&](const auto& e) {
             const auto* other = b.get_object().if_contains(e.key());
             return other != nullptr && same(e.value(), *other);
           });
  }
  static bool is(const json::value& v, std::string_view type) {
    if (type == "null") return v.is_null();
    if (type == "boolean") return v.is_bool();
    if (type == "string") return v.is_string();
    if (type == "array") return v.is_array();
    if (type == "object") return v.is_object();
    if (type == "integer") return v.is_number() && std::floor(v.to_number<double>()) == v.to_number<double>();
    return v.is_number();
  }

  bool holds(const json::value& schema, const json::value& v, names& named, int depth) const {
    if (schema.is_bool()) return schema.get_bool();
    if (depth > 40) return false;  // refers to itself: admits nothing
    const auto& s = schema.get_object();
    const auto in_place = [&](const json::value& inner) { return holds(inner, v, named, depth + 1); };
    const auto aside = [&](const json::value& inner) {
      names ignored;
      return holds(inner, v, ignored, depth + 1);
    };
    for (const auto& each : s) {
      const std::string_view key{each.key().data(), each.key().size()};
      const auto& k = each.value();
      if (key == "$ref" && !in_place(root_.at("$defs").at("r"))) return false;
      if (key == "type" && !(k.is_string() ? is(v, std::string_view{k.get_string()})
                                           : std::ranges::any_of(k.get_array(), [&](const json::value& t) {
                                               return is(v, std::string_view{t.get_string()});
                                             })))
        return false;
      if (key == "const" && !same(k, v)) return false;
      if (key == "enum" && std::ranges::none_of(k.get_array(), [&](const auto& one) { return same(one, v); }))
        return false;
      if (key == "allOf" && !std::ranges::all_of(k.get_array(), in_place)) return false;
      if (key == "not" && aside(k)) return false;
      if (key == "anyOf" || key == "oneOf") {
        int count = 0;
        for (const auto& one : k.get_array()) {
          names mine;
          if (!holds(one, v, mine, depth + 1)) continue;
          ++count;
          named.merge(mine);
        }
        if (count == 0 || (key == "oneOf" && count > 1)) return false;
      }
      if (key == "if") {
        const auto* next = s.if_contains(aside(k) ? "then" : "else");
        if (next != nullptr && !in_place(*next)) return false;
      }
      if (v.is_number() && !number(key, k, v.to_number<double>())) return false;
      if (v.is_string() && ((key == "minLength" && v.get_string().size() < k.to_number<std::size_t>()) ||
                            (key == "maxLength" && v.get_string().size() > k.to_number<std::size_t>())))
        return false;
      if (v.is_array() && !list(key, k, s, v.get_array(), depth)) return false;
      if (v.is_object() && !object(key, k, s, v.get_object(), named, depth)) return false;
    }
    return true;
  }

  static bool number(std::string_view key, const json::value& k, double v) {
    if (key == "minimum") return v >= k.to_number<double>();
    if (key == "maximum") return v <= k.to_number<double>();
    if (key == "exclusiveMinimum") return v > k.to_number<double>();
    if (key == "exclusiveMaximum") return v < k.to_number<double>();
    if (key == "multipleOf") return std::fmod(v, k.to_number<double>()) == 0;
    return true;
  }

  bool list(std::string_view key, const json::value& k, const bj::object& s, const bj::array& v, int depth) const {
    if (key == "minItems") return v.size() >= k.to_number<std::size_t>();
    if (key == "maxItems") return v.size() <= k.to_number<std::size_t>();
    if (key == "uniqueItems" && k.get_bool())
      for (std::size_t i = 0; i < v.size(); ++i)
        for (std::size_t j = 0; j < i; ++j)
          if (same(v[i], v[j])) return false;
    const auto* prefix = s.if_contains("prefixItems");
    const auto first = prefix != nullptr ? prefix->get_array().size() : 0;
    for (std::size_t i = 0; i < v.size(); ++i) {
      if (key == "prefixItems" && i < first && !admits(k.get_array()[i], v[i], depth + 1)) return false;
      if (key == "items" && i >= first && !admits(k, v[i], depth + 1)) return false;
    }
    return key != "contains" || std::ranges::any_of(v, [&](const auto& one) { return admits(k, one, depth + 1); });
  }

  bool object(std::string_view key, const json::value& k, const bj::object& s, const bj::object& v, names& named,
              int depth) const {
    if (key == "minProperties") return v.size() >= k.to_number<std::size_t>();
    if (key == "maxProperties") return v.size() <= k.to_number<std::size_t>();
    if (key == "required")
      return std::ranges::all_of(k.get_array(), [&](const auto& one) { return v.contains(one.get_string()); });
    if (key == "dependentRequired")
      for (const auto& each : k.get_object())
        if (v.contains(each.key()) && !v.contains(each.value().at(0).get_string())) return false;
    const auto* known = s.if_contains("properties");
    const auto* patterns = s.if_contains("patternProperties");
    for (const auto& field : v) {
      const bool is_known = known != nullptr && known->get_object().contains(field.key());
      const bool matches = patterns != nullptr && field.key() == "a";  // the only pattern is ^a$
      if (key == "properties" && is_known) {
        named.insert(std::string{field.key()});
        if (!admits(k.at(field.key()), field.value(), depth + 1)) return false;
      }
      if (key == "patternProperties" && matches) {
        named.insert(std::string{field.key()});
        if (!admits(k.at("^a$"), field.value(), depth + 1)) return false;
      }
      if (key == "additionalProperties" && !is_known && !matches) {
        // "z" is a field that nobody names; open content has it too.
        if (k.is_object() && !k.get_object().empty()) named.insert(std::string{field.key()});
        if (!admits(k, field.value(), depth + 1)) return false;
      }
    }
    named.insert("z");
    return true;
  }

  const json::value& root_;
  bool own_only_;
};

class maker {
 public:
  explicit maker(std::uint64_t seed) : random_{seed} {}

  std::size_t below(std::size_t n) { return static_cast<std::size_t>(random_() % n); }
  bool chance(std::size_t one_in) { return below(one_in) == 0; }

  json::value value(int depth) {
    switch (below(depth > 0 ? 8 : 5)) {
      case 0:
        return json::value(nullptr);
      case 1:
        return chance(2);
      case 2:
        return static_cast<int>(below(6)) - 1;
      case 3:
        return static_cast<double>(below(8)) / 2 - 1;
      case 4:
        return bj::string(below(4), 'a');
      case 5: {
        bj::array list;
        for (auto n = below(4); n > 0; --n) list.push_back(value(depth - 1));
        return list;
      }
      default: {
        bj::object made;
        for (const auto* name : {"a", "b", "c", "z"})
          if (chance(2)) made[name] = value(depth - 1);
        return made;
      }
    }
  }

  json::value schema(int depth) {
    if (chance(14)) return chance(3) ? json::value(false) : json::value(true);
    bj::object s;
    static constexpr const char* types[]{"null", "boolean", "string", "integer", "number", "array", "object", "object"};
    if (!chance(5)) {
      s["type"] = types[below(8)];
      if (chance(6)) s["type"] = bj::array{types[below(3)], types[3 + below(4)]};
    }
    for (auto n = below(4); n > 0; --n) add_keyword(s, depth);
    return s;
  }

  void add_keyword(bj::object& s, int depth) {
    const auto small = [&] { return json::value(static_cast<int>(below(5))); };
    const auto inner = [&] { return depth > 0 ? schema(depth - 1) : json::value(chance(4) ? false : true); };
    const auto some = [&] {
      bj::array list;
      for (auto n = 1 + below(3); n > 0; --n) list.push_back(inner());
      return list;
    };
    static constexpr const char* fields[]{"a", "b", "c"};
    switch (below(26)) {
      case 0:
        s["minimum"] = small();
        break;
      case 1:
        s["maximum"] = small();
        break;
      case 2:
        s["exclusiveMinimum"] = small();
        break;
      case 3:
        s["exclusiveMaximum"] = small();
        break;
      case 4:
        s["multipleOf"] = static_cast<double>(1 + below(4)) / 2;
        break;
      case 5:
        s["minLength"] = small();
        break;
      case 6:
        s["maxLength"] = small();
        break;
      case 7:
        s["minItems"] = small();
        break;
      case 8:
        s["maxItems"] = small();
        break;
      case 9:
        s["uniqueItems"] = chance(2);
        break;
      case 10:
        s["items"] = inner();
        break;
      case 11:
        s["prefixItems"] = some();
        break;
      case 12:
        s["contains"] = inner();
        break;
      case 13:
        s["const"] = value(1);
        break;
      case 14:
        s["enum"] = bj::array{value(1), value(1), value(0)};
        break;
      case 15:
        s["anyOf"] = some();
        break;
      case 16:
        s["oneOf"] = some();
        break;
      case 17:
        s["allOf"] = some();
        break;
      case 18:
        s["not"] = inner();
        break;
      case 19:
        s["if"] = inner();
        s[chance(2) ? "then" : "else"] = inner();
        break;
      case 20:
        s["additionalProperties"] = inner();
        break;
      case 21:
        s["required"] = bj::array{fields[below(3)]};
        break;
      case 22:
        s[chance(2) ? "minProperties" : "maxProperties"] = small();
        break;
      case 23:
        if (chance(2))
          s["dependentRequired"] = bj::object{{fields[below(3)], bj::array{fields[below(3)]}}};
        else
          s["patternProperties"] = bj::object{{"^a$", inner()}};
        break;
      case 24:
        s["$ref"] = "#/$defs/r";
        break;
      default: {
        bj::object properties;
        for (const auto* name : fields)
          if (!chance(3)) properties[name] = inner();
        s["properties"] = std::move(properties);
      }
    }
  }

  // The same with a small difference somewhere.
  json::value changed(const json::value& v, int depth) {
    if (!v.is_object() || chance(4)) return schema(depth);
    auto s = v.get_object();
    if (s.empty() || chance(3)) {
      add_keyword(s, depth);
      return s;
    }
    auto at = s.begin() + static_cast<std::ptrdiff_t>(below(s.size()));
    const std::string key{at->key()};
    if (key == "properties" && !at->value().get_object().empty()) {
      auto& first = at->value().get_object().begin()->value();
      first = changed(first, depth - 1);
    } else if ((key == "items" || key == "additionalProperties") && !chance(3)) {
      at->value() = changed(at->value(), depth - 1);
    } else if (chance(2)) {
      s.erase(key);
    } else {
      add_keyword(s, depth);
    }
    return s;
  }

  json::value with_definition(json::value s, const json::value& definition) {
    if (!s.is_object()) return s;
    s.get_object()["$defs"] = bj::object{{"r", definition}};
    return s;
  }

 private:
  rng random_;
};

TEST(SchemaCompatibility, C8IsNeverSaidWhereTheReaderRefusesAValue) {
  int compatible = 0, tried = 0;
  for (std::uint64_t seed = 0; seed < 12'000; ++seed) {
    maker make{seed};
    const auto definition = make.schema(1);
    const auto plain = make.schema(2);
    const auto writer = make.with_definition(plain.is_object() ? plain : json::value(bj::object{}), definition);
    const auto next = make.changed(plain, 2);
    const auto reader = make.with_definition(next.is_object() ? next : json::value(bj::object{{"not", bj::object{}}}),
                                             make.chance(3) ? make.changed(definition, 1) : definition);
    if (!unreadable_by(reader, writer).empty()) continue;
    ++compatible;
    const small_validator of_writer{writer, true}, of_reader{reader, false};
    for (int i = 0; i < 60; ++i) {
      const auto v = make.value(2);
      if (!of_writer.admits(writer, v)) continue;
      ++tried;
      ASSERT_TRUE(of_reader.admits(reader, v))
          << "seed " << seed << "\nreader " << json::serialize(reader) << "\nwriter " << json::serialize(writer)
          << "\nvalue  " << json::serialize(v);
    }
  }
  EXPECT_GT(compatible, 2'000);
  EXPECT_GT(tried, 10'000);
}

}  // namespace
}  // namespace weft::messaging
