#include "ask.hpp"

#include <weft/http/hop_by_hop.hpp>
#include <weft/http/trusted_fields.hpp>

#include <gtest/gtest.h>

#include <stdexcept>

namespace weft::http {
namespace {

std::string names(const headers& h) {
  std::string text;
  for (const auto& f : h) text.append(text.empty() ? "" : " ").append(f.name);
  return text;
}

TEST(HopByHop, StripsWhatConnectionNamesAndTheFixedOnes) {
  headers h{{"Host", "a"},
            {"connection", "close, X-Private ,keep-alive"},
            {"X-Private", "1"},
            {"x-private", "2"},
            {"Connection", "X-Other"},
            {"X-Other", "1"},
            {"Keep-Alive", "timeout=5"},
            {"Proxy-Connection", "keep-alive"},
            {"Proxy-Authorization", "Basic eA=="},
            {"Proxy-Authenticate", "Basic"},
            {"TE", "trailers"},
            {"Trailer", "X"},
            {"Transfer-Encoding", "chunked"},
            {"Upgrade", "h2c"},
            {"HTTP2-Settings", "AAA"},
            {"X-Kept", "1"}};
  strip_hop_by_hop(h);
  EXPECT_EQ(names(h), "Host X-Kept");
}

TEST(HopByHop, DoesNotLetConnectionNameEndToEndFields) {
  headers h{{"Connection", "host, authorization, cookie, content-length, Content-Type, cache-control"},
            {"Host", "a"},
            {"Authorization", "Bearer x"},
            {"Cookie", "a=b"},
            {"Content-Length", "5"},
            {"Content-Type", "text/plain"},
            {"Cache-Control", "no-store"}};
  strip_hop_by_hop(h);
  EXPECT_EQ(names(h), "Host Authorization Cookie Content-Length Content-Type Cache-Control");
}

task<result<response>> list(request& r) { co_return response::text(names(r.headers)); }

TEST(TrustedFields, AreTakenFromStrangers) {
  const auto s = testing::ask(strip_untrusted()(list), method::get, "/",
                              {{"Host", "a"},
                               {"X-Service-Name", "orders"},
                               {"x-user-id", "1"},
                               {"X_User_Role", "admin"},
                               {"X-USER-", ""},
                               {"X-Forwarded-Client-Cert", "By=x"},
                               {"X-Forwarded-For", "1.2.3.4"},
                               {"Forwarded", "for=1.2.3.4"},
                               {"X-User", "kept: not one of them"},
                               {"X-Username", "kept"}});
  EXPECT_EQ(s.content, "Host X-User X-Username");
}

stream_info from(std::string_view peer, std::vector<std::string> certified = {}) {
  stream_info info;
  info.peer = address::parse(peer).value();
  info.local = address::loopback(80);
  info.peer_names = std::move(certified);
  return info;
}

TEST(TrustedFields, TrustsByAddressOrCertificate) {
  const peer_trust trust{{.trusted_networks = {"10.1.0.0/16", "fd00::/8", "192.168.1.7", "172.16.0.0/12"},
                          .trusted_names = {"spiffe://mesh/*", "gateway.internal"}}};
  for (const auto* peer :
       {"10.1.2.3:1", "10.1.255.255:1", "[fd12::1]:1", "192.168.1.7:1", "172.31.0.1:1", "[::ffff:10.1.2.3]:1"})
    EXPECT_TRUE(trust.trusts(from(peer))) << peer;
  for (const auto* peer : {"10.2.0.0:1", "11.1.0.0:1", "[fe80::1]:1", "192.168.1.8:1", "172.32.0.1:1", "127.0.0.1:1"})
    EXPECT_FALSE(trust.trusts(from(peer))) << peer;
  EXPECT_TRUE(trust.trusts(from("8.8.8.8:1", {"spiffe://mesh/orders"})));
  EXPECT_TRUE(trust.trusts(from("8.8.8.8:1", {"x", "gateway.internal"})));
  EXPECT_FALSE(trust.trusts(from("8.8.8.8:1", {"spiffe://other/mesh/", "gateway.internal.evil"})));
  stream_info socket;
  socket.local = address::unix_path("/run/a.sock");
  EXPECT_FALSE(trust.trusts(socket));
  EXPECT_TRUE(peer_trust{{.trusted_networks = {"unix"}}}.trusts(socket));
  EXPECT_TRUE((peer_trust{{.trusted_networks = {"0.0.0.0/0"}}}.trusts(from("8.8.8.8:1"))));
}

TEST(TrustedFields, RefusesNetworksThatAreNone) {
  for (const auto* network : {"", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/-1", "10.0.0/8", "fd00::/129", "mesh"})
    EXPECT_THROW(static_cast<void>(strip_untrusted({.trusted_networks = {network}})), std::invalid_argument) << network;
}

}  // namespace
}  // namespace weft::http
