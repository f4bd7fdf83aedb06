#include <weft/base/hex.hpp>
#include <weft/base/uuid.hpp>

#include <algorithm>
#include <cstring>

namespace weft {
namespace {
void store(std::uint64_t value, std::uint8_t* out) noexcept {
  for (int i = 7; i >= 0; --i, value >>= 8) out[i] = static_cast<std::uint8_t>(value);
}

uuid stamped(uuid::bytes bytes, std::uint8_t version) noexcept {
  bytes[6] = static_cast<std::uint8_t>((bytes[6] & 0x0f) | version << 4);
  bytes[8] = static_cast<std::uint8_t>((bytes[8] & 0x3f) | 0x80);
  return uuid{bytes};
}
}  // namespace

uuid uuid::v4(std::uint64_t high, std::uint64_t low) noexcept {
  bytes bytes;
  store(high, bytes.data());
  store(low, bytes.data() + 8);
  return stamped(bytes, 4);
}

uuid uuid::v7(std::chrono::system_clock::time_point at, std::uint64_t high, std::uint64_t low) noexcept {
  const auto since = std::chrono::duration_cast<std::chrono::milliseconds>(at.time_since_epoch()).count();
  const auto milliseconds = static_cast<std::uint64_t>(std::max<std::int64_t>(since, 0));
  bytes bytes;
  store(milliseconds << 16 | (high & 0xffff), bytes.data());
  store(low, bytes.data() + 8);
  return stamped(bytes, 7);
}

result<uuid> uuid::parse(std::string_view text) {
  const auto malformed = [] {
    return fail(errc::invalid_argument, "expected a UUID, as 8-4-4-4-12 hexadecimal digits");
  };
  if (text.size() != 36) return malformed();
  char digits[32];
  std::size_t count = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool dash_expected = i == 8 || i == 13 || i == 18 || i == 23;
    if ((text[i] == '-') != dash_expected) return malformed();
    if (!dash_expected) digits[count++] = text[i];
  }
  bytes bytes;
  if (!hex_decode({digits, count}, bytes)) return malformed();
  return uuid{bytes};
}

std::string uuid::to_string() const {
  char digits[32], text[36];
  hex_encode(bytes_, digits);
  char* end = text;
  for (int i = 0; i < 32; ++i) {
    if (i == 8 || i == 12 || i == 16 || i == 20) *end++ = '-';
    *end++ = digits[i];
  }
  return {text, sizeof text};
}

std::chrono::system_clock::time_point uuid::time() const noexcept {
  if (version() != 7) return {};
  std::int64_t milliseconds = 0;
  for (int i = 0; i < 6; ++i) milliseconds = milliseconds << 8 | bytes_[static_cast<std::size_t>(i)];
  return std::chrono::system_clock::time_point{std::chrono::milliseconds{milliseconds}};
}

}  // namespace weft

std::size_t std::hash<weft::uuid>::operator()(const weft::uuid& id) const noexcept {
  std::uint64_t words[2];
  std::memcpy(words, id.value().data(), sizeof words);
  return words[0] ^ (words[1] * 0x9e3779b97f4a7c15ULL);
}
