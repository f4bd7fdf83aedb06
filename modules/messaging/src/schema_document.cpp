#include "schema_document.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <limits>
#include <string>

namespace weft::messaging::schema {

namespace {

namespace bj = boost::json;
__extension__ using wide = __int128;

template <class Found>
bool any_object(const json::value& v, const Found& found) {
  if (v.is_array())
    return std::ranges::any_of(v.get_array(), [&](const json::value& each) { return any_object(each, found); });
  if (!v.is_object()) return false;
  return found(v.get_object()) ||
         std::ranges::any_of(v.get_object(), [&](const auto& each) { return any_object(each.value(), found); });
}

const json::value* find_anchor(const json::value& v, std::string_view name) {
  if (v.is_array()) {
    for (const auto& each : v.get_array())
      if (const auto* found = find_anchor(each, name)) return found;
    return nullptr;
  }
  if (!v.is_object()) return nullptr;
  if (const auto* anchor = member(v.get_object(), "$anchor");
      anchor != nullptr && anchor->is_string() && text_of(anchor->get_string()) == name)
    return &v;
  for (const auto& each : v.get_object())
    if (const auto* found = find_anchor(each.value(), name)) return found;
  return nullptr;
}

// One token of a JSON Pointer in a URI fragment: %25, then ~1 and ~0.
std::optional<std::string> token_of(std::string_view text) {
  std::string plain;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      plain += text[i];
      continue;
    }
    unsigned byte = 0;
    if (text.size() - i < 3) return std::nullopt;
    const auto* first = text.data() + i + 1;
    if (std::from_chars(first, first + 2, byte, 16).ptr != first + 2) return std::nullopt;
    plain += static_cast<char>(byte);
    i += 2;
  }
  std::string token;
  for (std::size_t i = 0; i < plain.size(); ++i) {
    if (plain[i] != '~') {
      token += plain[i];
      continue;
    }
    if (++i == plain.size() || (plain[i] != '0' && plain[i] != '1')) return std::nullopt;
    token += plain[i] == '0' ? '~' : '/';
  }
  return token;
}

// A number as digits and a power of ten.
struct decimal {
  wide digits = 0;
  int exponent = 0;
};

std::optional<decimal> decimal_of(const json::value& v) {
  if (v.is_int64()) return decimal{v.get_int64(), 0};
  if (v.is_uint64()) return decimal{v.get_uint64(), 0};
  if (!v.is_double() || !std::isfinite(v.get_double())) return std::nullopt;
  std::array<char, 64> text{};
  const auto end = std::to_chars(text.data(), text.data() + text.size(), v.get_double(), std::chars_format::scientific);
  const std::string_view all{text.data(), static_cast<std::size_t>(end.ptr - text.data())};
  const auto e = all.find('e');
  decimal d;
  const auto* first = all.data() + e + (all[e + 1] == '+' ? 2 : 1);
  std::from_chars(first, end.ptr, d.exponent);
  bool fraction = false;
  for (const char c : all.substr(0, e)) {
    if (c == '.') fraction = true;
    if (c < '0' || c > '9') continue;
    d.digits = d.digits * 10 + (c - '0');
    if (fraction) --d.exponent;
  }
  if (all.front() == '-') d.digits = -d.digits;
  return d;
}

bool scale(wide& digits, int by) {
  for (; by > 0 && digits != 0; --by)
    if (__builtin_mul_overflow(digits, wide{10}, &digits)) return false;
  return true;
}

// Values that a reference in `v` depends on stand in "$defs" and "definitions" only.
bool refers_to_definitions_only(const json::value& v) {
  return !any_object(v, [](const bj::object& o) {
    if (o.contains("$dynamicRef") || o.contains("$recursiveRef")) return true;
    const auto* ref = member(o, "$ref");
    return ref != nullptr && (!ref->is_string() || (!text_of(ref->get_string()).starts_with("#/$defs/") &&
                                                    !text_of(ref->get_string()).starts_with("#/definitions/")));
  });
}

bool has_references(const json::value& v) {
  return any_object(v, [](const bj::object& o) {
    return o.contains("$ref") || o.contains("$dynamicRef") || o.contains("$recursiveRef");
  });
}

bool same_definitions(const schema_document& a, const schema_document& b) {
  if (!a.root().is_object() || !b.root().is_object()) return false;
  for (const auto* name : {"$defs", "definitions", "$id", "$schema"}) {
    const auto *mine = member(a.root().get_object(), name), *other = member(b.root().get_object(), name);
    if ((mine == nullptr) != (other == nullptr) || (mine != nullptr && !equal_values(*mine, *other))) return false;
  }
  return true;
}

}  // namespace

const json::value* member(const bj::object& o, std::string_view name) {
  return o.if_contains({name.data(), name.size()});
}

schema_document::schema_document(const json::value& root) : root_{root} {
  if (!root.is_object()) return;
  if (const auto* id = member(root.get_object(), "$id"); id != nullptr && id->is_string())
    id_ = text_of(id->get_string());
  if (const auto* dialect = member(root.get_object(), "$schema"); dialect != nullptr && dialect->is_string()) {
    const auto name = text_of(dialect->get_string());
    siblings_count_ = !name.contains("draft-07") && !name.contains("draft-06") && !name.contains("draft-04");
  }
  // References below another "$id" begin at that one.
  nested_ids_ = any_object(root, [&](const bj::object& o) {
    const auto* id = member(o, "$id");
    return id != nullptr && id->is_string() && &o != &root.get_object();
  });
}

const json::value* schema_document::resolve(std::string_view reference) const {
  if (nested_ids_) return nullptr;
  if (!id_.empty() && reference.starts_with(id_)) {
    reference.remove_prefix(id_.size());
    if (reference.empty()) return &root_;
  }
  if (!reference.starts_with('#')) return nullptr;
  reference.remove_prefix(1);
  if (reference.empty()) return &root_;
  if (reference.front() != '/') return find_anchor(root_, reference);
  const auto* at = &root_;
  while (!reference.empty()) {
    reference.remove_prefix(1);
    const auto end = std::min(reference.find('/'), reference.size());
    const auto token = token_of(reference.substr(0, end));
    reference.remove_prefix(end);
    if (!token) return nullptr;
    if (at->is_object()) {
      at = member(at->get_object(), *token);
    } else if (at->is_array()) {
      std::size_t index = 0;
      const auto* last = token->data() + token->size();
      if (std::from_chars(token->data(), last, index).ptr != last || index >= at->get_array().size()) return nullptr;
      at = &at->get_array()[index];
    } else {
      return nullptr;
    }
    if (at == nullptr) return nullptr;
  }
  return at->is_object() || at->is_bool() ? at : nullptr;
}

bool schema_document::has_unknown_references() const {
  return any_object(root_, [&](const bj::object& o) {
    const auto* ref = member(o, "$ref");
    return (ref != nullptr && ref->is_string() && resolve(text_of(ref->get_string())) == nullptr) ||
           o.contains("$dynamicRef") || o.contains("$recursiveRef");
  });
}

int compare_numbers(const json::value& a, const json::value& b) {
  // Holds each 64-bit integer and each double.
  using exact = long double;
  static_assert(std::numeric_limits<exact>::digits >= 64);
  const auto of = [](const json::value& v) -> exact {
    return v.is_int64()    ? static_cast<exact>(v.get_int64())
           : v.is_uint64() ? static_cast<exact>(v.get_uint64())
                           : static_cast<exact>(v.get_double());
  };
  const auto x = of(a), y = of(b);
  return x < y ? -1 : x > y ? 1 : 0;
}

std::optional<bool> is_multiple(const json::value& whole, const json::value& part) {
  auto a = decimal_of(whole), b = decimal_of(part);
  if (!a || !b || b->digits == 0) return std::nullopt;
  const int common = std::min(a->exponent, b->exponent);
  if (!scale(a->digits, a->exponent - common) || !scale(b->digits, b->exponent - common)) return std::nullopt;
  return a->digits % b->digits == 0;
}

bool is_integer(const json::value& v) {
  return v.is_int64() || v.is_uint64() || (v.is_double() && std::trunc(v.get_double()) == v.get_double());
}

bool equal_values(const json::value& a, const json::value& b) {
  if (a.is_number() && b.is_number()) return compare_numbers(a, b) == 0;
  if (a.is_array() && b.is_array()) return std::ranges::equal(a.get_array(), b.get_array(), equal_values);
  if (!a.is_object() || !b.is_object()) return a == b;
  const auto &x = a.get_object(), &y = b.get_object();
  return x.size() == y.size() && std::ranges::all_of(x, [&](const auto& each) {
           const auto* other = y.if_contains(each.key());
           return other != nullptr && equal_values(each.value(), *other);
         });
}

bool same_meaning(const json::value& a, const schema_document& in_a, const json::value& b,
                  const schema_document& in_b) {
  if (!equal_values(a, b)) return false;
  if (!has_references(a)) return true;
  return refers_to_definitions_only(a) && same_definitions(in_a, in_b) && !in_a.has_unknown_references();
}

}  // namespace weft::messaging::schema
