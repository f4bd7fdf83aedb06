#pragma once
// Character classes of RFC 9110 5.6.2 and 5.5 and of RFC 3986, and the search for a byte outside them, 16 bytes at a
// time where the machine can.
#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

namespace weft::http::http1 {

enum char_class : std::uint8_t {
  token_char = 1,
  value_char = 2,
  digit_char = 4,
  hex_char = 8,
  name_char = 16,   // of a registered name: unreserved and sub-delims
  path_char = 32,   // of a path with its slashes
  query_char = 64,  // of a query, with what browsers send in it as it is
};

inline constexpr auto char_classes = [] {
  std::array<std::uint8_t, 256> table{};
  for (int c = 0; c < 256; ++c) {
    const bool digit = c >= '0' && c <= '9';
    const bool alpha = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    const bool mark = std::string_view{"!#$%&'*+-.^_`|~"}.find(static_cast<char>(c)) != std::string_view::npos;
    auto& entry = table[static_cast<std::size_t>(c)];
    if (digit || alpha || mark) entry |= token_char;
    if (c == '\t' || (c >= 0x20 && c != 0x7f)) entry |= value_char;
    if (digit) entry |= digit_char;
    if (digit || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F')) entry |= hex_char;
    const auto one_of = [c](std::string_view set) { return set.find(static_cast<char>(c)) != std::string_view::npos; };
    const bool name = digit || alpha || one_of("-._~!$&'()*+,;=");
    if (name) entry |= name_char;
    if (name || one_of(":@/")) entry |= path_char;
    if (name || one_of(":@/?[]{}|")) entry |= query_char;
  }
  return table;
}();

inline bool is(char c, char_class k) noexcept { return (char_classes[static_cast<unsigned char>(c)] & k) != 0; }

// The first byte that may not stand in a field's value; npos when all may.
inline std::size_t find_non_value(std::string_view text) noexcept {
  std::size_t i = 0;
#ifdef __SSE2__
  for (; i + 16 <= text.size(); i += 16) {
    const auto bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(text.data() + i));
    const auto flip = _mm_set1_epi8(static_cast<char>(0x80));  // unsigned comparison by a signed one
    const auto control = _mm_cmplt_epi8(_mm_xor_si128(bytes, flip), _mm_set1_epi8(static_cast<char>(0x20 ^ 0x80)));
    const auto tab = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\t'));
    const auto del = _mm_cmpeq_epi8(bytes, _mm_set1_epi8(0x7f));
    const auto wrong = _mm_movemask_epi8(_mm_or_si128(_mm_andnot_si128(tab, control), del));
    if (wrong != 0) return i + static_cast<std::size_t>(__builtin_ctz(static_cast<unsigned>(wrong)));
  }
#endif
  for (; i < text.size(); ++i)
    if (!is(text[i], value_char)) return i;
  return std::string_view::npos;
}

}  // namespace weft::http::http1
