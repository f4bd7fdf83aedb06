#include <weft/net/endpoint.hpp>

#include <weft/runtime/address.hpp>

#include <algorithm>
#include <charconv>

namespace weft::net {

namespace {

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c; }
std::string lower(std::string_view text) {
  std::string copy{text};
  std::ranges::transform(copy, copy.begin(), [](char c) { return lower(c); });
  return copy;
}
bool letter(char c) { return lower(c) >= 'a' && lower(c) <= 'z'; }
bool digit(char c) { return c >= '0' && c <= '9'; }

bool is_scheme(std::string_view text) {
  return !text.empty() && letter(text.front()) &&
         std::ranges::all_of(text, [](char c) { return letter(c) || digit(c) || c == '+' || c == '-' || c == '.'; });
}
// What a name may hold: letters, digits, '-', '_' (service names), '.'; at most 253 bytes.
bool is_host_name(std::string_view text) {
  return !text.empty() && text.size() <= 253 && text.front() != '.' && !text.contains("..") &&
         std::ranges::all_of(text, [](char c) { return letter(c) || digit(c) || c == '-' || c == '_' || c == '.'; });
}
std::uint16_t default_port(std::string_view scheme) {
  if (scheme == "http" || scheme == "ws") return 80;
  if (scheme == "https" || scheme == "wss") return 443;
  return 0;
}

}  // namespace

result<endpoint> endpoint::parse(std::string_view text) {
  const auto malformed = [&](std::string_view why) {
    return fail(
        error{errc::invalid_argument, "'" + std::string{text.substr(0, 200)} + "': " + std::string{why}}.with_remedy(
            "write http://host:port, tls://host:port, host:port or unix:/path"));
  };
  endpoint e;
  auto rest = text;
  if (rest.starts_with("unix:")) {
    rest.remove_prefix(5);
    if (rest.starts_with("//")) rest.remove_prefix(2);
    if (rest.empty() || rest.size() > 107 || rest.contains('\0'))
      return malformed("a socket's path has 1 to 107 bytes");
    e.scheme = "unix";
    e.path = rest;
    return e;
  }
  if (const auto end = rest.find("://"); end != std::string_view::npos) {
    if (!is_scheme(rest.substr(0, end))) return malformed("the scheme is malformed");
    e.scheme = lower(rest.substr(0, end));
    rest.remove_prefix(end + 3);
  }
  if (rest.ends_with('/')) rest.remove_suffix(1);
  if (rest.contains('@')) return malformed("user names and passwords do not belong into an endpoint");

  std::string_view port;
  if (rest.starts_with('[')) {
    const auto close = rest.find(']');
    if (close == std::string_view::npos) return malformed("']' is missing");
    const auto literal = address::parse_host(rest.substr(1, close - 1), 0);
    if (!literal || literal->type() != address::kind::ip6) return malformed("expected an IPv6 address in brackets");
    e.host = literal->host();
    port = rest.substr(close + 1);
  } else {
    const auto colon = std::min(rest.find(':'), rest.size());
    if (!is_host_name(rest.substr(0, colon))) return malformed("expected a host name or an address");
    e.host = lower(rest.substr(0, colon));
    port = rest.substr(colon);
  }
  if (port.empty()) {
    e.port = default_port(e.scheme);
    if (e.port == 0) return malformed("the port is missing");
    return e;
  }
  const auto digits = port.substr(1);
  const auto [stop, problem] = std::from_chars(digits.data(), digits.data() + digits.size(), e.port);
  if (port.front() != ':' || digits.empty() || problem != std::errc{} || stop != digits.data() + digits.size() ||
      e.port == 0)
    return malformed("expected a port of 1 to 65535 after the host");
  return e;
}

bool endpoint::encrypted() const noexcept {
  return scheme == "https" || scheme == "tls" || scheme == "wss" || scheme == "grpcs";
}

std::string endpoint::authority() const {
  if (scheme == "unix") return path;
  const bool six = host.contains(':');
  return (six ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

std::string endpoint::to_string() const { return scheme + (scheme == "unix" ? ":" : "://") + authority(); }

}  // namespace weft::net
