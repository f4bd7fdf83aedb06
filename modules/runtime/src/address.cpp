#include <weft/runtime/address.hpp>

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>

namespace weft {

address address::ip4(std::array<std::uint8_t, 4> bytes, std::uint16_t port) noexcept {
  address a;
  a.kind_ = kind::ip4;
  a.port_ = port;
  std::copy(bytes.begin(), bytes.end(), a.bytes_.begin());
  return a;
}

address address::ip6(std::array<std::uint8_t, 16> bytes, std::uint16_t port) noexcept {
  address a;
  a.kind_ = kind::ip6;
  a.port_ = port;
  a.bytes_ = bytes;
  return a;
}

address address::unix_path(std::string path) {
  address a;
  a.kind_ = kind::unix_path;
  a.path_ = std::move(path);
  return a;
}

address address::with_port(std::uint16_t port) const {
  auto copy = *this;
  copy.port_ = port;
  return copy;
}

result<address> address::parse_host(std::string_view host, std::uint16_t port) {
  const std::string text{host};
  std::array<std::uint8_t, 4> four{};
  if (::inet_pton(AF_INET, text.c_str(), four.data()) == 1) return ip4(four, port);
  std::array<std::uint8_t, 16> six{};
  if (::inet_pton(AF_INET6, text.c_str(), six.data()) == 1) return ip6(six, port);
  return fail(errc::invalid_argument, "expected an IP address, got '" + text + "'");
}

result<address> address::parse(std::string_view text) {
  const auto malformed = [&] {
    return fail(errc::invalid_argument, "expected an address such as 127.0.0.1:8080, [::1]:8080 or unix:/path, got '" +
                                            std::string{text} + "'");
  };
  if (text.starts_with("unix:")) {
    const auto path = text.substr(5);
    if (path.empty() || path.size() > 107 || path.contains('\0')) return malformed();
    return unix_path(std::string{path});
  }
  const auto colon = text.rfind(':');
  if (colon == std::string_view::npos) return malformed();
  auto host = text.substr(0, colon);
  const auto digits = text.substr(colon + 1);
  std::uint16_t port = 0;
  const auto [end, problem] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
  if (digits.empty() || problem != std::errc{} || end != digits.data() + digits.size()) return malformed();
  const bool bracketed = host.size() >= 2 && host.front() == '[' && host.back() == ']';
  if (bracketed) host = host.substr(1, host.size() - 2);
  auto parsed = parse_host(host, port);
  if (!parsed || (parsed->type() == kind::ip6) != bracketed) return malformed();
  return parsed;
}

std::string address::host() const {
  char text[INET6_ADDRSTRLEN] = "";
  switch (kind_) {
    case kind::none:
      return {};
    case kind::unix_path:
      return path_;
    case kind::ip4:
      ::inet_ntop(AF_INET, bytes_.data(), text, sizeof text);
      break;
    case kind::ip6:
      ::inet_ntop(AF_INET6, bytes_.data(), text, sizeof text);
      break;
  }
  return text;
}

std::string address::to_string() const {
  switch (kind_) {
    case kind::none:
      return {};
    case kind::unix_path:
      return "unix:" + path_;
    case kind::ip4:
      return host() + ":" + std::to_string(port_);
    case kind::ip6:
      return "[" + host() + "]:" + std::to_string(port_);
  }
  return {};
}

}  // namespace weft
