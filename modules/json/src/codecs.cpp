#include <weft/json/codec.hpp>
#include <weft/json/codec_described.hpp>
#include <weft/json/codec_variant.hpp>

#include <algorithm>
#include <cmath>
#include <limits>

namespace weft::json {

bool codec<float>::read(reader& r, float& out) {
  double value;
  if (!r.read_double(value)) return false;
  out = static_cast<float>(value);
  return std::isfinite(out) || r.fail("the number is too large for a 32-bit float");
}

bool codec<uuid>::parse_key(std::string_view text, uuid& out) {
  const auto parsed = uuid::parse(text);
  if (parsed) out = *parsed;
  return parsed.has_value();
}

bool codec<uuid>::read(reader& r, uuid& out) {
  std::string_view text;
  if (!r.read_text(text)) return false;
  return parse_key(text, out) || r.fail("expected a UUID such as \"f81d4fae-7dec-11d0-a765-00a0c91e6bf6\"");
}

void codec<uuid>::write(writer& w, const uuid& v) { w.string(v.to_string()); }

void codec<uuid>::schema(schema_writer& s) {
  s.keyword("type", "string");
  s.keyword("format", "uuid");
}

bool codec<wall_time>::read(reader& r, wall_time& out) {
  std::string_view text;
  if (!r.read_text(text)) return false;
  const auto parsed = parse_rfc3339(text);
  if (!parsed) return r.fail(std::string{parsed.error().message()});
  out = *parsed;
  return true;
}

void codec<wall_time>::write(writer& w, wall_time v) { w.string(format_rfc3339(v)); }

void codec<wall_time>::schema(schema_writer& s) {
  s.keyword("type", "string");
  s.keyword("format", "date-time");
}

namespace detail {

std::size_t find_name(std::span<const std::string_view> names, std::string_view wanted) noexcept {
  return static_cast<std::size_t>(std::ranges::find(names, wanted) - names.begin());
}

other_key read_other_key(reader& r, std::span<const std::string_view> names, tag_state& tag, std::size_t& index) {
  std::string_view key;
  if (!r.read_key(key)) return other_key::failed;
  index = find_name(names, key);
  if (index != names.size()) return other_key::field;
  if (!tag.key.empty() && key == tag.key) {
    if (std::exchange(tag.seen, true)) {
      r.repeated_field();
      r.in_field(tag.key);
      return other_key::failed;
    }
  } else if (r.options().unknown_fields == unknown_fields::refuse) {
    r.unknown_field(key, names);
    return other_key::failed;
  }
  // The path of what is wrong inside a field that nobody reads is of no use; line and column say where it is.
  return r.skip_value() ? other_key::passed : other_key::failed;
}

bool find_tag(reader& r, tag_state& tag, std::span<const std::string_view> names, std::size_t& index) {
  const reader::position start = r.save();
  for (bool first = true;; first = false) {
    const step at = r.next_member();
    if (at == step::failed) return false;
    if (at == step::end) return r.missing(tag.key);
    std::string_view text;
    if (!r.read_key(text)) return false;
    if (text != tag.key) {
      if (!r.skip_value()) return false;
      continue;
    }
    if (!r.read_text(text)) return r.in_field(tag.key);
    index = text.empty() ? names.size() : find_name(names, text);  // alternatives without a tag have an empty name
    if (index == names.size()) {
      r.unknown_name(text, names);
      return r.in_field(tag.key);
    }
    tag.seen = first;
    if (!first) r.rewind(start);
    return true;
  }
}

bool wrong_kind(reader& r, std::span<const kind> forms) {
  std::string expected;
  for (std::size_t i = 0; i < forms.size(); ++i) {
    if (std::ranges::find(forms.first(i), forms[i]) != forms.begin() + static_cast<std::ptrdiff_t>(i)) continue;
    if (i != 0) expected += " or ";
    expected += describe(forms[i]);
  }
  return r.mismatch(expected);
}

}  // namespace detail
}  // namespace weft::json
