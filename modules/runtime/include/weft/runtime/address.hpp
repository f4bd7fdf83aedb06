#pragma once
// Where a stream goes: an IPv4 or IPv6 address with a port, or a Unix socket's path. A plain value.
//     auto where = address::parse("127.0.0.1:8080");     // or "[::1]:8080", "unix:/run/weft.sock"
#include <weft/base/error.hpp>

#include <array>
#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

namespace weft {

class address {
 public:
  enum class kind : std::uint8_t { none, ip4, ip6, unix_path };

  address() = default;
  [[nodiscard]] static address ip4(std::array<std::uint8_t, 4> bytes, std::uint16_t port) noexcept;
  [[nodiscard]] static address ip6(std::array<std::uint8_t, 16> bytes, std::uint16_t port) noexcept;
  [[nodiscard]] static address unix_path(std::string path);
  [[nodiscard]] static address loopback(std::uint16_t port) noexcept { return ip4({127, 0, 0, 1}, port); }
  // Every interface, IPv4.
  [[nodiscard]] static address any(std::uint16_t port) noexcept { return ip4({0, 0, 0, 0}, port); }

  // Numeric only; names are for loop::resolve.
  [[nodiscard]] static result<address> parse(std::string_view text);
  // A literal without a port ("10.0.0.3", "::1"), with the port given.
  [[nodiscard]] static result<address> parse_host(std::string_view host, std::uint16_t port);

  [[nodiscard]] kind type() const noexcept { return kind_; }
  [[nodiscard]] std::uint16_t port() const noexcept { return port_; }
  [[nodiscard]] address with_port(std::uint16_t port) const;
  [[nodiscard]] const std::array<std::uint8_t, 16>& bytes() const noexcept { return bytes_; }  // ip4: the first four
  [[nodiscard]] const std::string& path() const noexcept { return path_; }
  [[nodiscard]] std::string host() const;       // without the port; IPv6 without brackets
  [[nodiscard]] std::string to_string() const;  // what parse() reads; "" for none

  friend auto operator<=>(const address&, const address&) = default;

 private:
  kind kind_ = kind::none;
  std::uint16_t port_ = 0;
  std::array<std::uint8_t, 16> bytes_{};
  std::string path_;
};

}  // namespace weft
