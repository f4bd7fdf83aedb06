#pragma once
// UUIDs as RFC 9562 has them: 128 bits, ordered by their bytes, written in lower case.
// v4 is random; v7 begins with milliseconds since the Unix epoch, so that ids made later sort later. Randomness and
// time are handed in, so that ids are the same in a replayed simulation; runtime's `loop` offers both.
#include <weft/base/error.hpp>

#include <array>
#include <chrono>
#include <compare>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace weft {

class uuid {
 public:
  using bytes = std::array<std::uint8_t, 16>;

  constexpr uuid() = default;  // the nil UUID
  explicit constexpr uuid(const bytes& value) : bytes_{value} {}

  // `high` and `low` are 128 random bits; 122 of them are used.
  [[nodiscard]] static uuid v4(std::uint64_t high, std::uint64_t low) noexcept;
  // Times before 1970 count as 1970. 74 of the random bits are used.
  [[nodiscard]] static uuid v7(std::chrono::system_clock::time_point at, std::uint64_t high,
                               std::uint64_t low) noexcept;
  // "f81d4fae-7dec-11d0-a765-00a0c91e6bf6", either case; anything else is errc::invalid_argument.
  [[nodiscard]] static result<uuid> parse(std::string_view text);

  [[nodiscard]] std::string to_string() const;
  [[nodiscard]] constexpr const bytes& value() const noexcept { return bytes_; }
  [[nodiscard]] constexpr bool is_nil() const noexcept { return bytes_ == bytes{}; }
  [[nodiscard]] constexpr int version() const noexcept { return bytes_[6] >> 4; }
  // The time in a v7 id; the epoch for other versions.
  [[nodiscard]] std::chrono::system_clock::time_point time() const noexcept;

  friend constexpr auto operator<=>(const uuid&, const uuid&) = default;

 private:
  bytes bytes_{};
};

}  // namespace weft

template <>
struct std::hash<weft::uuid> {
  std::size_t operator()(const weft::uuid& id) const noexcept;
};
