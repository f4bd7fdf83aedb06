#pragma once
// From an endpoint to a stream: resolves the name, tries its addresses, and speaks TLS where the scheme asks for it.
//
//     WEFT_CO_TRY(auto at, net::endpoint::parse("https://users.internal"));
//     WEFT_CO_TRY(auto s, co_await net::dial(loop, ctx, at, {.tls = tls}));
//
// Addresses are tried in the resolver's order, a next one as soon as one fails or has been silent for `stagger`; the
// first that connects wins and the others are given up (RFC 8305, simplified). When none connects, the error lists
// what each said, and its code is the one that all of them share, else errc::unavailable. Nothing of what fails here
// reached a service, so every error is unprocessed().
#include <weft/net/endpoint.hpp>
#include <weft/net/tls.hpp>

#include <optional>

namespace weft::net {

struct dial_options {
  std::optional<tls_context> tls;  // a client's; needed when the endpoint's scheme asks for TLS, else not used
  std::string server_name;         // for TLS, instead of the endpoint's host
  duration attempt_timeout = std::chrono::seconds{5};  // for each address, and for the TLS handshake
  duration stagger = std::chrono::milliseconds{250};
  connect_options socket;
};

[[nodiscard]] task<result<std::unique_ptr<stream>>> dial(loop& l, context ctx, endpoint to, dial_options options = {});

}  // namespace weft::net
