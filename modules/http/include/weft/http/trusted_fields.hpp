#pragma once
// Fields that say who is calling, taken out of what an untrusted peer sends: inside the mesh they are believed.
//
//     routes.use(strip_untrusted({.trusted_networks = {"10.0.0.0/8", "unix"}, .trusted_names = {"spiffe://mesh/*"}}));
//
// A peer is trusted by its address, or by a name in its verified certificate; nobody is by default. Use it before
// whatever reads those fields.
#include <weft/http/message.hpp>

#include <string>
#include <vector>

namespace weft::http {

struct trust_options {
  // Compared without case, with '-' and '_' the same; '*' at the end stands for any rest.
  std::vector<std::string> fields{"X-Service-Name", "X-User-*",  "X-Forwarded-Client-Cert",
                                  "X-Forwarded-*",  "Forwarded", "X-Real-IP"};
  // "10.0.0.0/8", "fd00::/8", "127.0.0.1", and "unix" for peers on Unix sockets.
  std::vector<std::string> trusted_networks;
  // DNS or URI names of certificates; '*' at the end stands for any rest, as in "spiffe://mesh/*".
  std::vector<std::string> trusted_names;
};

// Throws std::invalid_argument for a network that is none.
[[nodiscard]] middleware strip_untrusted(trust_options options = {});

// The same decision for others to use.
class peer_trust {
 public:
  explicit peer_trust(const trust_options& options);
  [[nodiscard]] bool trusts(const stream_info& peer) const;
  [[nodiscard]] bool trusts(const address& where) const;  // by its network alone

 private:
  struct network {
    address base;
    int bits = 0;
  };
  std::vector<network> networks_;
  std::vector<std::string> names_;
  bool unix_sockets_ = false;
};

// The address that a request comes from, as trusted proxies have seen it: X-Forwarded-For and Forwarded (RFC 7239) are
// read from their end as long as their addresses are trusted themselves; the first one that is not is the client. The
// peer's own for a peer that is not trusted or says nothing readable, and when both fields are there and disagree: one
// of them is then not a proxy's. Without a port.
[[nodiscard]] address client_of(const request& r, const peer_trust& proxies);

}  // namespace weft::http
