// The client against servers that are scripted byte by byte, and against our own.
#include "http_harness.hpp"

#include <weft/http/client.hpp>

namespace weft::http {
namespace {

// A server whose connections the test plays itself.
struct scripted {
  explicit scripted(loop& l) : listening{l.listen(address::loopback(0)).value()} {}
  task<wire> accept() { co_return wire{(co_await listening->accept()).value()}; }
  [[nodiscard]] client_options options(client_options o = {}) const {
    o.base_url = "http://127.0.0.1:" + std::to_string(listening->local().port());
    return o;
  }
  std::unique_ptr<listener> listening;
};

// A call that is under way.
struct call {
  call(loop& l, client& c, request r, context ctx = {}) : group{l} {
    group.spawn(run(c, std::move(ctx), std::move(r), answer));
  }
  static task<void> run(client& c, context ctx, request r, std::optional<result<response>>& into) {
    into = co_await c.send(std::move(ctx), std::move(r));
  }
  task<result<response>> done() {
    co_await group.join();
    co_return *std::move(answer);
  }
  std::optional<result<response>> answer;
  task_group group;
};

struct letters {
  int left = 3;
  task<result<std::string>> operator()() {
    if (left == 0) co_return std::string{};
    co_return std::string(10, static_cast<char>('a' + --left));
  }
};
// Ever more of it.
struct endless {
  std::size_t& pulled;
  task<result<std::string>> operator()() {
    ++pulled;
    co_return std::string(10'000, 'x');
  }
};

HTTP_TEST(Client, SendsWhatItIsGiven) {
  scripted s{l};
  client c{l, s.options()};
  request r{method::post, "/orders?dry=1", "hello"};
  r.headers.set("X-A", "b");
  call first{l, c, std::move(r)};
  auto w = co_await s.accept();
  const auto host = "127.0.0.1:" + std::to_string(s.listening->local().port());
  EXPECT_EQ(co_await w.until("hello"),
            "POST /orders?dry=1 HTTP/1.1\r\nHost: " + host + "\r\nX-A: b\r\nContent-Length: 5\r\n\r\nhello");
  co_await w.send("HTTP/1.1 201 Created\r\nLocation: /orders/7\r\nContent-Length: 2\r\n\r\nok");
  auto answer = co_await first.done();
  EXPECT_TRUE(answer.has_value());
  if (!answer) co_return;
  EXPECT_EQ(answer->status, status::created);
  EXPECT_EQ(answer->headers.get("location"), "/orders/7");
  EXPECT_EQ((co_await answer->content.text()).value(), "ok");
  EXPECT_EQ(c.stats().idle, 1U);
}

HTTP_TEST(Client, PutsTheBasePathBeforeTargets) {
  scripted s{l};
  auto options = s.options();
  options.base_url += "/api/v1/";
  client c{l, options};
  call first{l, c, {method::get, "/users"}};
  auto w = co_await s.accept();
  EXPECT_TRUE((co_await w.until("\r\n\r\n")).starts_with("GET /api/v1/users HTTP/1.1\r\n"));
  co_await w.send("HTTP/1.1 204 No Content\r\n\r\n");
  EXPECT_TRUE((co_await first.done()).has_value());
}

HTTP_TEST(Client, RefusesRequestsThatWouldBreakTheMessage) {
  scripted s{l};
  client c{l, s.options()};
  request split{method::get, "/"};
  split.headers.set("X", "a\r\nY: b");
  request bad_method{method::get, "/"};
  bad_method.set_method("GET / HTTP/1.1\r\nX:");
  std::vector<request> all;
  all.push_back(std::move(split));
  all.push_back(std::move(bad_method));
  all.emplace_back(method::get, "/a b");
  all.emplace_back(method::get, "/a\r\nX: y");
  all.emplace_back(method::get, "relative");
  for (auto& r : all) {
    const auto answer = co_await c.send({}, std::move(r));
    EXPECT_FALSE(answer.has_value());
    if (!answer) EXPECT_EQ(answer.error().code(), errc::invalid_argument) << answer.error().describe();
  }
}

struct answer_form {
  std::string bytes;
  bool then_close = false, reusable = true;
  std::string content = "hello";
};
HTTP_TEST(Client, ReadsEveryFormOfAnswer) {
  const answer_form forms[] = {
      {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"},
      {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3;x=y\r\nllo\r\n0\r\nA: b\r\n\r\n"},
      {"HTTP/1.1 200 OK\r\n\r\nhello", true, false},
      {"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello", false, false},
      {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello", false, false},
      {"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: "
       "5\r\n\r\nhello"},
      {"HTTP/1.1 204 No Content\r\n\r\n", false, true, ""},
      {"HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\n", false, true, ""},
      {"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", false, true, ""},
      {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhelloTOO MUCH", false, false},
  };
  for (const auto& form : forms)
    for (const bool bytewise : {false, true}) {
      scripted s{l};
      client c{l, s.options()};
      call one{l, c, {method::get, "/"}};
      auto w = co_await s.accept();
      co_await w.until("\r\n\r\n");
      if (!bytewise) co_await w.send(form.bytes);
      for (const char byte : bytewise ? form.bytes : std::string{}) {
        co_await w.send(std::string(1, byte));
        co_await yield{l};
      }
      if (form.then_close) w.half_close();
      auto answer = co_await one.done();
      EXPECT_TRUE(answer.has_value()) << form.bytes;
      if (!answer) continue;
      const auto text = co_await answer->content.text();
      EXPECT_EQ(text.value_or("failed"), form.content) << form.bytes;
      co_await settle(l, 2ms);
      EXPECT_EQ(c.stats().idle, form.reusable ? 1U : 0U) << form.bytes;
      EXPECT_EQ(c.stats().connections, form.reusable ? 1U : 0U) << form.bytes;
    }
}

HTTP_TEST(Client, ExpectsNoContentAfterHead) {
  scripted s{l};
  client c{l, s.options()};
  call one{l, c, {method::head, "/"}};
  auto w = co_await s.accept();
  co_await w.until("\r\n\r\n");
  co_await w.send("HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n");
  auto answer = co_await one.done();
  EXPECT_TRUE(answer.has_value() && answer->headers.get("content-length") == "500");
  EXPECT_EQ(c.stats().idle, 1U);
}

VIRTUAL_TEST(Client, SaysWhatIsWrongWithAnAnswer) {
  const std::pair<std::string, errc> cases[] = {
      {"SSH-2.0-OpenSSH_9.2\r\n\r\n", errc::data_loss},
      {"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", errc::data_loss},
      {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n", errc::data_loss},
      {"HTTP/1.1 200 OK\nContent-Length: 0\n\n", errc::data_loss},
      {"HTTP/1.1 200 OK\r\nX: " + std::string(50'000, 'a'), errc::data_loss},
      {"HTTP/1.1 200 OK\r\nConte", errc::unavailable},
      {"", errc::unavailable},
  };
  for (const auto& [bytes, code] : cases) {
    scripted s{l};
    client c{l, s.options()};
    call one{l, c, {method::get, "/"}};
    auto w = co_await s.accept();
    co_await w.until("\r\n\r\n");
    co_await w.send(bytes);
    w.half_close();
    const auto answer = co_await one.done();
    EXPECT_FALSE(answer.has_value()) << bytes;
    if (answer) continue;
    EXPECT_EQ(answer.error().code(), code) << answer.error().describe();
    EXPECT_FALSE(answer.error().unprocessed());
    EXPECT_EQ(c.stats().connections, 0U);
  }
}

VIRTUAL_TEST(Client, DoesNotWaitForEndlessInterimAnswers) {
  for (const std::string interim : {"HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.1 103 Early Hints\r\n\r\n"}) {
    scripted s{l};
    client c{l, s.options()};
    call one{l, c, {method::get, "/"}};
    auto w = co_await s.accept();
    co_await w.until("\r\n\r\n");
    for (int i = 0; i < 100; ++i)
      if (!co_await w.send(interim)) break;
    const auto answer = co_await one.done();
    EXPECT_FALSE(answer.has_value());
    if (!answer) EXPECT_EQ(answer.error().code(), errc::data_loss);
  }
}

HTTP_TEST(Client, TellsContentThatBrokeOffFromItsEnd) {
  for (const std::string bytes : {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel",
                                  "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n",
                                  "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n0\r\n"}) {
    scripted s{l};
    client c{l, s.options()};
    call one{l, c, {method::get, "/"}};
    auto w = co_await s.accept();
    co_await w.until("\r\n\r\n");
    co_await w.send(bytes);
    w.half_close();
    auto answer = co_await one.done();
    EXPECT_TRUE(answer.has_value());
    if (!answer) continue;
    EXPECT_FALSE((co_await answer->content.text()).has_value()) << bytes;
    EXPECT_EQ(c.stats().connections, 0U);
  }
}

// --- the pool ---

task<result<response>> echo_target(request& r) { co_return response::text(std::string{r.target()}); }

client_options to(const served& s, client_options o = {}) {
  o.base_url = "http://127.0.0.1:" + std::to_string(s.server.local().port());
  return o;
}

HTTP_TEST(Client, UsesAConnectionAgain) {
  served s{l, echo_target};
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
  served s{l, echo_target};
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

// --- content ---

task<body> only_content(client& c) {
  auto answer = co_await c.get_raw({}, "/content-of-an-answer");
  co_return std::move(answer->content);
}
HTTP_TEST(Client, GivesContentThatOutlivesItsAnswer) {
  served s{l, echo_target};
  client c{l, to(s)};
  auto content = co_await only_content(c);
  static_cast<void>(co_await c.get_raw({}, "/something-else"));
  EXPECT_EQ((co_await content.text()).value(), "/content-of-an-answer");
}

HTTP_TEST(Client, ClosesAConnectionWhoseAnswerIsDroppedHalfRead) {
  scripted s{l};
  client c{l, s.options()};
  {
    call one{l, c, {method::get, "/"}};
    auto w = co_await s.accept();
    co_await w.until("\r\n\r\n");
    co_await w.send("HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhe");
    auto answer = co_await one.done();
    EXPECT_TRUE(answer.has_value());
    if (answer) EXPECT_EQ((co_await answer->content.next()).value(), "he");
    EXPECT_EQ(c.stats().connections, 1U);
    answer = fail(errc::cancelled);
    EXPECT_EQ(c.stats().connections, 0U);
    EXPECT_NE(co_await w.state(l, 1s), ending::open);
  }
}

HTTP_TEST(Client, KeepsAConnectionWhoseContentWasReadToItsLength) {
  scripted s{l};
  client c{l, s.options()};
  call one{l, c, {method::get, "/"}};
  auto w = co_await s.accept();
  co_await w.until("\r\n\r\n");
  co_await w.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n");
  auto answer = co_await one.done();
  co_await w.send("hello");
  EXPECT_TRUE(answer.has_value());
  if (answer) EXPECT_EQ((co_await answer->content.next()).value(), "hello");
  answer = fail(errc::cancelled);
  EXPECT_EQ(c.stats().idle, 1U);
}

HTTP_TEST(Client, StreamsUploadsInChunksOrByTheirLength) {
  for (const bool known : {false, true}) {
    scripted s{l};
    client c{l, s.options()};
    request r{method::post, "/"};
    r.content = body::generate(letters{}, known ? std::optional<std::uint64_t>{30} : std::nullopt);
    call one{l, c, std::move(r)};
    auto w = co_await s.accept();
    const auto head = co_await w.until("\r\n\r\n");
    EXPECT_EQ(head.contains("Content-Length: 30\r\n"), known) << head;
    EXPECT_EQ(head.contains("Transfer-Encoding: chunked\r\n"), !known) << head;
    const auto content = co_await w.until(known ? "aaaaaaaaaa" : "0\r\n\r\n");
    EXPECT_EQ(content, known ? "ccccccccccbbbbbbbbbbaaaaaaaaaa"
                             : "a\r\ncccccccccc\r\na\r\nbbbbbbbbbb\r\na\r\naaaaaaaaaa\r\n0\r\n\r\n");
    co_await w.send("HTTP/1.1 204 No Content\r\n\r\n");
    EXPECT_TRUE((co_await one.done()).has_value());
    EXPECT_EQ(c.stats().idle, 1U);
  }
}

VIRTUAL_TEST(Client, PullsAnUploadNoFasterThanTheServerReads) {
  scripted s{l};
  client c{l, s.options({.write_timeout = 1h})};
  std::size_t pulled = 0;
  request r{method::post, "/"};
  r.content = body::generate(endless{pulled});
  call one{l, c, std::move(r)};
  auto w = co_await s.accept();
  co_await settle(l, 30s);
  EXPECT_GT(pulled, 0U);
  EXPECT_LT(pulled * 10'000, 500'000U);
}

HTTP_TEST(Client, StopsAnUploadThatTheServerRefuses) {
  for (const bool streamed : {true, false}) {
    scripted s{l};
    client c{l, s.options()};
    std::size_t pulled = 0;
    request r{method::post, "/"};
    r.content = streamed ? body::generate(endless{pulled}) : body{std::string(50'000'000, 'x')};
    call one{l, c, std::move(r)};
    auto w = co_await s.accept();
    co_await w.until("\r\n\r\n");
    // It neither reads on nor closes.
    co_await w.send("HTTP/1.1 413 Content Too Large\r\nContent-Length: 5\r\n\r\nlarge");
    auto answer = co_await one.done();
    EXPECT_TRUE(answer.has_value()) << answer.error().describe();
    if (!answer) continue;
    EXPECT_EQ(answer->status, status::content_too_large);
    EXPECT_EQ((co_await answer->content.text()).value(), "large");
    EXPECT_EQ(c.stats().connections, 0U);
  }
}

HTTP_TEST(Client, GoesOnUploadingWhileTheAnswerAlreadyComes) {
  scripted s{l};
  client c{l, s.options()};
  request r{method::post, "/"};
  r.content = body{std::string(3'000'000, 'x') + "end"};
  call one{l, c, std::move(r)};
  auto w = co_await s.accept();
  co_await w.until("\r\n\r\n");
  co_await w.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhe");
  EXPECT_EQ((co_await w.until("end")).size(), 3'000'003U);
  co_await w.send("llo");
  auto answer = co_await one.done();
  EXPECT_TRUE(answer.has_value());
  if (answer) EXPECT_EQ((co_await answer->content.text()).value(), "hello");
  EXPECT_EQ(c.stats().idle, 1U);
}

HTTP_TEST(Client, WaitsFor100Continue) {
  scripted s{l};
  client c{l, s.options()};
  request r{method::post, "/", "hello"};
  r.headers.set("Expect", "100-continue");
  call one{l, c, std::move(r)};
  auto w = co_await s.accept();
  co_await w.until("\r\n\r\n");
  co_await settle(l, 5ms);
  EXPECT_EQ(w.unread(), "");
  co_await w.send("HTTP/1.1 100 Continue\r\n\r\n");
  EXPECT_EQ(co_await w.until("hello"), "hello");
  co_await w.send("HTTP/1.1 204 No Content\r\n\r\n");
  EXPECT_TRUE((co_await one.done()).has_value());
  EXPECT_EQ(c.stats().idle, 1U);
}

HTTP_TEST(Client, TakesAnAnswerInsteadOf100Continue) {
  scripted s{l};
  client c{l, s.options()};
  request r{method::post, "/", "hello"};
  r.headers.set("Expect", "100-continue");
  call one{l, c, std::move(r)};
  auto w = co_await s.accept();
  co_await w.until("\r\n\r\n");
  co_await w.send("HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n");
  const auto answer = co_await one.done();
  EXPECT_TRUE(answer.has_value() && answer->status == status::unauthorized);
  EXPECT_EQ(co_await w.rest(), "");  // the content was never sent, and the connection is not used again
}

VIRTUAL_TEST(Client, SendsContentAnywayWhenNo100ContinueComes) {
  scripted s{l};
  client c{l, s.options()};
  request r{method::post, "/", "hello"};
  r.headers.set("Expect", "100-continue");
  call one{l, c, std::move(r)};
  auto w = co_await s.accept();
  EXPECT_EQ((co_await w.until("hello")).substr(0, 4), "POST");
  co_await w.send("HTTP/1.1 204 No Content\r\n\r\n");
  EXPECT_TRUE((co_await one.done()).has_value());
}

HTTP_TEST(Client, BoundsTheMemoryOfUnboundedAnswers) {
  scripted s{l};
  client c{l, s.options()};
  call one{l, c, {method::get, "/"}};
  auto w = co_await s.accept();
  co_await w.until("\r\n\r\n");
  co_await w.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + std::string("5\r\nhello\r\n"));
  auto answer = co_await one.done();
  EXPECT_TRUE(answer.has_value());
  if (!answer) co_return;
  co_await w.send("5\r\nhello\r\n");
  const auto text = co_await answer->content.text(8);
  EXPECT_FALSE(text.has_value());
  if (!text) EXPECT_EQ(text.error().code(), errc::resource_exhausted);
}

}  // namespace
}  // namespace weft::http
