#include <weft/messaging/event.hpp>
#include <weft/messaging/text_encoding.hpp>

#include <algorithm>
#include <array>
#include <charconv>

namespace weft::messaging {

namespace {

constexpr std::size_t max_attribute_name = 64;  // the specification recommends at most 20
constexpr std::size_t max_attribute_bytes = 4096;

std::unexpected<error> wrong(std::string_view name, std::string_view why) {
  return fail(errc::invalid_argument, "attribute " + std::string{name} + ": " + std::string{why});
}

// CloudEvents 1.0, "Type System", String: no control characters, no noncharacters that matter, valid Unicode.
result<> check_text(std::string_view name, std::string_view text) {
  if (text.size() > max_attribute_bytes) return wrong(name, "longer than 4096 bytes");
  bool control = false, ascii = true;
  for (const char each : text) {  // without a branch: the compiler takes many at a time
    const auto c = static_cast<unsigned char>(each);
    control |= c < 0x20 || c == 0x7f;
    ascii &= c < 0x80;
  }
  if (control) return wrong(name, "has a control character in it");
  if (ascii) return {};
  for (std::size_t i = 0; i + 1 < text.size(); ++i)
    if (text[i] == '\xc2' && static_cast<unsigned char>(text[i + 1]) < 0xa0)
      return wrong(name, "has a control character in it");
  if (!valid_utf8(text)) return wrong(name, "is not valid UTF-8");
  return {};
}

// ASCII from ! to ~, without these.
constexpr std::array<bool, 256> printable_but(std::string_view without) {
  std::array<bool, 256> table{};
  for (std::size_t c = '!'; c <= '~'; ++c) table[c] = !without.contains(static_cast<char>(c));
  return table;
}

// RFC 3986 by its characters: no spaces, quotes, or what is outside ASCII.
constexpr auto in_uris = printable_but("\"<>\\^`{|}");

result<> check_uri(std::string_view name, std::string_view text) {
  if (!std::ranges::all_of(text, [](char c) { return in_uris[static_cast<unsigned char>(c)]; }))
    return wrong(name, "'" + std::string{text} + "' is no URI");
  return {};
}

bool absolute(std::string_view uri) {
  const auto colon = uri.find(':');
  return colon != uri.npos && colon > 0 && uri.find_first_of("/?#") > colon;
}

constexpr auto in_tokens = printable_but("()<>@,;:\\\"/[]?=");

bool token_character(char c) { return in_tokens[static_cast<unsigned char>(c)]; }

result<> check_media_type(std::string_view name, std::string_view text) {
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

constexpr std::string_view own_names[] = {"id",   "source",          "specversion", "type", "subject",
                                          "time", "datacontenttype", "dataschema",  "data"};

result<> check_extension(const header& h) {
  const auto plain = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); };
  if (h.name.empty() || h.name.size() > max_attribute_name || !std::ranges::all_of(h.name, plain))
    return fail(errc::invalid_argument, "extension '" + h.name + "': a name is 1 to 64 lower-case letters and digits");
  if (std::ranges::find(own_names, h.name) != std::end(own_names))
    return fail(errc::invalid_argument, "extension '" + h.name + "': the name belongs to the specification");
  return check_text(h.name, h.value);
}

}  // namespace

bool is_json_type(std::string_view content_type) noexcept {
  auto type = content_type.substr(0, content_type.find(';'));
  while (type.ends_with(' ')) type.remove_suffix(1);
  const auto slash = type.find('/');
  if (slash == type.npos) return false;
  const auto same = [](std::string_view a, std::string_view lower) {
    return std::ranges::equal(a, lower, [](char x, char y) { return (x >= 'A' && x <= 'Z' ? x + 32 : x) == y; });
  };
  const auto sub = type.substr(slash + 1);
  return same(sub, "json") || (sub.size() > 5 && same(sub.substr(sub.size() - 5), "+json"));
}

std::uint32_t event::schema_version() const noexcept {
  const auto text = get(extension::schemaversion);
  std::uint32_t version = 1;
  std::from_chars(text.data(), text.data() + text.size(), version);
  return std::max<std::uint32_t>(version, 1);
}

bool event::data_is_json() const noexcept { return data_content_type.empty() || is_json_type(data_content_type); }

result<> event::validate() const {
  const std::pair<std::string_view, const std::string*> required[] = {
      {"id", &id}, {"source", &source}, {"type", &type}};
  for (const auto& [name, value] : required) {
    if (value->empty()) return wrong(name, "is required");
    WEFT_TRY_VOID(check_text(name, *value));
  }
  WEFT_TRY_VOID(check_uri("source", source));
  WEFT_TRY_VOID(check_text("subject", subject));
  if (!data_content_type.empty()) WEFT_TRY_VOID(check_media_type("datacontenttype", data_content_type));
  if (!data_schema.empty()) {
    WEFT_TRY_VOID(check_uri("dataschema", data_schema));
    if (!absolute(data_schema)) return wrong("dataschema", "'" + data_schema + "' is no absolute URI");
  }
  for (const auto& h : extensions) WEFT_TRY_VOID(check_extension(h));
  return {};
}

}  // namespace weft::messaging
