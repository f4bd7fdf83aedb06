#include <weft/base/text_rules.hpp>

#include <weft/base/utf8.hpp>

#include <algorithm>

namespace weft {

namespace {

// U+0000 to U+001F, U+007F, and U+0080 to U+009F as the second byte after C2.
std::optional<std::string> control_problem(std::string_view text, text_lines lines) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    if (c == 0) return "must not hold a NUL character";
    if (c == '\n' || c == '\r' || c == '\t') {
      if (lines == text_lines::one) return "must be one line, without tabs";
      continue;
    }
    const bool second = c == 0xC2 && i + 1 < text.size() && static_cast<unsigned char>(text[i + 1]) < 0xA0;
    if (c < 0x20 || c == 0x7F || second) return "must not hold control characters";
  }
  return std::nullopt;
}

}  // namespace

std::optional<std::string> check_text(std::string_view text, const text_rules& rules) {
  // The bytes first: the rest is read only when there are few.
  if (text.size() > rules.max_bytes) return "must have at most " + std::to_string(rules.max_bytes) + " bytes";
  if (!valid_utf8(text)) return "must be UTF-8";
  if (auto problem = control_problem(text, rules.lines)) return problem;
  const auto characters = static_cast<std::size_t>(
      std::ranges::count_if(text, [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
  if (characters < rules.min_characters)
    return rules.min_characters == 1 ? "must not be empty"
                                     : "must have at least " + std::to_string(rules.min_characters) + " characters";
  if (characters > rules.max_characters)
    return "must have at most " + std::to_string(rules.max_characters) + " characters";
  return std::nullopt;
}

}  // namespace weft
