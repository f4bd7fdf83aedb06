#pragma once
// Lower-case hexadecimal, for ids and dumps.
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace weft {

// Writes two characters for each byte at `out`, which has room for them.
void hex_encode(std::span<const std::uint8_t> bytes, char* out) noexcept;
[[nodiscard]] std::string hex_encode(std::span<const std::uint8_t> bytes);

enum class hex_case { lower_only, either };
// Fills `out` from exactly twice as many digits; false, with `out` unspecified, for any other text.
[[nodiscard]] bool hex_decode(std::string_view text, std::span<std::uint8_t> out,
                              hex_case accepted = hex_case::either) noexcept;

}  // namespace weft
