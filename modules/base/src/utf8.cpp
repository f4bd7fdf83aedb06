#include <weft/base/utf8.hpp>

#include <algorithm>

namespace weft {

namespace {

constexpr std::string_view replacement = "\xef\xbf\xbd";
constexpr std::string_view cut_mark = " [cut]";

struct sequence {
  std::size_t size = 1;  // of the character, or of the ill-formed part that one U+FFFD stands for
  bool well_formed = false;
};

// What `text`, which is not empty, begins with.
sequence first_sequence(std::string_view text) noexcept {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const auto lead = byte(0);
  if (lead < 0x80) return {1, true};
  if (lead < 0xc2 || lead > 0xf4) return {};
  const std::size_t size = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  // The second byte's range is narrower where overlong forms, surrogates or more than U+10FFFF would begin.
  const unsigned char low = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
  const unsigned char high = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
  for (std::size_t i = 1; i < size; ++i) {
    const bool continues = i < text.size() && byte(i) >= (i == 1 ? low : 0x80) && byte(i) <= (i == 1 ? high : 0xbf);
    if (!continues) return {i, false};
  }
  return {size, true};
}

}  // namespace

bool valid_utf8(std::string_view text) noexcept {
  while (!text.empty()) {
    const auto next = first_sequence(text);
    if (!next.well_formed) return false;
    text.remove_prefix(next.size);
  }
  return true;
}

std::string_view utf8_prefix(std::string_view text, std::size_t max_bytes) noexcept {
  if (text.size() <= max_bytes) return text;
  auto size = max_bytes;
  // A character has at most three bytes behind its first.
  for (int back = 0; back < 3 && size > 0 && (static_cast<unsigned char>(text[size]) & 0xc0U) == 0x80; ++back) --size;
  return text.substr(0, size);
}

std::string clean_text(std::string_view text, std::size_t max_bytes) {
  std::string clean;
  clean.reserve(std::min(text.size(), max_bytes));
  while (!text.empty()) {
    const auto next = first_sequence(text);
    const auto part = next.well_formed && text.front() != '\0' ? text.substr(0, next.size) : replacement;
    if (part.size() > max_bytes - clean.size()) break;
    clean += part;
    text.remove_prefix(next.size);
  }
  if (text.empty() || max_bytes < 2 * cut_mark.size()) return clean;
  clean.resize(utf8_prefix(clean, std::min(clean.size(), max_bytes - cut_mark.size())).size());
  return clean += cut_mark;
}

}  // namespace weft
