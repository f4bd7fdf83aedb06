// The client's connections: kept, bounded, replaced when stale, and left behind by nobody.
#include "client_harness.hpp"

namespace weft::http {
namespace {

HTTP_TEST(Client, UsesAConnectionAgain) {
  served s{l, echo_path};
  client c{l, to(s)};
  for (int i = 0; i < 20; ++i) {
    auto answer = co_await c.get_raw({}, "/" + std::to_string(i));
    EXPECT_TRUE(answer.has_value());
    if (answer) EXPECT_EQ((co_await answer->content.text()).value(), "/" + std::to_string(i));
    co_await settle(l, 1ms);
  }
  EXPECT_EQ(c.stats().connects, 1U);
  EXPECT_EQ(s.server.stats().connections_accepted, 1U);
}

HTTP_TEST(Client, BoundsConnectionsAndWhoWaits) {
  scripted s{l};
  client c{l, s.options({.max_connections = 1, .max_waiting = 1})};
  call first{l, c, {method::get, "/1"}};
  auto w = co_await s.accept();
  co_await w.until("\r\n\r\n");
  call second{l, c, {method::get, "/2"}};
  while (c.stats().waiting == 0) co_await settle(l, 1ms);
  const auto third = co_await c.send({}, {method::post, "/3", "x"});
  EXPECT_FALSE(third.has_value());
  if (!third) {
    EXPECT_EQ(third.error().code(), errc::resource_exhausted);
    EXPECT_TRUE(third.error().unprocessed());
    EXPECT_FALSE(third.error().remedy().empty());
  }
  co_await w.send("HTTP/1.1 204 No Content\r\n\r\n");
  EXPECT_TRUE((co_await first.done()).has_value());
  EXPECT_TRUE((co_await w.until("\r\n\r\n")).starts_with("GET /2 "));
  co_await w.send("HTTP/1.1 204 No Content\r\n\r\n");
  EXPECT_TRUE((co_await second.done()).has_value());
  EXPECT_EQ(c.stats().connects, 1U);
  EXPECT_EQ(c.stats().rejected, 1U);
}

HTTP_TEST(Client, GivesAWaiterTheSlotOfAConnectionThatClosed) {
  scripted s{l};
  client c{l, s.options({.max_connections = 1})};
  call first{l, c, {method::get, "/1"}};
  auto w = co_await s.accept();
  co_await w.until("\r\n\r\n");
  call second{l, c, {method::get, "/2"}};
  while (c.stats().waiting == 0) co_await settle(l, 1ms);
  co_await w.send("HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n");
  auto next = co_await s.accept();
  EXPECT_TRUE((co_await next.until("\r\n\r\n")).starts_with("GET /2 "));
  co_await next.send("HTTP/1.1 204 No Content\r\n\r\n");
  EXPECT_TRUE((co_await first.done()).has_value());
  EXPECT_TRUE((co_await second.done()).has_value());
}

HTTP_TEST(Client, DropsIdleConnectionsThatTheServerCloses) {
  scripted s{l};
  client c{l, s.options()};
  call first{l, c, {method::get, "/"}};
  auto w = co_await s.accept();
  co_await w.until("\r\n\r\n");
  co_await w.send("HTTP/1.1 204 No Content\r\n\r\n");
  co_await first.done();
  EXPECT_EQ(c.stats().idle, 1U);
  w.close();
  for (int i = 0; i < 100 && c.stats().idle > 0; ++i) co_await settle(l, 1ms);
  EXPECT_EQ(c.stats().idle, 0U);
  EXPECT_EQ(c.stats().connections, 0U);
}

VIRTUAL_TEST(Client, ClosesConnectionsThatAreIdleTooLong) {
  served s{l, echo_path};
  client c{l, to(s, {.idle_timeout = 50s})};
  static_cast<void>(co_await c.get_raw({}, "/"));
  co_await settle(l, 49s);
  EXPECT_EQ(c.stats().idle, 1U);
  co_await settle(l, 2s);
  EXPECT_EQ(c.stats().idle, 0U);
  EXPECT_EQ(s.server.stats().connections, 0U);
}

// The server reads the second request of a connection and closes without an answer: what a stale connection looks like.
struct stale_case {
  method verb;
  bool key = false, repeated = false;
};
HTTP_TEST(Client, RepeatsOnlyWhatMayBeRepeatedOnAStaleConnection) {
  for (const auto& [verb, key, repeated] :
       {stale_case{method::get, false, true}, stale_case{method::put, false, true},
        stale_case{method::post, false, false}, stale_case{method::patch, false, false},
        stale_case{method::post, true, true}}) {
    scripted s{l};
    client c{l, s.options()};
    call first{l, c, {method::get, "/"}};
    auto w = co_await s.accept();
    co_await w.until("\r\n\r\n");
    co_await w.send("HTTP/1.1 204 No Content\r\n\r\n");
    co_await first.done();
    request r{verb, "/second", "x"};
    if (key) r.headers.set("Idempotency-Key", "7");
    call second{l, c, std::move(r)};
    EXPECT_TRUE((co_await w.until("\r\n\r\n")).contains("/second"));
    w.close();
    if (repeated) {
      auto again = co_await s.accept();
      EXPECT_TRUE((co_await again.until("\r\n\r\n")).contains("/second"));
      co_await again.send("HTTP/1.1 204 No Content\r\n\r\n");
    }
    const auto answer = co_await second.done();
    EXPECT_EQ(answer.has_value(), repeated) << to_string(verb);
    EXPECT_EQ(c.stats().stale_retries, repeated ? 1U : 0U);
    if (!answer) {
      EXPECT_EQ(answer.error().code(), errc::unavailable);
      EXPECT_FALSE(answer.error().unprocessed());
    }
  }
}

HTTP_TEST(Client, RepeatsOnceOnly) {
  scripted s{l};
  client c{l, s.options()};
  call first{l, c, {method::get, "/"}};
  auto w = co_await s.accept();
  co_await w.until("\r\n\r\n");
  co_await w.send("HTTP/1.1 204 No Content\r\n\r\n");
  co_await first.done();
  call second{l, c, {method::get, "/"}};
  co_await w.until("\r\n\r\n");
  w.close();
  auto again = co_await s.accept();
  co_await again.until("\r\n\r\n");
  again.close();
  EXPECT_FALSE((co_await second.done()).has_value());
  EXPECT_EQ(c.stats().stale_retries, 1U);
}

HTTP_TEST(Client, DoesNotRepeatOnAFreshConnection) {
  scripted s{l};
  client c{l, s.options()};
  call first{l, c, {method::get, "/"}};
  auto w = co_await s.accept();
  co_await w.until("\r\n\r\n");
  w.close();
  EXPECT_FALSE((co_await first.done()).has_value());
  EXPECT_EQ(c.stats().stale_retries, 0U);
}

HTTP_TEST(Client, SaysThatARefusedConnectionLeftTheRequestUnprocessed) {
  std::uint16_t port = 0;
  {
    scripted gone{l};
    port = gone.listening->local().port();
  }
  client c{l, {.base_url = "http://127.0.0.1:" + std::to_string(port)}};
  const auto answer = co_await c.send({}, {method::post, "/", "x"});
  EXPECT_FALSE(answer.has_value());
  if (answer) co_return;
  EXPECT_EQ(answer.error().code(), errc::unavailable) << answer.error().describe();
  EXPECT_TRUE(answer.error().unprocessed());
  EXPECT_TRUE(answer.error().peer().ends_with("127.0.0.1:" + std::to_string(port))) << answer.error().peer();
  EXPECT_EQ(c.stats().connect_failures, 1U);
}

// --- cancellation ---

HTTP_TEST(Client, LeavesNothingBehindWhenACallEndsEarly) {
  // Ends after each of these has reached the server.
  for (const std::string phase : {"waiting", "head", "answer's head", "content"}) {
    scripted s{l};
    client c{l, s.options({.max_connections = 1})};
    cancel_source source;
    const auto ctx = context{}.with_cancellation(source.token());
    std::optional<call> blocker;
    std::optional<wire> w;
    if (phase == "waiting") {
      blocker.emplace(l, c, request{method::get, "/blocker"});
      w = co_await s.accept();
      co_await w->until("\r\n\r\n");
    }
    call one{l, c, {method::get, "/"}, ctx};
    if (phase == "waiting") {
      while (c.stats().waiting == 0) co_await settle(l, 1ms);
    } else {
      w = co_await s.accept();
      co_await w->until("\r\n\r\n");
      if (phase == "answer's head") co_await w->send("HTTP/1.1 200 OK\r\nConte");
      if (phase == "content") co_await w->send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhe");
      co_await settle(l, 5ms);
    }
    if (phase == "content") {
      auto answer = co_await one.done();
      EXPECT_TRUE(answer.has_value());
      if (!answer) co_return;
      source.cancel();
      const auto text = co_await answer->content.text();
      EXPECT_FALSE(text.has_value());
      if (!text) EXPECT_EQ(text.error().code(), errc::cancelled);
    } else {
      source.cancel();
      const auto answer = co_await one.done();
      EXPECT_FALSE(answer.has_value()) << phase;
      if (!answer) EXPECT_EQ(answer.error().code(), errc::cancelled) << phase;
      if (!answer) EXPECT_EQ(answer.error().unprocessed(), phase == "waiting") << phase;
    }
    if (phase == "waiting") {
      co_await w->send("HTTP/1.1 204 No Content\r\n\r\n");
      EXPECT_TRUE((co_await blocker->done()).has_value());
    } else {
      EXPECT_EQ(c.stats().connections, 0U) << phase;
      EXPECT_NE(co_await w->state(l, 1s), ending::open) << phase;
    }
    EXPECT_EQ(c.stats().waiting, 0U);
  }
}

HTTP_TEST(Client, DoesNotStartACallThatHasAlreadyEnded) {
  scripted s{l};
  client c{l, s.options()};
  cancel_source source;
  source.cancel();
  const auto answer = co_await c.send(context{}.with_cancellation(source.token()), {method::post, "/", "x"});
  EXPECT_FALSE(answer.has_value());
  if (!answer) EXPECT_TRUE(answer.error().unprocessed());
  EXPECT_EQ(c.stats().connects, 0U);
}

VIRTUAL_TEST(Client, KeepsItsDeadlines) {
  scripted s{l};
  client c{l, s.options({.response_timeout = 60s})};
  const auto begin = l.now();
  call short_one{l, c, {method::get, "/"}, context{}.with_timeout(l, 3s)};
  auto answer = co_await short_one.done();
  EXPECT_FALSE(answer.has_value());
  if (!answer) EXPECT_EQ(answer.error().code(), errc::deadline_exceeded);
  EXPECT_LE(l.now() - begin, 4s);
  call long_one{l, c, {method::get, "/"}};
  answer = co_await long_one.done();
  EXPECT_FALSE(answer.has_value());
  if (!answer) EXPECT_EQ(answer.error().code(), errc::deadline_exceeded);
  EXPECT_LE(l.now() - begin, 65s);
  EXPECT_EQ(c.stats().connections, 0U);
}

HTTP_TEST(Client, MayBeDestroyedWithCallsUnderWay) {
  scripted s{l};
  std::optional<client> c{std::in_place, l, s.options({.max_connections = 1})};
  auto first = std::make_unique<call>(l, *c, request{method::get, "/1"});
  auto w = co_await s.accept();
  auto second = std::make_unique<call>(l, *c, request{method::get, "/2"});
  co_await settle(l, 5ms);
  second.reset();
  first.reset();
  c.reset();
  EXPECT_NE(co_await w.state(l, 1s), ending::open);
}

HTTP_TEST(Client, GivesAnswersThatOutliveIt) {
  scripted s{l};
  std::optional<client> c{std::in_place, l, s.options()};
  call one{l, *c, {method::get, "/"}};
  auto w = co_await s.accept();
  co_await w.until("\r\n\r\n");
  co_await w.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhe");
  auto answer = co_await one.done();
  c.reset();
  co_await w.send("llo");
  EXPECT_TRUE(answer.has_value());
  if (answer) EXPECT_EQ((co_await answer->content.text()).value_or("failed"), "hello");
}

}  // namespace
}  // namespace weft::http
