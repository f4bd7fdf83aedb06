#pragma once
// Finding the ends of strings, many bytes at a time.
#include <cstdint>
#include <cstring>
#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace weft::json {

#if defined(__SSE2__)
// A bit for each of the 16 bytes at `at` that is a quote, a backslash, a control character or not ASCII.
inline unsigned special_in_block(const char* at) noexcept {
  const __m128i block = _mm_loadu_si128(reinterpret_cast<const __m128i*>(at));
  const __m128i quote = _mm_cmpeq_epi8(block, _mm_set1_epi8('"'));
  const __m128i backslash = _mm_cmpeq_epi8(block, _mm_set1_epi8('\\'));
  // The comparison is signed: below ' ' are the control characters and every byte from 0x80 on.
  const __m128i low = _mm_cmplt_epi8(block, _mm_set1_epi8(' '));
  return static_cast<unsigned>(_mm_movemask_epi8(_mm_or_si128(_mm_or_si128(quote, backslash), low)));
}
#endif

// memcpy, without the call for what strings usually have.
inline void copy_plain(char* to, const char* from, std::size_t size) noexcept {
  if (size < 16 || size > 64) {
    std::memcpy(to, from, size);
    return;
  }
  for (std::size_t at = 0; at + 16 < size; at += 16) std::memcpy(to + at, from + at, 16);
  std::memcpy(to + size - 16, from + size - 16, 16);
}

// The first byte in [at, end) that is a quote, a backslash, a control character or not ASCII; `end` when there is none.
inline const char* scan_plain(const char* at, const char* end) noexcept {
#if defined(__SSE2__)
  while (end - at >= 16) {
    if (const unsigned hits = special_in_block(at); hits != 0) return at + __builtin_ctz(hits);
    at += 16;
  }
#else
  constexpr std::uint64_t ones = 0x0101010101010101u;
  constexpr std::uint64_t highs = 0x8080808080808080u;
  while (end - at >= 8) {
    std::uint64_t block;
    std::memcpy(&block, at, 8);
    const std::uint64_t q = block ^ (ones * '"');
    const std::uint64_t b = block ^ (ones * '\\');
    const std::uint64_t hit = ((q - ones) & ~q) | ((b - ones) & ~b) | (block - ones * ' ') | block;
    if ((hit & highs) != 0) break;  // somewhere in these eight; the loop below finds where
    at += 8;
  }
#endif
  while (at != end) {
    const auto c = static_cast<unsigned char>(*at);
    if (c == '"' || c == '\\' || c < ' ' || c >= 0x80) return at;
    ++at;
  }
  return end;
}

// The length of the well-formed UTF-8 sequence (Unicode 15, table 3-7) that begins at `at` with a byte from 0x80 on;
// 0 when it is not well-formed.
inline unsigned utf8_sequence(const char* at, const char* end) noexcept {
  const auto byte = [&](int i) { return static_cast<unsigned char>(at[i]); };
  const auto continues = [&](int i) { return (byte(i) & 0xC0) == 0x80; };
  const unsigned char lead = byte(0);
  const auto left = end - at;
  if (lead >= 0xC2 && lead <= 0xDF) return left >= 2 && continues(1) ? 2 : 0;
  if (lead >= 0xE0 && lead <= 0xEF) {
    if (left < 3 || !continues(1) || !continues(2)) return 0;
    if (lead == 0xE0 && byte(1) < 0xA0) return 0;  // overlong
    if (lead == 0xED && byte(1) > 0x9F) return 0;  // a surrogate
    return 3;
  }
  if (lead >= 0xF0 && lead <= 0xF4) {
    if (left < 4 || !continues(1) || !continues(2) || !continues(3)) return 0;
    if (lead == 0xF0 && byte(1) < 0x90) return 0;  // overlong
    if (lead == 0xF4 && byte(1) > 0x8F) return 0;  // beyond U+10FFFF
    return 4;
  }
  return 0;
}

}  // namespace weft::json
