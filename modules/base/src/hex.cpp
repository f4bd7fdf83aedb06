#include <weft/base/hex.hpp>

namespace weft {
namespace {
constexpr char digits[] = "0123456789abcdef";

int digit_value(char c, hex_case accepted) noexcept {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (accepted == hex_case::either && c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}
}  // namespace

void hex_encode(std::span<const std::uint8_t> bytes, char* out) noexcept {
  for (const auto byte : bytes) {
    *out++ = digits[byte >> 4];
    *out++ = digits[byte & 15];
  }
}

std::string hex_encode(std::span<const std::uint8_t> bytes) {
  std::string text(bytes.size() * 2, '\0');
  hex_encode(bytes, text.data());
  return text;
}

bool hex_decode(std::string_view text, std::span<std::uint8_t> out, hex_case accepted) noexcept {
  if (text.size() != out.size() * 2) return false;
  for (std::size_t i = 0; i < out.size(); ++i) {
    const int high = digit_value(text[2 * i], accepted), low = digit_value(text[2 * i + 1], accepted);
    if (high < 0 || low < 0) return false;
    out[i] = static_cast<std::uint8_t>(high << 4 | low);
  }
  return true;
}

}  // namespace weft
