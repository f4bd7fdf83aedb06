#pragma once
// Where a service is, as configuration and users write it: a scheme, a host and a port, or the path of a Unix socket.
//
//     WEFT_CO_TRY(auto at, net::endpoint::parse("https://users.internal:8443"));
//     auto s = co_await net::dial(loop, ctx, at, {.tls = tls});
//
// Forms: "http://host:port", "https://[::1]" (80 and 443 are the default ports of http and https), "tcp://host:port",
// "tls://host:port", "host:port" (tcp), "unix:/run/weft.sock". Nothing may follow but one "/". RFC 3986, section 3.2.
#include <weft/base/error.hpp>

#include <cstdint>
#include <string>
#include <string_view>

namespace weft::net {

struct endpoint {
  std::string scheme = "tcp";  // lower case; "unix" for a Unix socket
  std::string host;            // a name or a literal, lower case, without brackets
  std::uint16_t port = 0;
  std::string path;  // of a Unix socket

  // errc::invalid_argument, with what was expected.
  [[nodiscard]] static result<endpoint> parse(std::string_view text);

  // Whether the scheme asks for TLS: https, tls, wss, grpcs.
  [[nodiscard]] bool encrypted() const noexcept;
  // "host:port", with brackets where they are needed; the path for a Unix socket.
  [[nodiscard]] std::string authority() const;
  [[nodiscard]] std::string to_string() const;  // what parse() reads

  friend bool operator==(const endpoint&, const endpoint&) = default;
};

}  // namespace weft::net
