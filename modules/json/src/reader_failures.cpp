#include <weft/base/closest_name.hpp>
#include <weft/json/reader.hpp>

#include <algorithm>
#include <vector>

namespace weft::json {

namespace {

constexpr std::size_t longest_name_shown = 64;

// Names come from the input: shown only so far, and without bytes that would break a line of a log.
std::string shown(std::string_view name) {
  std::string out;
  for (const char c : name.substr(0, longest_name_shown)) out.push_back(static_cast<unsigned char>(c) < ' ' ? '?' : c);
  while (name.size() > longest_name_shown && !out.empty() && (static_cast<unsigned char>(out.back()) & 0xC0) == 0x80) {
    out.pop_back();  // not in the middle of a character
  }
  if (name.size() > longest_name_shown) out += "...";
  return out;
}

bool is_plain(std::string_view name) {
  if (name.empty() || name.size() > longest_name_shown) return false;
  return std::ranges::all_of(name, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-' ||
           c == '$';
  });
}

// "; did you mean "port"?", or the list to choose from.
std::string suggestion(std::string_view got, std::span<const std::string_view> known) {
  const auto closest = closest_name(got, known);
  if (!closest.empty()) return "; did you mean \"" + std::string{closest} + "\"?";
  if (known.empty()) return "; there are none here";
  std::string out = "; known are ";
  constexpr std::size_t listed = 20;
  for (std::size_t i = 0; i < known.size() && i < listed; ++i) {
    if (i != 0) out += ", ";
    out += known[i];
  }
  if (known.size() > listed) out += ", ...";
  return out;
}

}  // namespace

std::string_view describe(kind k) noexcept {
  switch (k) {
    case kind::null:
      return "null";
    case kind::boolean:
      return "a boolean";
    case kind::number:
      return "a number";
    case kind::string:
      return "a string";
    case kind::array:
      return "an array";
    case kind::object:
      return "an object";
  }
  return "a value";
}

bool reader::fail(std::string what) {
  if (failed_) return false;
  failed_ = true;
  failure_.what = std::move(what);
  failure_.offset = static_cast<std::size_t>(at_ - begin_);
  for (const char* c = begin_; c != at_; ++c) {
    ++failure_.column;
    if (*c == '\n') {
      ++failure_.line;
      failure_.column = 1;
    }
  }
  return false;
}

bool reader::syntax(std::string what, const char* at) {
  if (failed_) return false;
  at_ = at;
  fail(std::move(what));
  failure_.what += " at line " + std::to_string(failure_.line) + ", column " + std::to_string(failure_.column) +
                   " (byte " + std::to_string(failure_.offset) + ")";
  return false;
}

bool reader::mismatch(std::string_view expected) {
  if (failed_) return false;
  const char c = look();
  if (at_ == end_) return syntax("expected " + std::string{expected} + ", but the text ends", at_);
  static constexpr std::string_view starts = "{[\"tfn-0123456789";
  if (!starts.contains(c)) return syntax("expected " + std::string{expected}, at_);
  kind got;
  return peek(got) && fail("expected " + std::string{expected} + ", got " + std::string{describe(got)});
}

bool reader::too_deep() {
  return syntax("arrays and objects are nested deeper than " +
                    std::to_string(std::min(options_.max_depth, depth_ceiling)) + " levels",
                at_);
}

step reader::too_many() {
  syntax("more than " + std::to_string(options_.max_elements) + " array elements and object members", at_);
  return step::failed;
}

step reader::no_separator(char closing) {
  const std::string what = closing == '}' ? "expected ',' or '}'" : "expected ',' or ']'";
  syntax(at_ == end_ ? what + ", but the text ends" : what, at_);
  return step::failed;
}

step reader::no_key() {
  syntax(at_ == end_ ? "expected a key, but the text ends" : "expected a key in double quotes", at_);
  return step::failed;
}

bool reader::missing(std::string_view field) {
  fail("missing");
  return in_field(field);
}

bool reader::repeated_field() { return fail("the field appears twice"); }

bool reader::unknown_field(std::string_view field, std::span<const std::string_view> known) {
  if (failed_) return false;
  const std::string name{field};  // it may point into scratch_
  fail("unknown field" + suggestion(name, known));
  return in_field(name);
}

bool reader::unknown_name(std::string_view got, std::span<const std::string_view> known) {
  if (failed_) return false;
  return fail("\"" + shown(got) + "\" is not one of its values" + suggestion(got, known));
}

bool reader::in_field(std::string_view name) {
  failure_.steps.emplace_back(name);
  failure_.path.insert(0, is_plain(name) ? "." + std::string{name} : "[\"" + shown(name) + "\"]");
  return false;
}

bool reader::in_element(std::size_t index) {
  failure_.steps.push_back(std::to_string(index));
  failure_.path.insert(0, "[" + std::to_string(index) + "]");
  return false;
}

decode_failure reader::take_failure() {
  failure_.path.insert(0, "$");
  std::ranges::reverse(failure_.steps);
  return std::move(failure_);
}

}  // namespace weft::json
