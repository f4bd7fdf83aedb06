// https: the same server and client over TLS.
// weft-style: allow order in this file: certificates made on the spot are the business of the module net
#include "client_harness.hpp"

#include "../../net/tests/certificates.hpp"

namespace weft::http {
namespace {

task<result<response>> echo_text(request& r) {
  WEFT_CO_TRY(const auto text, co_await r.content.text());
  co_return response::text(std::string{text});
}

struct encrypted {
  explicit encrypted(loop& l, server_options options = {})
      : server{l, echo_text, with_tls(std::move(options))}, caller{l, trusting("https://127.0.0.1:" + port())} {}
  server_options with_tls(server_options o) const {
    o.tls = net::tls_context::server({.identities = {authority.issue({.names = {"IP:127.0.0.1"}}).identity()}}).value();
    return o;
  }
  client_options trusting(std::string url) const {
    client_options o;
    o.base_url = std::move(url);
    o.tls = net::tls_context::client({.authorities = authority.trust()}).value();
    return o;
  }
  std::string port() {
    if (server.local().port() == 0) EXPECT_TRUE(server.listen(address::loopback(0)).has_value());
    return std::to_string(server.local().port());
  }
  net::test_authority authority;
  http::server server;
  client caller;
};

SOCKET_TEST(ServerTls, AnswersOverTls) {
  encrypted e{l};
  for (const std::size_t size : {0U, 5U, 20'000U, 900'000U}) {
    auto answer = co_await e.caller.send({}, {method::post, "/", std::string(size, 'x')});
    EXPECT_TRUE(answer.has_value()) << answer.error().describe();
    if (answer) EXPECT_EQ((co_await answer->content.text()).value_or("failed").size(), size);
  }
  EXPECT_EQ(e.server.stats().connections_accepted, 1U);
}

SOCKET_TEST(ServerTls, TellsWhoDoesNotSpeakTls) {
  encrypted e{l, {.handshake_timeout = 2s}};
  wire plain{(co_await l.connect({}, e.server.local())).value()};
  co_await plain.send(get("/"));
  EXPECT_TRUE((co_await plain.rest()).starts_with("HTTP/1.1 400 "));  // in plain text: that is what it reads
  EXPECT_EQ(e.server.stats().requests, 0U);
  EXPECT_EQ(e.server.stats().handshake_failures, 1U);
}

SOCKET_TEST(ServerTls, ClientsRefuseOtherNames) {
  encrypted e{l};
  client other{l, e.trusting("https://localhost:" + e.port())};
  const auto answer = co_await other.get_raw({}, "/");
  EXPECT_FALSE(answer.has_value());
  if (!answer) EXPECT_TRUE(answer.error().unprocessed());
}

}  // namespace
}  // namespace weft::http
