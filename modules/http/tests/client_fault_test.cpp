// What a client makes of peers that misbehave, and of what its own caller hands it.
#include "client_harness.hpp"

#include <weft/http/bearer_token.hpp>
#include <weft/testkit/simulation.hpp>

namespace weft::http {
namespace {

// What reading the response to one request comes to: its head's failure, or its content's.
task<result<std::string>> read_all(client& c, context ctx = {}) {
  WEFT_CO_TRY(auto answer, co_await c.send(ctx, {method::get, "/things/7?secret=1"}));
  WEFT_CO_TRY(const auto text, co_await answer.content.text());
  co_return std::string{text};
}

task<void> play(scripted& s, std::string bytes) {
  auto w = co_await s.accept();
  co_await w.until("\r\n\r\n");
  co_await w.send(std::move(bytes));
  co_await w.rest();
}

// B4: what a peer sends wrong is no invalid argument of whoever asked.
HTTP_TEST(ClientFault, WhatAPeerSendsWrongIsThePeersFault) {
  const std::string chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
  for (const auto& bytes : {
           chunked + "5\r\nhelloXX0\r\n\r\n",  // a chunk that does not end
           chunked + "zz\r\n",                 // no size
           chunked + "5\r\nhello\r\n0\r\nbad trailer\r\n\r\n",
           chunked + "0\r\n" + std::string(100'000, 'a') + ": b\r\n\r\n",  // trailers without end
           std::string{"HTTP/1.1 2x0 OK\r\n\r\n"},
           std::string{"SMTP ready\r\n\r\n"},
           std::string{"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello"},
           std::string{"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n"},
           std::string{"HTTP/1.1 200 OK\r\nbad field\r\n\r\n"},
           "HTTP/1.1 200 OK\r\nX: " + std::string(1'000'000, 'a') + "\r\n\r\n",
       }) {
    scripted s{l};
    client c{l, s.options()};
    task_group peers{l};
    peers.spawn(play(s, bytes));
    const auto got = co_await read_all(c);
    EXPECT_FALSE(got.has_value()) << bytes.substr(0, 80);
    if (got) continue;
    EXPECT_EQ(got.error().code(), errc::data_loss) << got.error().describe();
    EXPECT_TRUE(got.error().operation().ends_with("GET /things/7")) << got.error().describe();
    EXPECT_EQ(got.error().peer(), "127.0.0.1:" + std::to_string(s.listening->local().port()));
    EXPECT_EQ(status_of(got.error()), status::bad_gateway);
    EXPECT_EQ(c.stats().connections, 0U);
  }
}

struct forwarding {
  client& upstream;
  task<result<response>> operator()(request& r) const {
    WEFT_CO_TRY(auto answer, co_await upstream.send(r.context(), {method::get, r.target()}));
    WEFT_CO_TRY(const auto text, co_await answer.content.text());
    co_return response::text(std::string{text});
  }
};

// B4: a service in the middle answers 502.
HTTP_TEST(ClientFault, AServiceInTheMiddleAnswersBadGateway) {
  scripted s{l};
  client c{l, s.options()};
  served middle{l, forwarding{c}};
  task_group peers{l};
  peers.spawn(play(s, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhelloXX"));
  EXPECT_TRUE((co_await middle.say(get("/", "Connection: close\r\n"))).starts_with("HTTP/1.1 502 "));
}

// B4: that a name is not known, or nobody trusts a certificate, is not our caller's 404 or 401.
VIRTUAL_TEST(ClientFault, ANameThatIsNotKnownIsUnavailable) {
  client c{l, {.base_url = "http://nowhere.invalid"}};
  const auto got = co_await c.send({}, {method::post, "/", "x"});
  EXPECT_FALSE(got.has_value());
  if (got) co_return;
  EXPECT_EQ(got.error().code(), errc::unavailable) << got.error().describe();
  EXPECT_TRUE(got.error().unprocessed());
}

// C3: nobody switches protocols who was not asked to.
HTTP_TEST(ClientFault, RefusesAnUnaskedSwitchOfProtocols) {
  for (const std::string before : {"", "HTTP/1.1 100 Continue\r\n\r\n"}) {
    scripted s{l};
    client c{l, s.options()};
    task_group peers{l};
    peers.spawn(play(s, before + "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nbytes"));
    const auto got = co_await read_all(c);
    EXPECT_FALSE(got.has_value());
    if (!got) EXPECT_EQ(got.error().code(), errc::data_loss) << got.error().describe();
    EXPECT_EQ(c.stats().connections, 0U);
  }
}

// C5: the request's own date goes with it.
HTTP_TEST(ClientFault, SendsARequestsOwnDate) {
  scripted s{l};
  client c{l, s.options()};
  request r{method::get, "/"};
  r.headers.set("Date", "Sun, 06 Nov 1994 08:49:37 GMT");
  call one{l, c, std::move(r)};
  auto w = co_await s.accept();
  EXPECT_TRUE((co_await w.until("\r\n\r\n")).contains("\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n"));
  co_await w.send("HTTP/1.1 204 No Content\r\n\r\n");
  EXPECT_TRUE((co_await one.done()).has_value());
}

struct passing_on {
  client& upstream;
  task<result<response>> operator()(request& r) const { return upstream.send(r.context(), {method::get, r.target()}); }
};

// C5: a response that is passed on keeps its date, and has one date.
HTTP_TEST(ClientFault, AForwardedResponseKeepsItsDate) {
  scripted s{l};
  client c{l, s.options()};
  served middle{l, passing_on{c}};
  task_group peers{l};
  peers.spawn(play(s, "HTTP/1.1 200 OK\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nContent-Length: 2\r\n\r\nok"));
  const auto said = co_await middle.say(get("/", "Connection: close\r\n"));
  EXPECT_TRUE(said.contains("\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n")) << said;
  EXPECT_EQ(said.find("Date:"), said.rfind("Date:")) << said;
}

struct drops {
  std::size_t& pulled;
  task<result<std::string>> operator()() const {
    ++pulled;
    co_return std::string(1000, 'x');
  }
};

// C5: the server was silent about "may I?", and refuses once the content is on its way.
VIRTUAL_TEST(ClientFault, SeesARefusalAfterContinueTimedOut) {
  scripted s{l};
  client c{l, s.options({.continue_timeout = 1s})};
  std::size_t pulled = 0;
  request r{method::post, "/"};
  r.headers.set("Expect", "100-continue");
  r.content = body::generate(drops{pulled});
  call one{l, c, std::move(r)};
  auto w = co_await s.accept();
  co_await w.until("\r\n\r\n");
  co_await settle(l, 3s);
  EXPECT_GT(pulled, 0U);
  co_await w.send("HTTP/1.1 413 Content Too Large\r\nContent-Length: 5\r\n\r\nlarge");
  const auto before = l.now();
  auto answer = co_await one.done();
  EXPECT_LT(l.now() - before, 1s);
  EXPECT_TRUE(answer.has_value()) << answer.error().describe();
  if (!answer) co_return;
  EXPECT_EQ(answer->status, status::content_too_large);
  EXPECT_EQ((co_await answer->content.text()).value_or("failed"), "large");
}

// The caller asks for the connection's end, and the server hears of it.
HTTP_TEST(ClientFault, TellsTheServerThatTheConnectionEnds) {
  scripted s{l};
  client c{l, s.options()};
  request r{method::get, "/"};
  r.headers.set("Connection", "close");
  call one{l, c, std::move(r)};
  auto w = co_await s.accept();
  EXPECT_TRUE((co_await w.until("\r\n\r\n")).contains("\r\nConnection: close\r\n"));
  co_await w.send("HTTP/1.1 204 No Content\r\n\r\n");
  EXPECT_TRUE((co_await one.done()).has_value());
  EXPECT_EQ(c.stats().connections, 0U);
}

// A12: content is the caller's own code, and runs in a task of the client's.
struct throwing {
  int& pieces;
  task<result<std::string>> operator()() const {
    if (pieces-- == 0) throw 7;
    co_return std::string(10, 'x');
  }
};
HTTP_TEST(ClientFault, ContentThatThrowsFailsItsCallOnly) {
  for (const int pieces : {0, 2}) {
    scripted s{l};
    client c{l, s.options()};
    int left = pieces;
    request r{method::post, "/"};
    r.content = body::generate(throwing{left});
    call one{l, c, std::move(r)};
    auto w = co_await s.accept();
    co_await w.rest();
    const auto answer = co_await one.done();
    EXPECT_FALSE(answer.has_value());
    if (!answer) EXPECT_EQ(status_of(answer.error()), status::internal_server_error) << answer.error().describe();
    EXPECT_EQ(c.stats().connections, 0U);
  }
}

// A12: so is a source of tokens.
task<result<bearer_token>> throws_at_once(context) { throw 7; }
task<result<bearer_token>> throws_later(context) {
  throw std::runtime_error{"no issuer"};
  co_return bearer_token{};
}
VIRTUAL_TEST(ClientFault, ATokenSourceThatThrowsFailsWhoAsks) {
  for (const token_source& source : {token_source{throws_at_once}, token_source{throws_later}}) {
    token_keeper keeper{l, source};
    const auto got = co_await keeper.authorization(context{}.with_timeout(l, 5s));
    EXPECT_FALSE(got.has_value());
    if (!got) EXPECT_EQ(got.error().code(), errc::internal) << got.error().describe();
  }
}

// A14: a source that fails has its pauses, however many calls want a token.
struct issuer {
  loop& l;
  int fetches = 0;
  bool works = false, expired = false;
  task<result<bearer_token>> operator()(const context&) {
    ++fetches;
    co_await settle(l, 1ms);
    if (expired) co_return bearer_token{.value = "old", .expires = l.wall_now()};
    if (works) co_return bearer_token{.value = "t"};
    co_return fail(errc::unavailable, "no issuer");
  }
};
VIRTUAL_TEST(ClientFault, ATokenSourceThatFailsIsNotAskedByEveryCall) {
  for (const bool expired : {false, true}) {
    issuer from{.l = l, .expired = expired};
    token_keeper keeper{l, std::ref(from), {.retry_after = 4s}};
    for (int i = 0; i < 2000; ++i) {
      const auto got = co_await keeper.authorization(context{}.with_timeout(l, 5s));
      EXPECT_FALSE(got.has_value());
      if (!got) EXPECT_EQ(got.error().code(), errc::unavailable);
      if (!got) EXPECT_TRUE(got.error().unprocessed());
      co_await settle(l, 10ms);
    }
    EXPECT_GE(from.fetches, 5);
    EXPECT_LE(from.fetches, 25);
    EXPECT_GE(keeper.failures(), 5U);
    from.works = true;
    from.expired = false;
    co_await settle(l, 4s);
    EXPECT_EQ((co_await keeper.authorization({})).value_or("failed"), "Bearer t");
    EXPECT_EQ(keeper.failures(), 0U);
  }
}
// A single failure costs the next call little.
VIRTUAL_TEST(ClientFault, ATokenSourceIsAskedAgainSoonAfterItsFirstFailure) {
  issuer from{.l = l};
  token_keeper keeper{l, std::ref(from)};
  EXPECT_FALSE((co_await keeper.authorization({})).has_value());
  from.works = true;
  co_await settle(l, 250ms);
  EXPECT_EQ((co_await keeper.authorization({})).value_or("failed"), "Bearer t");
}

// A11: a token that ends in the year 2262, and options without limit.
task<result<bearer_token>> lasting(context) {
  co_return bearer_token{.value = "t", .expires = wall_time::max() - std::chrono::hours{1}};
}
VIRTUAL_TEST(ClientFault, ATokenMayLastForEver) {
  token_keeper keeper{
      l,
      lasting,
      {.refresh_before = duration::max(), .retry_after = duration::max(), .fetch_timeout = duration::max()}};
  for (int i = 0; i < 3; ++i) EXPECT_EQ((co_await keeper.authorization({})).value_or("failed"), "Bearer t");
}

// A caller that has less time than connect_timeout learns that its time is over, and not that the host is unreachable.
task<result<response>> asks_a_silent_host(loop& l, std::string url, duration time) {
  client c{l, {.base_url = std::move(url), .connect_timeout = 2s}};
  co_return co_await c.send(context{}.with_timeout(l, time), {method::get, "/"});
}
TEST(ClientFault, TheCallersDeadlineIsNotTheHostsSilence) {
  for (const auto& [time, code] : {std::pair{500ms, errc::deadline_exceeded}, std::pair{5000ms, errc::unavailable}}) {
    testkit::simulation sim{1};
    auto& a = sim.add_host("a");
    auto& b = sim.add_host("b");
    sim.partition({"a"}, {"b"});
    const auto got = sim.run(a, asks_a_silent_host(a.loop(), "http://" + b.address(80).to_string(), time));
    ASSERT_FALSE(got.has_value());
    EXPECT_EQ(got.error().code(), code) << got.error().describe();
    EXPECT_TRUE(got.error().unprocessed());
  }
}

}  // namespace
}  // namespace weft::http
