#pragma once
// What is moved: messages 0 to count - 1, each of which everyone can compute. Message n has key n % keys and is the
// (n / keys)-th of that key, so whoever gets it knows which one had to come before.
#include <weft/messaging/message.hpp>

#include <charconv>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace weft::system_tests {

struct numbering {
  std::int64_t count = 20'000, keys = 1'024;

  [[nodiscard]] std::int64_t key_of(std::int64_t number) const noexcept { return number % keys; }
  [[nodiscard]] std::int64_t sequence_of(std::int64_t number) const noexcept { return number / keys; }

  static constexpr std::string_view topic = "accounting.moved";
  static constexpr std::size_t body_bytes = 256;

  [[nodiscard]] messaging::message make(std::int64_t number) const {
    messaging::message m{.id = "moved-" + std::to_string(number),
                         .topic = std::string{topic},
                         .key = "key-" + std::to_string(key_of(number)),
                         .body = std::to_string(number)};
    m.body.resize(body_bytes, ' ');
    return m;
  }
  // Nothing for what make() did not make.
  [[nodiscard]] std::optional<std::int64_t> read(const messaging::message& m) const {
    std::int64_t number = -1;
    const auto [end, problem] = std::from_chars(m.body.data(), m.body.data() + m.body.size(), number);
    if (problem != std::errc{} || number < 0 || number >= count || m.id != "moved-" + std::to_string(number))
      return std::nullopt;
    return number;
  }
};

}  // namespace weft::system_tests
