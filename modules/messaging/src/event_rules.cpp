#include "event_rules.hpp"

#include <weft/messaging/text_encoding.hpp>

#include <algorithm>
#include <array>
#include <string>

namespace weft::messaging::event_rules {

std::unexpected<error> wrong(std::string_view name, std::string_view why) {
  return fail(errc::invalid_argument, "attribute " + std::string{name} + ": " + std::string{why});
}

bool plain(std::string_view text) noexcept {
  bool other = false;
  for (const char each : text) {  // without a branch: the compiler takes many at a time
    const auto c = static_cast<unsigned char>(each);
    other |= c < 0x20 || c >= 0x7f;
  }
  return !other;
}

result<> check_required(std::string_view name, std::string_view text) {
  if (text.empty()) return wrong(name, "is required");
  return check_text(name, text);
}

// CloudEvents 1.0, "Type System", String: no control characters, no noncharacters that matter, valid Unicode.
result<> check_text(std::string_view name, std::string_view text) {
  if (text.size() > max_attribute_bytes) return wrong(name, "longer than 4096 bytes");
  if (plain(text)) return {};
  const auto control = [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; };
  if (std::ranges::any_of(text, control)) return wrong(name, "has a control character in it");
  for (std::size_t i = 0; i + 1 < text.size(); ++i)
    if (text[i] == '\xc2' && static_cast<unsigned char>(text[i + 1]) < 0xa0)
      return wrong(name, "has a control character in it");
  if (!valid_utf8(text)) return wrong(name, "is not valid UTF-8");
  return {};
}

namespace {

// ASCII from ! to ~, without these.
constexpr std::array<bool, 256> printable_but(std::string_view without) {
  std::array<bool, 256> table{};
  for (std::size_t c = '!'; c <= '~'; ++c) table[c] = !without.contains(static_cast<char>(c));
  return table;
}

// RFC 3986 by its characters: no spaces, quotes, or what is outside ASCII.
constexpr auto in_uris = printable_but("\"<>\\^`{|}");

constexpr auto in_tokens = printable_but("()<>@,;:\\\"/[]?=");

bool token_character(char c) { return in_tokens[static_cast<unsigned char>(c)]; }

bool absolute(std::string_view uri) {
  const auto colon = uri.find(':');
  return colon != uri.npos && colon > 0 && uri.find_first_of("/?#") > colon;
}

constexpr std::size_t max_extension_name = 64;  // the specification recommends at most 20

constexpr auto in_names = [] {
  std::array<bool, 256> table{};
  for (const char c : std::string_view{"abcdefghijklmnopqrstuvwxyz0123456789"})
    table[static_cast<unsigned char>(c)] = true;
  return table;
}();

constexpr std::string_view own_names[] = {"id",   "source",          "specversion", "type", "subject",
                                          "time", "datacontenttype", "dataschema",  "data"};

}  // namespace

bool is_own(std::string_view name) noexcept { return std::ranges::find(own_names, name) != std::end(own_names); }

result<> check_uri(std::string_view name, std::string_view text) {
  if (!std::ranges::all_of(text, [](char c) { return in_uris[static_cast<unsigned char>(c)]; }))
    return wrong(name, "'" + std::string{text} + "' is no URI");
  return {};
}

result<> check_schema(std::string_view uri) {
  WEFT_TRY_VOID(check_uri("dataschema", uri));
  if (!absolute(uri)) return wrong("dataschema", "'" + std::string{uri} + "' is no absolute URI");
  return {};
}

result<> check_media_type(std::string_view text) {
  constexpr std::string_view name = "datacontenttype";
  if (text == "application/json") return {};
  const auto type = text.substr(0, text.find(';'));
  const auto slash = type.find('/');
  const auto trimmed_end = type.find_last_not_of(' ');
  if (slash == type.npos || slash == 0 || trimmed_end == type.npos || trimmed_end == slash)
    return wrong(name, "'" + std::string{text} + "' is no media type");
  const auto all_token = [](std::string_view part) { return std::ranges::all_of(part, token_character); };
  if (!all_token(type.substr(0, slash)) || !all_token(type.substr(slash + 1, trimmed_end - slash)))
    return wrong(name, "'" + std::string{text} + "' is no media type");
  return {};
}

result<> check_extension_name(std::string_view name) {
  const auto plain_name = [](char c) { return in_names[static_cast<unsigned char>(c)]; };
  if (name.empty() || name.size() > max_extension_name || !std::ranges::all_of(name, plain_name))
    return fail(errc::invalid_argument,
                "extension '" + std::string{name} + "': a name is 1 to 64 lower-case letters and digits");
  if (is_own(name))
    return fail(errc::invalid_argument, "extension '" + std::string{name} + "': the name belongs to the specification");
  return {};
}

}  // namespace weft::messaging::event_rules
