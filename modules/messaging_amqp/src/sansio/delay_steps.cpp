#include "delay_steps.hpp"

#include <bit>

namespace weft::messaging {

std::uint64_t delay_step(duration delay) noexcept {
  const auto whole = std::chrono::ceil<std::chrono::milliseconds>(delay).count();
  const auto ms = whole < 1 ? 1ULL : static_cast<std::uint64_t>(whole);
  if (ms <= 16) return ms;
  const auto shift = std::bit_width(ms - 1) - 5;  // leaves 16 to 31
  const auto mask = (1ULL << shift) - 1;
  return (ms + mask) & ~mask;
}

}  // namespace weft::messaging
