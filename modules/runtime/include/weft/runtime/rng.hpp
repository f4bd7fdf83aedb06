#pragma once
// Random numbers for jitter, balancing, sampling and ids: xoshiro256** (Blackman and Vigna, 2018), the same sequence
// for the same seed everywhere. Not for secrets: keys and tokens come from OpenSSL.
#include <weft/base/assert.hpp>
#include <weft/base/uuid.hpp>

#include <cstdint>
#include <limits>

namespace weft {

class rng {
 public:
  using result_type = std::uint64_t;

  explicit rng(std::uint64_t seed) noexcept {
    for (auto& word : state_) {  // splitmix64, so that close seeds give unrelated sequences
      seed += 0x9e3779b97f4a7c15ULL;
      auto z = seed;
      z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
      z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
      word = z ^ (z >> 31);
    }
  }

  static constexpr result_type min() noexcept { return 0; }
  static constexpr result_type max() noexcept { return std::numeric_limits<result_type>::max(); }

  result_type operator()() noexcept {
    const auto value = rotate(state_[1] * 5, 7) * 9;
    const auto shifted = state_[1] << 17;
    state_[2] ^= state_[0];
    state_[3] ^= state_[1];
    state_[1] ^= state_[2];
    state_[0] ^= state_[3];
    state_[2] ^= shifted;
    state_[3] = rotate(state_[3], 45);
    return value;
  }

  // Uniform in [0, bound), for bound > 0 (Lemire's method, without the bias of a remainder).
  [[nodiscard]] std::uint64_t below(std::uint64_t bound) noexcept {
    WEFT_ASSERT(bound > 0, "a range without values");
    auto product = static_cast<unsigned __int128>((*this)()) * bound;
    if (auto low = static_cast<std::uint64_t>(product); low < bound) {
      const auto threshold = (0 - bound) % bound;
      while (low < threshold) {
        product = static_cast<unsigned __int128>((*this)()) * bound;
        low = static_cast<std::uint64_t>(product);
      }
    }
    return static_cast<std::uint64_t>(product >> 64);
  }
  // Uniform in [low, high], both included.
  [[nodiscard]] std::int64_t between(std::int64_t low, std::int64_t high) noexcept {
    const auto width = static_cast<std::uint64_t>(high) - static_cast<std::uint64_t>(low) + 1;
    const auto offset = width == 0 ? (*this)() : below(width);
    return static_cast<std::int64_t>(static_cast<std::uint64_t>(low) + offset);
  }
  // Uniform in [0, 1).
  [[nodiscard]] double uniform() noexcept { return static_cast<double>((*this)() >> 11) * 0x1p-53; }
  [[nodiscard]] bool chance(double probability) noexcept { return uniform() < probability; }

  [[nodiscard]] uuid make_uuid_v4() noexcept {
    const auto high = (*this)();
    return uuid::v4(high, (*this)());
  }
  [[nodiscard]] uuid make_uuid_v7(std::chrono::system_clock::time_point at) noexcept {
    const auto high = (*this)();
    return uuid::v7(at, high, (*this)());
  }

 private:
  static constexpr std::uint64_t rotate(std::uint64_t x, int by) noexcept { return x << by | x >> (64 - by); }

  std::uint64_t state_[4];
};

}  // namespace weft
