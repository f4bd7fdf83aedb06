#include <weft/messaging/text_encoding.hpp>

#include <array>
#include <cstdint>

namespace weft::messaging {

namespace {

constexpr std::string_view alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

constexpr auto values = [] {
  std::array<std::int8_t, 256> table{};
  table.fill(-1);
  for (std::size_t i = 0; i < alphabet.size(); ++i)
    table[static_cast<unsigned char>(alphabet[i])] = static_cast<std::int8_t>(i);
  return table;
}();

std::uint32_t byte(std::string_view bytes, std::size_t at) { return static_cast<unsigned char>(bytes[at]); }

}  // namespace

std::string base64_encode(std::string_view bytes) {
  std::string text;
  text.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const auto left = bytes.size() - i;
    const auto group =
        byte(bytes, i) << 16 | (left > 1 ? byte(bytes, i + 1) << 8 : 0) | (left > 2 ? byte(bytes, i + 2) : 0);
    text += alphabet[group >> 18];
    text += alphabet[group >> 12 & 63];
    text += left > 1 ? alphabet[group >> 6 & 63] : '=';
    text += left > 2 ? alphabet[group & 63] : '=';
  }
  return text;
}

result<std::string> base64_decode(std::string_view text) {
  const auto wrong = [] { return fail(errc::invalid_argument, "not base 64"); };
  if (text.size() % 4 != 0) return wrong();
  std::string bytes;
  bytes.reserve(text.size() / 4 * 3);
  for (std::size_t i = 0; i < text.size(); i += 4) {
    const bool last = i + 4 == text.size();
    const std::size_t padding = last && text[i + 3] == '=' ? (text[i + 2] == '=' ? 2 : 1) : 0;
    std::uint32_t group = 0;
    for (std::size_t j = 0; j < 4; ++j) {
      const auto value = j >= 4 - padding ? std::int8_t{0} : values[static_cast<unsigned char>(text[i + j])];
      if (value < 0) return wrong();
      group = group << 6 | static_cast<std::uint32_t>(value);
    }
    if ((group & ((1U << 8 * padding) - 1)) != 0) return wrong();
    for (std::size_t j = 0; j < 3 - padding; ++j) bytes += static_cast<char>(group >> (16 - 8 * j));
  }
  return bytes;
}

}  // namespace weft::messaging
