#include "schema_facts.hpp"

#include <algorithm>

namespace weft::messaging::schema {

namespace {

namespace bj = boost::json;

constexpr int max_depth = 8;

template <class List, class T>
bool insert(List& list, const T& each) {
  const auto at = std::ranges::lower_bound(list, each);
  if (at != list.end() && *at == each) return false;
  list.insert(at, each);
  return true;
}

const bj::object* object_at(const bj::object& schema, std::string_view keyword) {
  const auto* v = member(schema, keyword);
  return v != nullptr && v->is_object() ? &v->get_object() : nullptr;
}

bool has_patterns(const bj::object& schema) {
  const auto* patterns = object_at(schema, "patternProperties");
  return patterns != nullptr && !patterns->empty();
}

const std::vector<json::value>& of_few_values(type_set types) {
  // Parentheses: with braces a value would be a list of one.
  static const std::vector<json::value> none, null(1, json::value(nullptr)),
      flags{json::value(false), json::value(true)}, all{json::value(nullptr), json::value(false), json::value(true)};
  return types == type_null ? null : types == type_boolean ? flags : types == (type_null | type_boolean) ? all : none;
}

}  // namespace

element_schemas elements_of(const bj::object& schema) {
  element_schemas found;
  const auto* items = member(schema, "items");
  if (const auto* prefix = member(schema, "prefixItems"); prefix != nullptr && prefix->is_array())
    found.first = &prefix->get_array();
  if (items != nullptr && items->is_array() && found.first == nullptr) {
    found.first = &items->get_array();
    items = member(schema, "additionalItems");
  }
  if (items != nullptr && !items->is_array()) found.rest = items;
  return found;
}

facts facts::of(const schema_document& document, const json::value& schema) {
  facts made;
  made.add(document, schema);
  return made;
}

void facts::add(const schema_document& document, const json::value& schema) {
  if (schema.is_bool()) {
    nothing_ = nothing_ || !schema.get_bool();
    return;
  }
  if (!schema.is_object()) {
    unresolved_ = true;
    return;
  }
  const auto& s = schema.get_object();
  if (s.empty() || !insert(schemas_, known{&s, &document, &schema})) return;
  if (const auto* ref = member(s, "$ref")) {
    const auto* target = ref->is_string() ? document.resolve(text_of(ref->get_string())) : nullptr;
    if (target != nullptr)
      add(document, *target);
    else
      unresolved_ = true;
    if (!document.siblings_of_references_count()) {
      std::erase(schemas_, known{&s, &document, &schema});
      return;
    }
  }
  // OpenAPI's "nullable" would admit more than the rest says.
  unresolved_ = unresolved_ || s.contains("$dynamicRef") || s.contains("$recursiveRef") || s.contains("nullable");
  types_ &= types_of(s).value_or(type_any);
  if (const auto* all = member(s, "allOf"); all != nullptr && all->is_array())
    for (const auto& each : all->get_array()) add(document, each);
  for (const auto* name : {"anyOf", "oneOf"})
    if (const auto* list = member(s, name); list != nullptr && list->is_array() && !list->get_array().empty())
      if (const alternatives each{&list->get_array(), &document}; !std::ranges::binary_search(decided_, each))
        insert(alternatives_, each);
}

void facts::add(const facts& other) {
  for (const auto& each : other.schemas_) insert(schemas_, each);
  for (const auto& each : other.decided_) insert(decided_, each);
  for (const auto& each : other.alternatives_) insert(alternatives_, each);
  std::erase_if(alternatives_, [&](const auto& each) { return std::ranges::binary_search(decided_, each); });
  types_ &= other.types_;
  nothing_ = nothing_ || other.nothing_;
  unresolved_ = unresolved_ || other.unresolved_;
}

std::vector<facts> facts::split() const {
  std::vector<facts> all;
  auto rest = *this;
  const auto chosen = rest.alternatives_.front();
  rest.alternatives_.erase(rest.alternatives_.begin());
  insert(rest.decided_, chosen);
  for (const auto& each : *chosen.list) {
    all.push_back(rest);
    all.back().add(*chosen.document, each);
  }
  return all;
}

verdict facts::takes(const json::value& v) const {
  if (nothing_ || (types_ & type_of(v)) == 0) return verdict::no;
  auto all = verdict::yes;
  for (const auto& each : schemas_) all = both(all, accepts(*each.document, *each.whole, v));
  return all;
}

std::optional<std::vector<const json::value*>> facts::values() const {
  std::vector<const json::value*> list;
  const auto keep = [&](const json::value& v) {
    if (takes(v) != verdict::no) list.push_back(&v);
  };
  if (const auto* one = find("const", [](const json::value&) { return true; })) {
    keep(*one);
    return list;
  }
  if (const auto* some = find("enum", [](const json::value& v) { return v.is_array(); })) {
    for (const auto& each : some->get_array()) keep(each);
    return list;
  }
  const auto& few = of_few_values(types_);
  if (few.empty()) return std::nullopt;
  for (const auto& each : few) keep(each);
  return list;
}

bool facts::impossible() const {
  int steps_left = 500;  // alternatives within alternatives are too many to follow all
  return impossible(0, steps_left);
}

bool facts::impossible(int depth, int& steps_left) const {
  if (nothing_ || types_ == 0) return true;
  if (depth > max_depth || --steps_left < 0) return false;
  if (const auto all = values(); all && all->empty()) return true;
  if (has_alternatives()) {
    const auto each = split();
    return std::ranges::all_of(each, [&](const facts& f) { return f.impossible(depth + 1, steps_left); });
  }
  if ((types_ & ~type_number) == 0) {
    const auto *least = highest("minimum"), *most = lowest("maximum");
    if (least != nullptr && most != nullptr && compare_numbers(*least, *most) > 0) return true;
  }
  if (types_ != type_object) return false;
  const auto required = required_fields();
  return std::ranges::any_of(required,
                             [&](const std::string& name) { return property(name).impossible(depth + 1, steps_left); });
}

bool facts::requires_field(std::string_view name) const {
  return find("required", [&](const json::value& v) {
           return v.is_array() && std::ranges::any_of(v.get_array(), [&](const json::value& each) {
                    return each.is_string() && text_of(each.get_string()) == name;
                  });
         }) != nullptr;
}

std::vector<std::string> facts::fields() const {
  std::vector<std::string> list;
  for (const auto& each : schemas_)
    if (const auto* properties = object_at(*each.schema, "properties"))
      for (const auto& one : *properties)
        if (const std::string name{text_of(one.key())}; std::ranges::find(list, name) == list.end())
          list.push_back(name);
  return list;
}

std::vector<std::string> facts::required_fields() const {
  std::vector<std::string> list;
  for (const auto& each : schemas_)
    if (const auto* required = member(*each.schema, "required"); required != nullptr && required->is_array())
      for (const auto& one : required->get_array())
        if (one.is_string()) insert(list, std::string{text_of(one.get_string())});
  return list;
}

bool facts::names(std::string_view name) const {
  return find("properties", [&](const json::value& v) {
           return v.is_object() && member(v.get_object(), name) != nullptr;
         }) != nullptr;
}

bool facts::closed() const {
  return std::ranges::any_of(schemas_, [](const known& each) {
    const auto* rest = member(*each.schema, "additionalProperties");
    return rest != nullptr && rest->is_bool() && !rest->get_bool() && !has_patterns(*each.schema);
  });
}

facts facts::property(std::string_view name) const {
  facts found;
  for (const auto& each : schemas_) {
    const auto* properties = object_at(*each.schema, "properties");
    const auto* own = properties != nullptr ? member(*properties, name) : nullptr;
    if (own != nullptr)
      found.add(*each.document, *own);
    else if (const auto* rest = member(*each.schema, "additionalProperties"); rest && !has_patterns(*each.schema))
      found.add(*each.document, *rest);
  }
  return found;
}

facts facts::other_properties() const {
  facts found;
  for (const auto& each : schemas_)
    if (const auto* rest = member(*each.schema, "additionalProperties"); rest && !has_patterns(*each.schema))
      found.add(*each.document, *rest);
  return found;
}

bool facts::limits_other_properties() const {
  return find("additionalProperties", [](const json::value& v) { return v.is_object() && !v.get_object().empty(); }) !=
         nullptr;
}

std::vector<facts> facts::pattern_properties() const {
  std::vector<facts> list;
  for (const auto& each : schemas_)
    if (const auto* patterns = object_at(*each.schema, "patternProperties"))
      for (const auto& one : *patterns) list.push_back(of(*each.document, one.value()));
  return list;
}

facts facts::element(std::size_t index) const {
  facts found;
  for (const auto& each : schemas_) {
    const auto schemas = elements_of(*each.schema);
    if (schemas.first != nullptr && index < schemas.first->size())
      found.add(*each.document, (*schemas.first)[index]);
    else if (schemas.rest != nullptr)
      found.add(*each.document, *schemas.rest);
  }
  return found;
}

std::size_t facts::tuple_size() const {
  std::size_t size = 0;
  for (const auto& each : schemas_)
    if (const auto* first = elements_of(*each.schema).first) size = std::max(size, first->size());
  return size;
}

const json::value* facts::highest(std::string_view keyword) const {
  const json::value* best = nullptr;
  for (const auto& each : schemas_)
    if (const auto* v = member(*each.schema, keyword); v != nullptr && v->is_number())
      if (best == nullptr || compare_numbers(*v, *best) > 0) best = v;
  return best;
}

const json::value* facts::lowest(std::string_view keyword) const {
  const json::value* best = nullptr;
  for (const auto& each : schemas_)
    if (const auto* v = member(*each.schema, keyword); v != nullptr && v->is_number())
      if (best == nullptr || compare_numbers(*v, *best) < 0) best = v;
  return best;
}

}  // namespace weft::messaging::schema
