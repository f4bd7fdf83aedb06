// Health checks over TLS, with a certificate that the openssl command made.
#include <weft/discovery/health_check.hpp>
#include <weft/http/server.hpp>
#include <weft/runtime/epoll_loop.hpp>

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "hosts.hpp"
#include "process.hpp"

namespace weft::discovery {
namespace {

task<result<http::response>> fine(http::request&) { co_return http::response::text("fine"); }

task<result<>> check(loop& l, health_check c, net::endpoint where) {
  http::client client{l, probe_client_options(c)};
  co_return co_await probe(l, {}, client, c, std::move(where));
}

TEST(TlsCheck, TrustsWhatItShould) {
  const auto base = testing::TempDir() + "weft-tls-check-" + std::to_string(getpid());
  server_process openssl{{"openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                          "-days", "2", "-subj", "/CN=weft.test", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout",
                          base + ".key", "-out", base + ".crt"},
                         base + ".log"};
  openssl.wait();
  if (!std::filesystem::exists(base + ".crt")) {
    if (std::getenv("CI") != nullptr) FAIL() << "no certificate; is openssl there? ./dev setup installs it";
    GTEST_SKIP() << "no certificate; is openssl there? ./dev setup installs it";
  }
  epoll_loop l;
  const auto own =
      net::tls_context::server({.identities = {{net::pem::file(base + ".crt"), net::pem::file(base + ".key")}}});
  ASSERT_TRUE(own) << own.error().describe();
  http::server server{l, fine, {.tls = *own}};
  ASSERT_TRUE(server.listen(address::loopback(0)));
  const net::endpoint where{.scheme = "https", .host = "127.0.0.1", .port = server.local().port()};
  const auto trusting = net::tls_context::client({.authorities = net::pem::file(base + ".crt")}).value();

  const auto say = [](const result<>& r) { return r ? "good" : r.error().describe(); };
  EXPECT_EQ(say(l.run(check(l, {.kind = check_kind::tls, .tls = trusting}, where))), "good");
  EXPECT_EQ(say(l.run(check(l, {.kind = check_kind::http, .tls = trusting}, where))), "good");
  EXPECT_NE(say(l.run(check(l, {.kind = check_kind::tls, .tls = net::tls_context::client({}).value()}, where))),
            "good");
  EXPECT_NE(say(l.run(check(l, {.kind = check_kind::tls, .tls = trusting, .server_name = "other.test"}, where))),
            "good");
  for (const auto* end : {".key", ".crt", ".log"}) std::filesystem::remove(base + end);
}

}  // namespace
}  // namespace weft::discovery
