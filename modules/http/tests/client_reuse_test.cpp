// When a client uses a connection again, and when it does not; who gets one that becomes free.
#include "client_harness.hpp"

#include <weft/testkit/lost_grant.hpp>

// weft-style: allow order in this file: certificates made on the spot are the business of the module net
#include "../../net/tests/certificates.hpp"

namespace weft::http {
namespace {

// One request, answered with `response`; the connection that it came over.
task<wire> first_exchange(loop& l, client& c, scripted& s, std::string answer) {
  call first{l, c, {method::get, "/first"}};
  auto w = co_await s.accept();
  co_await w.until("\r\n\r\n");
  co_await w.send(std::move(answer));
  EXPECT_TRUE((co_await first.done()).has_value());
  co_return w;
}
task<wire> idle_connection(loop& l, client& c, scripted& s) {
  return first_exchange(l, c, s, "HTTP/1.1 204 No Content\r\n\r\n");
}

constexpr std::string_view stray = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nstray";

// Asks once more; whether that came over a fresh connection, which then answers.
task<bool> asks_over_a_fresh_connection(loop& l, client& c, scripted& s, wire& old, method verb = method::post) {
  const auto before = c.stats().connects;
  call next{l, c, request{verb, "/next", "x"}};
  co_await settle(l, 1ms);  // it begins before the loop looks at the network again
  const bool fresh = c.stats().connects > before;
  std::optional<wire> opened;
  if (fresh) opened.emplace(co_await s.accept());
  auto& w = fresh ? *opened : old;
  co_await w.until("\r\n\r\nx");
  co_await w.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nright");
  auto answer = co_await next.done();
  EXPECT_TRUE(answer.has_value());
  if (answer) EXPECT_EQ((co_await answer->content.text()).value_or("failed"), "right");
  co_return fresh;
}

// --- A7: bytes that came before the request ---

// The loop has not turned since they came, so no event has told of them.
SOCKET_TEST(ClientReuse, TakesNothingForAnAnswerThatCameBeforeTheRequest) {
  for (const std::string_view unasked :
       {stray, std::string_view{"HTTP/1.1 408 Request Timeout\r\n\r\n"}, std::string_view{"x"}}) {
    scripted s{l};
    client c{l, s.options()};
    auto w = co_await idle_connection(l, c, s);
    co_await settle(l, 5ms);  // it is idle, and its last edge is spent
    co_await w.send(std::string{unasked});
    EXPECT_TRUE(co_await asks_over_a_fresh_connection(l, c, s, w));
  }
}

SOCKET_TEST(ClientReuse, TakesNothingForAnAnswerThatCameWhileACallWaited) {
  scripted s{l};
  client c{l, s.options({.max_connections = 1})};
  call first{l, c, {method::get, "/first"}};
  auto w = co_await s.accept();
  co_await w.until("\r\n\r\n");
  call second{l, c, {method::get, "/second"}};
  while (c.stats().waiting == 0) co_await settle(l, 1ms);
  // Two responses for one request: the connection is granted to the second call, and is not for it.
  co_await w.send("HTTP/1.1 204 No Content\r\n\r\n" + std::string{stray});
  auto fresh = co_await s.accept();
  EXPECT_TRUE((co_await fresh.until("\r\n\r\n")).starts_with("GET /second "));
  co_await fresh.send("HTTP/1.1 204 No Content\r\n\r\n");
  const auto answer = co_await second.done();
  EXPECT_TRUE(answer.has_value());
  if (answer) EXPECT_EQ(answer->status, status::no_content);
}

// The tickets that a server sends after the handshake are no answer: the connection is used again.
SOCKET_TEST(ClientReuse, SeesUnaskedBytesOverTlsAndOnlyThose) {
  const net::test_authority authority;
  const auto server =
      net::tls_context::server({.identities = {authority.issue({.names = {"IP:127.0.0.1"}}).identity()}}).value();
  const auto listening = l.listen(address::loopback(0)).value();
  client c{l,
           {.base_url = "https://127.0.0.1:" + std::to_string(listening->local().port()),
            .tls = net::tls_context::client({.authorities = authority.trust()}).value()}};
  const auto accept = [&](std::unique_ptr<stream> raw) { return net::tls_accept(l, {}, std::move(raw), server); };
  call first{l, c, {method::get, "/1"}};
  wire w{(co_await accept((co_await listening->accept()).value())).value()};
  co_await w.until("\r\n\r\n");
  co_await w.send("HTTP/1.1 204 No Content\r\n\r\n");
  EXPECT_TRUE((co_await first.done()).has_value());
  for (const std::string path : {"/2", "/3"}) {
    call next{l, c, {method::get, path}};
    EXPECT_TRUE((co_await w.until("\r\n\r\n")).starts_with("GET " + path + " "));
    co_await w.send("HTTP/1.1 204 No Content\r\n\r\n");
    EXPECT_TRUE((co_await next.done()).has_value());
  }
  EXPECT_EQ(c.stats().connects, 1U);
  co_await settle(l, 5ms);
  co_await w.send(std::string{stray});
  call last{l, c, {method::get, "/last"}};
  wire fresh{(co_await accept((co_await listening->accept()).value())).value()};
  co_await fresh.until("\r\n\r\n");
  co_await fresh.send("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
  const auto answer = co_await last.done();
  EXPECT_TRUE(answer.has_value());
  if (answer) EXPECT_EQ(answer->status, status::not_found);
}

// --- A9: who is granted a connection ---

task<void> ask_and_stay(client& c, context ctx, testkit::entrance& e) {
  auto answer = co_await c.send(ctx, {method::get, "/"});
  if (answer) co_await e.inside(ctx);
}

HTTP_TEST(ClientReuse, HandsOnAConnectionWhoseCallIsLost) {
  for (const bool reusable : {true, false})
    for (const auto how : {testkit::loss::destroyed, testkit::loss::cancelled})
      for (const int turns : {0, 1, 2, 5}) {
        scripted slow{l};
        client c{l, slow.options({.max_connections = 1})};
        call holder{l, c, {method::get, "/holder"}};
        auto w = co_await slow.accept();
        co_await w.until("\r\n\r\n");
        co_await w.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhe");
        auto held = co_await holder.done();
        EXPECT_TRUE(held.has_value());
        if (!held) co_return;
        co_await w.send("llo");
        std::size_t read = 0;
        while (reusable && read < 5) read += (co_await held->content.next()).value().size();
        // The server goes on by itself from here.
        task_group serving{l};
        const auto serve = [](wire old, scripted& s, bool again) -> task<void> {
          std::optional<wire> now{std::move(old)};
          if (!again) now.emplace(co_await s.accept());
          for (;;) {
            if ((co_await now->until("\r\n\r\n")).empty()) {
              now.emplace(co_await s.accept());
              continue;
            }
            co_await now->send("HTTP/1.1 204 No Content\r\n\r\n");
          }
        };
        serving.spawn(serve(std::move(w), slow, reusable));
        const auto handed_on = co_await testkit::lose_grant(
            l, [&c](context ctx, testkit::entrance& e) { return ask_and_stay(c, std::move(ctx), e); },
            [&held] { held = fail(errc::cancelled); }, {.by = how, .after_turns = turns});
        EXPECT_TRUE(handed_on.has_value())
            << handed_on.error().describe() << " reusable " << reusable << " turns " << turns;
        EXPECT_EQ(c.stats().waiting, 0U);
        EXPECT_TRUE((co_await c.send({}, {method::get, "/"})).has_value());
      }
}

// A9: a call that comes later does not overtake one that waits, in the very turn in which a connection becomes free.
HTTP_TEST(ClientReuse, NobodyOvertakesACallThatWaits) {
  scripted s{l};
  client c{l, s.options({.max_connections = 1})};
  call holder{l, c, {method::get, "/holder"}};
  auto w = co_await s.accept();
  co_await w.until("\r\n\r\n");
  co_await w.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhe");
  auto held = co_await holder.done();
  call waiting{l, c, {method::get, "/waiting"}};
  while (c.stats().waiting == 0) co_await settle(l, 1ms);
  co_await w.send("llo");
  std::size_t read = 0;
  while (read < 5) read += (co_await held->content.next()).value().size();
  call late{l, c, {method::get, "/late"}};
  held = fail(errc::cancelled);  // the connection is free from here
  EXPECT_TRUE((co_await w.until("\r\n\r\n")).starts_with("GET /waiting "));
  co_await w.send("HTTP/1.1 204 No Content\r\n\r\n");
  EXPECT_TRUE((co_await w.until("\r\n\r\n")).starts_with("GET /late "));
  co_await w.send("HTTP/1.1 204 No Content\r\n\r\n");
  EXPECT_TRUE((co_await waiting.done()).has_value());
  EXPECT_TRUE((co_await late.done()).has_value());
}

// --- B6, D: how long a connection is good ---

VIRTUAL_TEST(ClientReuse, HeedsWhatTheServerSaysOfItsPatience) {
  struct {
    std::string says;
    duration idle;
    bool fresh;
  } const cases[] = {{"timeout=5", 3500ms, false},
                     {"timeout=5", 4500ms, true},
                     {"timeout=5, max=100", 4500ms, true},
                     {"max=100,Timeout=\"5\"", 4500ms, true},
                     {"timeout=1", 200ms, false},
                     {"timeout=1", 800ms, true},
                     {"timeout=0", 0ms, true},
                     {"timeout=99999999999999999999", 30s, false},
                     {"timeout=x, max", 30s, false},
                     {"max=0", 0ms, true},
                     {"max=1", 0ms, true},
                     {"max=2", 0ms, false},
                     {"timeout=600", 45s, false}};
  for (const auto& each : cases) {
    scripted s{l};
    client c{l, s.options()};
    auto w = co_await first_exchange(l, c, s, "HTTP/1.1 204 No Content\r\nKeep-Alive: " + each.says + "\r\n\r\n");
    co_await settle(l, each.idle);
    EXPECT_EQ(co_await asks_over_a_fresh_connection(l, c, s, w), each.fresh) << each.says;
  }
}

// B6: said twice, the smaller word counts; said once, it holds until another is said.
VIRTUAL_TEST(ClientReuse, RemembersWhatTheServerSaidOfItsPatience) {
  struct {
    std::string says;
    duration idle;
    bool fresh;
  } const cases[] = {{"Keep-Alive: timeout=5, timeout=60\r\n", 4500ms, true},
                     {"Keep-Alive: timeout=5\r\nKeep-Alive: timeout=60\r\n", 4500ms, true},
                     {"Keep-Alive: max=1, max=9\r\n", 0ms, true},
                     {"Keep-Alive: timeout=5\r\nX: 1\r\n", 4500ms, true},
                     {"Keep-Alive: timeout=5\r\nX: 1\r\n", 3500ms, false},
                     {"Keep-Alive: , timeout = 5 ,,\r\n", 4500ms, true}};
  for (const auto& each : cases)
    for (const bool silent_afterwards : {false, true}) {
      scripted s{l};
      client c{l, s.options()};
      auto w = co_await first_exchange(l, c, s, "HTTP/1.1 204 No Content\r\n" + each.says + "\r\n");
      if (silent_afterwards && each.idle > 0ms) EXPECT_FALSE(co_await asks_over_a_fresh_connection(l, c, s, w));
      co_await settle(l, each.idle);
      EXPECT_EQ(co_await asks_over_a_fresh_connection(l, c, s, w), each.fresh) << each.says << silent_afterwards;
    }
}

// Apache counts its `max` down, others state the same number each time.
VIRTUAL_TEST(ClientReuse, ReadsMaxAsWhatIsLeftOrAsAll) {
  for (const bool counts_down : {true, false}) {
    scripted s{l};
    client c{l, s.options()};
    const auto says = [&](int n) { return "Keep-Alive: max=" + std::to_string(counts_down ? 4 - n : 4); };
    auto w = co_await first_exchange(l, c, s, "HTTP/1.1 204 No Content\r\n" + says(1) + "\r\n\r\n");
    for (int n = 2; n <= 4; ++n) {
      call next{l, c, {method::get, "/"}};
      co_await w.until("\r\n\r\n");
      co_await w.send("HTTP/1.1 204 No Content\r\n" + says(n) + "\r\n\r\n");
      EXPECT_TRUE((co_await next.done()).has_value());
    }
    EXPECT_EQ(c.stats().connects, 1U);
    EXPECT_EQ(c.stats().idle, 0U) << counts_down;
  }
}

VIRTUAL_TEST(ClientReuse, EndsConnectionsAtTheirAge) {
  scripted s{l};
  client c{l, s.options({.max_connection_age = 10s, .connection_jitter = 0})};
  auto w = co_await idle_connection(l, c, s);
  co_await settle(l, 9s);
  EXPECT_EQ(c.stats().idle, 1U);
  co_await settle(l, 2s);
  EXPECT_EQ(c.stats().idle, 0U);
  EXPECT_TRUE(co_await asks_over_a_fresh_connection(l, c, s, w));
}

VIRTUAL_TEST(ClientReuse, EndsConnectionsAfterTheirRequests) {
  scripted s{l};
  client c{l, s.options({.max_connection_requests = 2, .connection_jitter = 0})};
  auto w = co_await idle_connection(l, c, s);
  EXPECT_FALSE(co_await asks_over_a_fresh_connection(l, c, s, w));
  EXPECT_EQ(c.stats().idle, 0U);
  EXPECT_TRUE(co_await asks_over_a_fresh_connection(l, c, s, w));
}

// Connections that were opened together do not end together.
VIRTUAL_TEST(ClientReuse, SpreadsTheEndsOfConnections) {
  scripted s{l};
  client c{l, s.options({.idle_timeout = duration::max(), .max_connection_age = 100s, .connection_jitter = 0.5})};
  std::vector<wire> wires;
  std::vector<std::unique_ptr<call>> calls;
  for (int i = 0; i < 16; ++i) {
    calls.push_back(std::make_unique<call>(l, c, request{method::get, "/"}));
    wires.push_back(co_await s.accept());
  }
  for (auto& w : wires) co_await w.send("HTTP/1.1 204 No Content\r\n\r\n");
  for (auto& each : calls) EXPECT_TRUE((co_await each->done()).has_value());
  co_await settle(l, 49s);
  EXPECT_EQ(c.stats().idle, 16U);
  co_await settle(l, 25s);
  EXPECT_GT(c.stats().idle, 0U);
  EXPECT_LT(c.stats().idle, 16U);
  co_await settle(l, 27s);
  EXPECT_EQ(c.stats().idle, 0U);
}

// A11: "never" in every option.
VIRTUAL_TEST(ClientReuse, NeverIsAValidTime) {
  constexpr auto never = duration::max();
  scripted s{l};
  client c{l, s.options({.connect_timeout = never,
                         .response_timeout = never,
                         .body_timeout = never,
                         .write_timeout = never,
                         .continue_timeout = never,
                         .idle_timeout = never,
                         .max_connection_age = never})};
  auto w =
      co_await first_exchange(l, c, s, "HTTP/1.1 204 No Content\r\nKeep-Alive: timeout=18446744073709551615\r\n\r\n");
  co_await settle(l, 1h);
  EXPECT_EQ(c.stats().idle, 1U);
  request r{method::post, "/", std::string(20'000, 'x')};
  r.headers.set("Expect", "100-continue");
  call next{l, c, std::move(r), context{}.with_timeout(l, never)};
  co_await w.until("\r\n\r\n");
  co_await settle(l, 1h);
  co_await w.send("HTTP/1.1 100 Continue\r\n\r\n");
  co_await w.until(std::string(20'000, 'x'));
  co_await w.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\no");
  auto answer = co_await next.done();
  co_await settle(l, 1h);
  co_await w.send("k");
  EXPECT_TRUE(answer.has_value());
  if (answer) EXPECT_EQ((co_await answer->content.text()).value_or("failed"), "ok");
}

// --- what no test noticed before ---

HTTP_TEST(ClientReuse, DropsAConnectionWhoseAnswerWasHalfRead) {
  scripted s{l};
  client c{l, s.options()};
  call first{l, c, {method::get, "/first"}};
  auto w = co_await s.accept();
  co_await w.until("\r\n\r\n");
  co_await w.send("HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhe");
  {
    auto half = co_await first.done();
    EXPECT_TRUE(half.has_value());
    if (half) EXPECT_EQ((co_await half->content.next()).value_or("failed"), "he");
    first.answer.reset();
  }
  EXPECT_EQ(c.stats().connections, 0U);
  EXPECT_TRUE(co_await asks_over_a_fresh_connection(l, c, s, w));
}

HTTP_TEST(ClientReuse, DoesNotRepeatWhatWasHalfAnswered) {
  scripted s{l};
  client c{l, s.options()};
  auto w = co_await idle_connection(l, c, s);
  call second{l, c, {method::get, "/second"}};
  co_await w.until("\r\n\r\n");
  co_await w.send("HTTP/1.1 2");
  w.close();
  const auto answer = co_await second.done();
  EXPECT_FALSE(answer.has_value());
  if (!answer) EXPECT_EQ(answer.error().code(), errc::unavailable) << answer.error().describe();
  EXPECT_EQ(c.stats().stale_retries, 0U);
  EXPECT_EQ(c.stats().connects, 1U);
}

// An interim answer, too, says that the server has the request.
HTTP_TEST(ClientReuse, DoesNotRepeatWhatTheServerHasBegunToAnswer) {
  scripted s{l};
  client c{l, s.options()};
  auto w = co_await idle_connection(l, c, s);
  call second{l, c, {method::get, "/second"}};
  co_await w.until("\r\n\r\n");
  co_await w.send("HTTP/1.1 102 Processing\r\n\r\n");
  co_await settle(l, 5ms);
  w.close();
  EXPECT_FALSE((co_await second.done()).has_value());
  EXPECT_EQ(c.stats().stale_retries, 0U);
}

HTTP_TEST(ClientReuse, OpensAFreshConnectionWhenAllIdleOnesAreClosed) {
  scripted s{l};
  client c{l, s.options()};
  std::vector<wire> wires;
  std::vector<std::unique_ptr<call>> calls;
  for (int i = 0; i < 3; ++i) {
    calls.push_back(std::make_unique<call>(l, c, request{method::get, "/"}));
    wires.push_back(co_await s.accept());
    co_await wires.back().until("\r\n\r\n");
  }
  for (auto& w : wires) co_await w.send("HTTP/1.1 204 No Content\r\n\r\n");
  for (auto& each : calls) EXPECT_TRUE((co_await each->done()).has_value());
  EXPECT_EQ(c.stats().idle, 3U);
  call next{l, c, {method::get, "/next"}};
  while (c.stats().idle == 3) co_await settle(l, 1ms);  // one of them carries it
  wires.clear();
  auto fresh = co_await s.accept();
  EXPECT_TRUE((co_await fresh.until("\r\n\r\n")).starts_with("GET /next "));
  co_await fresh.send("HTTP/1.1 204 No Content\r\n\r\n");
  EXPECT_TRUE((co_await next.done()).has_value());
  EXPECT_EQ(c.stats().connects, 4U);
  EXPECT_EQ(c.stats().connections, 1U);
}

}  // namespace
}  // namespace weft::http
