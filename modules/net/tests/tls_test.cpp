#include <weft/net/tls.hpp>

#include <weft/net/pipe.hpp>
#include <weft/runtime/epoll_loop.hpp>
#include <weft/runtime/sleep.hpp>
#include <weft/runtime/task_group.hpp>
#include <weft/runtime/when.hpp>

#include "certificates.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

namespace weft::net {
namespace {
using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;

using secured = result<std::unique_ptr<stream>>;
struct ends {
  secured client, server;
};
using streams = std::pair<std::unique_ptr<stream>, std::unique_ptr<stream>>;

task<ends> shake(loop& l, streams raw, tls_context client, tls_context server, std::string name) {
  auto [c, s] = co_await when_all(l, tls_connect(l, {}, std::move(raw.first), std::move(client), std::move(name)),
                                  tls_accept(l, {}, std::move(raw.second), std::move(server)));
  co_return ends{std::move(c), std::move(s)};
}
task<result<>> send(stream& s, std::string text) {
  const_buffer buffer{text};
  co_return co_await s.write({&buffer, 1});
}
task<result<std::string>> receive(stream& s) {  // to the end
  std::string all;
  std::vector<char> room(10'000);
  for (;;) {
    WEFT_CO_TRY(const auto n, co_await s.read(room));
    if (n == 0) co_return all;
    all.append(room.data(), n);
  }
}
task<result<std::string>> receive_some(stream& s) {
  char room[1000];
  WEFT_CO_TRY(const auto n, co_await s.read(room));
  co_return std::string(room, n);
}

class Tls : public testing::Test {
 protected:
  tls_context server(tls_options o = {}) {
    if (o.identities.empty()) o.identities = {authority_.issue().identity()};
    if (o.clients != client_certificates::none && o.authorities.empty()) o.authorities = authority_.trust();
    return tls_context::server(std::move(o)).value();
  }
  tls_context client(tls_options o = {}) {
    if (o.authorities.empty()) o.authorities = authority_.trust();
    return tls_context::client(std::move(o)).value();
  }
  ends connect(tls_context c, tls_context s, std::string name = "localhost") {
    return loop_.run(shake(loop_, make_pipe(loop_), std::move(c), std::move(s), std::move(name)));
  }
  epoll_loop loop_;
  test_authority authority_;
};

TEST_F(Tls, CarriesBothWaysAndTellsWhoIsThere) {
  auto e = connect(client(), server());
  ASSERT_TRUE(e.client) << e.client.error().describe();
  ASSERT_TRUE(e.server) << e.server.error().describe();
  auto &c = **e.client, &s = **e.server;
  EXPECT_TRUE(loop_.run(send(c, "question")));
  EXPECT_EQ(loop_.run(receive_some(s)).value(), "question");
  EXPECT_TRUE(loop_.run(send(s, "answer")));
  c.shutdown_write();
  EXPECT_EQ(loop_.run(receive(s)).value(), "");
  EXPECT_TRUE(loop_.run(send(s, ", and more after the half-close")));
  e.server->reset();
  EXPECT_EQ(loop_.run(receive(c)).value(), "answer, and more after the half-close");
  EXPECT_TRUE(c.info().encrypted);
  EXPECT_EQ(c.info().server_name, "localhost");
  EXPECT_THAT(c.info().peer_names, ElementsAre("localhost"));
  EXPECT_EQ(c.info().peer_certificate_subject, "CN=a test");
}

TEST_F(Tls, AgreesOnAProtocolByTheServersPreference) {
  auto e = connect(client({.alpn = {"http/1.1", "h2"}}), server({.alpn = {"h2", "http/1.1"}}));
  EXPECT_EQ(e.client.value()->info().protocol, "h2");
  EXPECT_EQ(e.server.value()->info().protocol, "h2");
  e = connect(client(), server({.alpn = {"h2"}}));
  EXPECT_EQ(e.server.value()->info().protocol, "");
  e = connect(client({.alpn = {"h3"}}), server({.alpn = {"h2"}}));
  EXPECT_EQ(e.client.error().code(), errc::failed_precondition);
  EXPECT_THAT(e.client.error().message(), HasSubstr("no application protocol"));
}

TEST_F(Tls, AcceptsAVerifiedClientAndKnowsItsNames) {
  const auto own = authority_.issue({.names = {"orders.test", "URI:spiffe://mesh/orders"}, .subject = "orders"});
  auto e = connect(client({.identities = {own.identity()}}), server({.clients = client_certificates::required}));
  ASSERT_TRUE(e.server) << e.server.error().describe();
  EXPECT_EQ((*e.server)->info().peer_certificate_subject, "CN=orders");
  EXPECT_THAT((*e.server)->info().peer_names, ElementsAre("orders.test", "spiffe://mesh/orders"));
}
TEST_F(Tls, RefusesAClientWithoutTheRequiredCertificate) {
  auto e = connect(client(), server({.clients = client_certificates::required}));
  EXPECT_EQ(e.server.error().code(), errc::unauthenticated);
  EXPECT_THAT(e.server.error().message(), HasSubstr("no certificate"));
  // With TLS 1.3 the client is done before the server has judged; it hears of it when it reads.
  const auto heard = loop_.run(receive(**e.client));
  EXPECT_EQ(heard.error().code(), errc::unauthenticated);
  EXPECT_THAT(heard.error().message(), HasSubstr("requires a certificate"));
  EXPECT_TRUE(connect(client(), server({.clients = client_certificates::optional})).server);
}
TEST_F(Tls, RefusesAClientOfAnotherAuthority) {
  const test_authority stranger{"a stranger"};
  const auto own = stranger.issue({.subject = "mallory"});
  for (const auto mode : {client_certificates::required, client_certificates::optional}) {
    auto e = connect(client({.identities = {own.identity()}}), server({.clients = mode}));
    EXPECT_EQ(e.server.error().code(), errc::unauthenticated);
    EXPECT_THAT(e.server.error().message(), HasSubstr("no trusted authority signed the certificate of CN=mallory"));
  }
}

TEST_F(Tls, RefusesAServerOfAnotherName) {
  const auto s = server({.identities = {authority_.issue({.names = {"posts.test", "IP:10.0.0.1"}}).identity()}});
  auto e = connect(client(), s, "users.test");
  EXPECT_EQ(e.client.error().code(), errc::unauthenticated);
  EXPECT_THAT(e.client.error().describe(),
              HasSubstr("expected users.test, the certificate is for posts.test, 10.0.0.1"));
  EXPECT_EQ(e.server.error().code(), errc::unauthenticated);
  EXPECT_TRUE(e.client.error().unprocessed());
  EXPECT_TRUE(connect(client(), s, "10.0.0.1").client);
  EXPECT_FALSE(connect(client(), s, "10.0.0.2").client);
  EXPECT_TRUE(connect(client({.verification = server_verification::none}), s, "users.test").client);
}
TEST_F(Tls, RefusesAServerOfAnotherAuthority) {
  const test_authority stranger{"a stranger"};
  auto e = connect(client({.authorities = stranger.trust()}), server());
  EXPECT_EQ(e.client.error().code(), errc::unauthenticated);
  EXPECT_THAT(e.client.error().message(), HasSubstr("no trusted authority"));
}

constexpr wall_time year(int y) { return std::chrono::sys_days{std::chrono::year{y} / 1 / 1}; }

TEST_F(Tls, RefusesACertificateOutOfItsTime) {
  auto old = server({.identities = {authority_.issue({.begin = year(2020), .end = year(2021)}).identity()}});
  EXPECT_THAT(connect(client(), old).client.error().message(), HasSubstr("expired at 2021-01-01T00:00:00Z"));
  auto young = server({.identities = {authority_.issue({.begin = year(2090)}).identity()}});
  EXPECT_THAT(connect(client(), young).client.error().message(), HasSubstr("not valid before 2090"));
  EXPECT_EQ(old.expires(), year(2021));
  EXPECT_EQ(client().expires(), wall_time::max());
}

// The loop of a simulation has a calendar of its own.
class loop_in_2020 final : public loop {
 public:
  explicit loop_in_2020(loop& real) : real_{real} {}
  steady_time now() const noexcept override { return real_.now(); }
  wall_time wall_now() const noexcept override { return year(2020) + 24h; }
  rng& random() noexcept override { return real_.random(); }
  void schedule(ready_node& node) noexcept override { real_.schedule(node); }
  void arm(timer_node& node, steady_time due) override { real_.arm(node, due); }
  void post(callback work) override { real_.post(std::move(work)); }
  void offload(callback work, callback done) override { real_.offload(std::move(work), std::move(done)); }
  result<std::unique_ptr<listener>> listen(const address& at, listen_options o) override { return real_.listen(at, o); }
  task<result<std::unique_ptr<stream>>> connect(context ctx, address to, connect_options o) override {
    return real_.connect(std::move(ctx), std::move(to), o);
  }
  task<result<std::vector<address>>> resolve(context ctx, std::string host, std::uint16_t port) override {
    return real_.resolve(std::move(ctx), std::move(host), port);
  }
  task<result<std::vector<dns_record>>> query_dns(context ctx, std::string name, dns_type type) override {
    return real_.query_dns(std::move(ctx), std::move(name), type);
  }
  result<std::unique_ptr<watched_descriptor>> watch(int descriptor) override { return real_.watch(descriptor); }

 private:
  loop& real_;
};
TEST_F(Tls, JudgesCertificatesByTheClockOfTheLoop) {
  loop_in_2020 then{loop_};
  auto old = server({.identities = {authority_.issue({.begin = year(2020), .end = year(2021)}).identity()}});
  EXPECT_TRUE(loop_.run(shake(then, make_pipe(then), client(), old, "localhost")).client);
}

TEST_F(Tls, ChoosesTheCertificateByTheNameAskedFor) {
  const auto of = [&](std::vector<std::string> names, std::string subject) {
    return authority_.issue({.names = std::move(names), .subject = std::move(subject)}).identity();
  };
  const auto s =
      server({.identities = {of({"localhost"}, "default"), of({"*.b.test"}, "wild"), of({"x.b.test"}, "x")}});
  const auto shown = [&](const std::string& name) {
    auto e = connect(client({.verification = server_verification::none}), s, name);
    EXPECT_EQ(e.server.value()->info().server_name, name);
    e = connect(client(), s, name);
    return e.client ? (*e.client)->info().peer_certificate_subject : "refused";
  };
  EXPECT_EQ(shown("localhost"), "CN=default");
  EXPECT_EQ(shown("X.b.test"), "CN=x");
  EXPECT_EQ(shown("y.b.test"), "CN=wild");
  EXPECT_EQ(shown("z.y.b.test"), "refused") << "a star stands for one label";
  EXPECT_EQ(shown("other.test"), "refused");
}

TEST_F(Tls, AnEndWithoutCloseNotifyIsAFailure) {
  auto raw = make_pipe(loop_);
  auto e = loop_.run(shake(loop_, std::move(raw), client(), server(), "localhost"));
  EXPECT_TRUE(loop_.run(send(**e.server, "half of")));
  (*e.server)->reset();
  EXPECT_FALSE(loop_.run(receive(**e.client)));
}

// Forwards bytes between two raw streams until told to cut the connection in an orderly way, as an attacker would.
task<void> forward(stream& from, stream& to, std::size_t* count = nullptr) {
  char room[4096];
  for (;;) {
    const auto n = co_await from.read(room);
    if (!n || *n == 0) break;
    const_buffer buffer{room, *n};
    if (count != nullptr) *count += *n;
    if (!co_await to.write({&buffer, 1})) break;
  }
}
task<void> cut(loop& l, tls_context client, tls_context server) {
  auto [c, left] = make_pipe(l);
  auto [right, s] = make_pipe(l);
  std::optional<task_group> attacker{l};
  attacker->spawn(forward(*left, *right));
  attacker->spawn(forward(*right, *left));
  auto e = co_await shake(l, {std::move(c), std::move(s)}, std::move(client), std::move(server), "localhost");
  EXPECT_TRUE(co_await send(**e.server, "half of"));
  EXPECT_EQ((co_await receive_some(**e.client)).value(), "half of");
  attacker.reset();
  left.reset();
  const auto after = co_await receive(**e.client);
  EXPECT_FALSE(after) << "the end of the connection passed for the end of the stream";
  EXPECT_EQ(after.error().code(), errc::unavailable);
  EXPECT_THAT(after.error().message(), HasSubstr("close_notify"));
}
TEST_F(Tls, ACutByAThirdPartyIsNotAnEnd) { loop_.run(cut(loop_, client(), server())); }

task<void> send_and_close(std::unique_ptr<stream> s, std::string text, bool& done) {
  EXPECT_TRUE(co_await send(*s, std::move(text)));
  done = true;
}
// Both ways at once through the given raw streams; each sender closes right after its last byte.
task<void> exchange(loop& l, streams raw, tls_context client, tls_context server, std::size_t size) {
  auto e = co_await shake(l, std::move(raw), std::move(client), std::move(server), "localhost");
  std::string text(size, '\0');
  for (std::size_t i = 0; i < size; ++i) text[i] = static_cast<char>(i * 131 + (i >> 10));
  bool done = false;
  task_group group{l};
  group.spawn(send_and_close(*std::move(e.server), text, done));
  for (int i = 0; i < 20; ++i) co_await yield(l);
  EXPECT_FALSE(done) << "nobody read, and yet all was taken";
  const auto got = co_await receive(**e.client);
  EXPECT_TRUE(got && *got == text) << (got ? std::to_string(got->size()) : got.error().describe());
  co_await group.join();
}
TEST_F(Tls, MuchArrivesWholeThroughTinyBuffers) {
  loop_.run(exchange(loop_, make_pipe(loop_, 100), client(), server(), 300'000));
  loop_.run(exchange(loop_, make_pipe(loop_, 70'000), client(), server(), 3'000'000));
}
task<streams> over_tcp(loop& l) {
  auto taking = l.listen(address::loopback(0)).value();
  auto [s, c] = co_await when_all(l, taking->accept(), l.connect({}, taking->local()));
  co_return streams{std::move(c).value(), std::move(s).value()};
}
TEST_F(Tls, MuchArrivesWholeOverTcp) {
  loop_.run(exchange(loop_, loop_.run(over_tcp(loop_)), client(), server(), 20'000'000));
}

task<void> read_both(loop& l, ends e) {
  const auto text = std::string(1'000'000, 'x');
  task_group group{l};
  bool a = false, b = false;
  auto &c = **e.client, &s = **e.server;
  const auto sender = [](stream& to, std::string what, bool& done) -> task<void> {
    EXPECT_TRUE(co_await send(to, std::move(what)));
    to.shutdown_write();
    done = true;
  };
  group.spawn(sender(c, text, a));
  group.spawn(sender(s, text, b));
  auto [x, y] = co_await when_all(l, receive(c), receive(s));
  EXPECT_EQ(x.value().size(), text.size());
  EXPECT_EQ(y.value().size(), text.size());
  co_await group.join();
  EXPECT_TRUE(a && b);
}
TEST_F(Tls, ReadsAndWritesAtOnce) { loop_.run(read_both(loop_, connect(client(), server()))); }

task<void> gather(ends e) {
  std::vector<std::string> texts;
  std::string expected;
  for (int i = 0; i < 400; ++i) expected += texts.emplace_back(static_cast<std::size_t>(i % 90), 'a' + i % 26);
  expected += texts.emplace_back(40'000, 'z');
  std::vector<const_buffer> buffers(texts.begin(), texts.end());
  EXPECT_TRUE(co_await (*e.client)->write(buffers));
  e.client->reset();
  EXPECT_TRUE((co_await receive(**e.server)).value() == expected);
}
TEST_F(Tls, WritesManyBuffers) {
  loop_.run(gather(loop_.run(shake(loop_, make_pipe(loop_, 1 << 20), client(), server(), "localhost"))));
}

task<void> interrupted(loop& l, ends e) {
  {
    const interrupt_on_end guard{l, context{}.with_timeout(l, 2ms), **e.client};
    EXPECT_EQ((co_await receive_some(**e.client)).error().code(), errc::deadline_exceeded);
    EXPECT_EQ((co_await send(**e.client, std::string(1'000'000, 'x'))).error().code(), errc::deadline_exceeded);
  }
  EXPECT_TRUE(co_await send(**e.server, "still here"));
  EXPECT_EQ((co_await receive_some(**e.client)).value(), "still here");
  (*e.client)->reset();
  EXPECT_EQ((co_await receive_some(**e.client)).error().code(), errc::unavailable);
  EXPECT_EQ((co_await send(**e.client, "x")).error().code(), errc::unavailable);
}
TEST_F(Tls, AWaitEndsWithItsContextAndTheStreamStays) { loop_.run(interrupted(loop_, connect(client(), server()))); }

TEST_F(Tls, AHandshakeWithASilentPeerEndsWithItsContext) {
  auto raw = make_pipe(loop_);
  const auto ctx = context{}.with_timeout(loop_, 5ms);
  const auto got = loop_.run(tls_connect(loop_, ctx, std::move(raw.first), client(), "localhost"));
  EXPECT_EQ(got.error().code(), errc::deadline_exceeded);
  EXPECT_EQ(got.error().operation(), "TLS handshake");
}
TEST_F(Tls, APeerThatLeavesDuringTheHandshakeIsUnavailable) {
  auto raw = make_pipe(loop_);
  raw.second->shutdown_write();
  const auto got = loop_.run(tls_connect(loop_, {}, std::move(raw.first), client(), "localhost"));
  EXPECT_EQ(got.error().code(), errc::unavailable);
}

task<void> plain_http(loop& l, tls_context server) {
  auto raw = make_pipe(l);
  EXPECT_TRUE(co_await send(*raw.first, "GET / HTTP/1.1\r\nHost: a\r\n\r\n"));
  const auto got = co_await tls_accept(l, {}, std::move(raw.second), std::move(server));
  EXPECT_EQ(got.error().code(), errc::failed_precondition);
  EXPECT_THAT(got.error().message(), HasSubstr("plain HTTP"));
  const auto answer = (co_await receive(*raw.first)).value();
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 400 ")) << answer;
  const auto body = answer.substr(answer.find("\r\n\r\n") + 4);
  EXPECT_THAT(answer, HasSubstr("Content-Length: " + std::to_string(body.size()) + "\r\n"));
}
TEST_F(Tls, PlainHttpGetsAnAnswerItUnderstands) { loop_.run(plain_http(loop_, server())); }

TEST_F(Tls, GarbageInsteadOfAHandshakeIsAnError) {
  for (const std::string& garbage : {std::string(2000, '\0'), std::string(2000, '\xff'), std::string{"SSH-2.0-x\r\n.."},
                                     std::string{"\x16\x03\x01\x40\x01", 5} + std::string(17'000, 'x')}) {
    auto raw = make_pipe(loop_);
    ASSERT_TRUE(loop_.run(send(*raw.first, garbage)));
    const auto got = loop_.run(tls_accept(loop_, {}, std::move(raw.second), server()));
    EXPECT_EQ(got.error().code(), errc::failed_precondition) << got.error().describe();
  }
  auto raw = make_pipe(loop_);
  ASSERT_TRUE(loop_.run(send(*raw.second, "HTTP/1.1 400 Bad Request\r\n\r\n")));
  const auto got = loop_.run(tls_connect(loop_, {}, std::move(raw.first), client(), "localhost"));
  EXPECT_EQ(got.error().code(), errc::failed_precondition);
  EXPECT_THAT(got.error().message(), HasSubstr("does not speak TLS"));
}

TEST_F(Tls, SpeaksTls13WhenAskedTo) {
  EXPECT_TRUE(connect(client(), server({.min_version = tls_version::tls_1_3})).client);
}

TEST_F(Tls, ReloadsCertificatesWithoutARestart) {
  const auto folder = testing::TempDir() + "weft_tls_" + std::to_string(loop_.random()());
  const auto store = [&](const test_certificate& c) {
    std::ofstream{folder + ".crt"} << c.certificate;
    std::ofstream{folder + ".key"} << c.key;
  };
  const auto shown = [&](const tls_context& s) {
    return connect(client(), s).client.value()->info().peer_certificate_subject;
  };
  store(authority_.issue({.subject = "first"}));
  auto s = server({.identities = {{pem::file(folder + ".crt"), pem::file(folder + ".key")}}});
  auto living = connect(client(), s);
  EXPECT_EQ(shown(s), "CN=first");
  store(authority_.issue({.subject = "second"}));
  EXPECT_EQ(shown(s), "CN=first");
  ASSERT_TRUE(s.reload());
  EXPECT_EQ(shown(s), "CN=second");
  std::ofstream{folder + ".key"} << authority_.issue().key;
  const auto refused = s.reload();
  EXPECT_THAT(refused.error().message(), HasSubstr(folder + ".key"));
  EXPECT_THAT(refused.error().message(), HasSubstr("does not belong to the certificate"));
  EXPECT_EQ(shown(s), "CN=second") << "a wrong reload must change nothing";
  EXPECT_TRUE(loop_.run(send(**living.client, "alive")));
  EXPECT_EQ(loop_.run(receive_some(**living.server)).value(), "alive");
}

// How many bytes a server sends for a handshake and one byte of content.
task<std::size_t> cost_of_handshake(loop& l, tls_context client, tls_context server) {
  auto [c, left] = make_pipe(l);
  auto [right, s] = make_pipe(l);
  std::size_t from_server = 0;
  task_group relay{l};
  relay.spawn(forward(*left, *right));
  relay.spawn(forward(*right, *left, &from_server));
  auto e = co_await shake(l, {std::move(c), std::move(s)}, std::move(client), std::move(server), "localhost");
  EXPECT_TRUE(co_await send(**e.server, "x"));
  EXPECT_EQ((co_await receive_some(**e.client)).value(), "x");
  EXPECT_EQ((*e.client)->info().peer_certificate_subject, "CN=a test") << "known from the session, too";
  co_return from_server;
}
TEST_F(Tls, ResumesSessionsSoThatTheCertificateIsSentOnce) {
  const auto cost = [&](const tls_context& c, const tls_context& s) {
    return loop_.run(cost_of_handshake(loop_, c, s));
  };
  const auto c = client();
  auto s = server();
  const auto first = cost(c, s), second = cost(c, s);
  EXPECT_LT(second + 300, first);
  ASSERT_TRUE(s.reload());
  EXPECT_GT(cost(c, s), second + 300) << "what a reload took back must not live on in sessions";
  const auto never = client({.resumption = session_resumption::off});
  EXPECT_GT(cost(never, s), second + 300);
}

TEST(TlsOptions, SayWhatIsWrong) {
  const test_authority authority;
  const auto own = authority.issue();
  const auto why = [](result<tls_context> made) { return made ? std::string{} : made.error().describe(); };
  EXPECT_THAT(why(tls_context::server({})), HasSubstr("needs a certificate"));
  EXPECT_THAT(why(tls_context::server({.identities = {{pem::text("junk"), pem::text(own.key)}}})),
              HasSubstr("no certificate found"));
  EXPECT_THAT(why(tls_context::server({.identities = {{pem::text(own.certificate), pem::text("junk")}}})),
              HasSubstr("no readable key"));
  EXPECT_THAT(why(tls_context::server({.identities = {{pem::file("/nowhere.crt"), pem::file("/nowhere.key")}}})),
              HasSubstr("/nowhere.crt"));
  EXPECT_THAT(why(tls_context::server({.identities = {own.identity()}, .clients = client_certificates::required})),
              HasSubstr("authorities"));
  EXPECT_THAT(why(tls_context::client({.authorities = pem::text("junk")})), HasSubstr("authorities"));
  EXPECT_THAT(why(tls_context::client({.alpn = {""}})), HasSubstr("alpn"));
  EXPECT_EQ(why(tls_context::client()), "") << "the system's authorities are the default";
}

}  // namespace
}  // namespace weft::net
