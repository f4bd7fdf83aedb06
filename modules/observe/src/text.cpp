#include "text.hpp"

namespace weft::observe::text {

char32_t take(std::string_view& rest) noexcept {
  const auto at = [&](std::size_t i) { return static_cast<unsigned char>(rest[i]); };
  const unsigned char first = at(0);
  if (first < 0x80) {
    rest.remove_prefix(1);
    return first;
  }
  const std::size_t size = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  constexpr char32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
  if (first >= 0xc2 && first <= 0xf4 && rest.size() >= size) {
    char32_t c = first & (0x7fU >> size);
    bool good = true;
    for (std::size_t i = 1; i < size; ++i) {
      good = good && (at(i) & 0xc0U) == 0x80;
      c = c << 6 | (at(i) & 0x3fU);
    }
    if (good && c >= least[size] && c <= 0x10ffff && (c < 0xd800 || c > 0xdfff)) {
      rest.remove_prefix(size);
      return c;
    }
  }
  rest.remove_prefix(1);
  return invalid;
}

std::string_view cut(std::string_view text, std::size_t size) noexcept {
  if (text.size() <= size) return text;
  for (int back = 0; back < 3 && size > 0 && (static_cast<unsigned char>(text[size]) & 0xc0U) == 0x80; ++back) --size;
  return text.substr(0, size);
}

bool is_control(char32_t c) noexcept {
  return c < 0x20 || (c >= 0x7f && c <= 0x9f) || c == 0x2028 || c == 0x2029 || c == 0x200e || c == 0x200f ||
         c == 0x061c || (c >= 0x202a && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069) || c == 0xfeff;
}

void append_utf8(std::string& out, char32_t c) {
  const auto tail = [&](int shift) { out += static_cast<char>(0x80 | (c >> shift & 0x3f)); };
  if (c > 0x10ffff) {
    out += "\xef\xbf\xbd";  // the replacement character
  } else if (c < 0x80) {
    out += static_cast<char>(c);
  } else if (c < 0x800) {
    out += static_cast<char>(0xc0 | c >> 6);
    tail(0);
  } else if (c < 0x10000) {
    out += static_cast<char>(0xe0 | c >> 12);
    tail(6), tail(0);
  } else {
    out += static_cast<char>(0xf0 | c >> 18);
    tail(12), tail(6), tail(0);
  }
}

}  // namespace weft::observe::text
