#pragma once
// Text that came from anywhere, made fit to be written: UTF-8 that is valid, and control characters made visible.
#include <cstddef>
#include <string>
#include <string_view>

namespace weft::observe::text {

inline constexpr char32_t invalid = 0x110000;

// Takes one character off the front of `rest`, which is not empty. A byte that begins no valid UTF-8 sequence (overlong
// forms, surrogates and cut sequences included) is taken alone, as `invalid`.
char32_t take(std::string_view& rest) noexcept;

// At most `size` bytes from the front, without cutting a character in two.
std::string_view cut(std::string_view text, std::size_t size) noexcept;

// Characters that could start a line, move the cursor or turn the direction of reading: C0, C1, line and paragraph
// separators, bidirectional controls.
bool is_control(char32_t c) noexcept;

void append_utf8(std::string& out, char32_t c);

}  // namespace weft::observe::text
