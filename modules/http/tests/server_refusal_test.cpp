// G12, F13, A8: what a server refuses, whom it tells, and how it ends with clients that never pause.
#include "server_handlers.hpp"

// weft-style: allow order in this file: certificates made on the spot are the business of the module net
#include "../../net/tests/certificates.hpp"

namespace weft::http {
namespace {

struct told {
  std::vector<std::string> lines;
  std::function<void(const request&, response&, std::string_view)> hook() {
    return [this](const request& r, response& answer, std::string_view) {
      lines.push_back(std::string{r.method_name()} + " " + std::string{r.target()} + " " +
                      std::to_string(to_int(answer.status)));
    };
  }
};

// G12: a second request that is refused at its head was reported as the first one.
HTTP_TEST(ServerRefusal, NamesNothingOfTheRequestBefore) {
  for (const std::string second : {"nonsense\r\n\r\n", "PO", "\x01\x02\r\n\r\n"}) {
    told t;
    served s{l, echo_target, {.head_timeout = 50ms, .on_refused = t.hook()}};
    auto w = co_await s.connect();
    co_await w.send(get("/first?secret"));
    EXPECT_EQ((co_await w.read_answer()).content, "/first?secret");
    co_await w.send(second);
    co_await w.read_answer();
    EXPECT_EQ(t.lines.size(), 1U);
    for (const auto& line : t.lines) EXPECT_FALSE(line.contains("first") || line.contains("GET")) << line;
  }
}

// G12, F13: whatever is done to the refusal, the client gets one.
HTTP_TEST(ServerRefusal, IsSentWhateverTheHookDoes) {
  const std::function<void(const request&, response&, std::string_view)> hooks[] = {
      [](const request&, response&, std::string_view) { throw 7; },
      [](const request&, response& r, std::string_view) {
        r.content = body::generate([]() -> task<result<std::string>> { co_return std::string{}; });
      },
      [](const request&, response& r, std::string_view) { r.headers.set("X", "a\r\nb: c"); },
      [](const request&, response& r, std::string_view) { r.status = status::no_content; }};
  for (const auto& hook : hooks) {
    served s{l, echo_target, {.max_body_bytes = 3, .max_connections = 1, .on_refused = hook}};
    auto w = co_await s.connect();
    co_await settle(l);
    EXPECT_TRUE((co_await s.say("")).starts_with("HTTP/1.1 503 "));
    co_await w.send(post("/", "abcd"));
    const auto a = co_await w.read_answer();
    EXPECT_EQ(a.status, 413);
    EXPECT_TRUE(a.whole);
    EXPECT_FALSE(a.content.empty());
  }
}

// G12: also where the client cannot be answered.
SOCKET_TEST(ServerRefusal, TellsOfConnectionsTurnedAwayBeforeTls) {
  const net::test_authority authority;
  told t;
  served s{
      l,
      echo_target,
      {.max_connections = 0,
       .tls =
           net::tls_context::server({.identities = {authority.issue({.names = {"IP:127.0.0.1"}}).identity()}}).value(),
       .on_refused = t.hook()}};
  EXPECT_EQ(co_await s.say("x"), "");
  EXPECT_EQ(t.lines.size(), 1U);
}

struct takes_time {
  loop& l;
  task<result<response>> operator()(request& r) const {
    co_await settle(l, 100ms);
    co_return response::text(std::string{r.target()});
  }
};
task<void> drain_into(http::server& s, duration patience, bool& done) {
  co_await s.drain(patience);
  done = true;
}

// A8: it heard of the drain only when its requests were cut off in the middle.
VIRTUAL_TEST(ServerRefusal, ADrainEndsWithAClientThatPipelinesWithoutPause) {
  served s{l, takes_time{l}, {.drain_grace = 1s}};
  auto w = co_await s.connect();
  std::string all;
  for (int i = 0; i < 60; ++i) all += get("/" + std::to_string(i));
  co_await w.send(all);
  co_await settle(l, 450ms);
  const auto begin = l.now();
  bool done = false;
  task_group group{l};
  group.spawn(drain_into(s.server, 1h, done));
  int answered = 0;
  std::string last;
  for (;;) {
    const auto a = co_await w.read_answer();
    if (!a.whole) break;
    EXPECT_EQ(a.content, "/" + std::to_string(answered++));
    last = a.field("connection");
  }
  EXPECT_EQ(last, "close");
  EXPECT_GE(answered, 10);
  EXPECT_LT(answered, 20);
  w.close();
  co_await group.join();
  EXPECT_LT(l.now() - begin, 5s);
}

// A11: the grace is no reason for an idle connection to stay longer than it may.
VIRTUAL_TEST(ServerRefusal, AGraceWithoutLimitKeepsNoIdleConnection) {
  served s{l, echo_target, {.idle_timeout = 5s, .drain_grace = duration::max()}};
  auto w = co_await s.connect();
  co_await w.send(get("/"));
  co_await w.read_answer();
  s.server.start_draining();
  EXPECT_EQ(co_await w.state(l, 6s), ending::end);
}

// A11: no patience at all is one that is over, and not a server that does not wait for its own end.
VIRTUAL_TEST(ServerRefusal, ADrainWithoutPatienceCutsOffAndEnds) {
  for (const auto patience : {duration::min(), duration{-1s}, duration::zero()}) {
    std::vector<std::string> problems;
    gate slow{l};
    served s{
        l, through(slow), {.on_problem = [&](const request&, std::string_view what) { problems.emplace_back(what); }}};
    auto w = co_await s.connect();
    co_await w.send(get("/"));
    while (slow.waiting == 0) co_await settle(l, 1ms);
    co_await s.server.drain(patience);
    EXPECT_EQ(s.server.stats().connections, 0U);
    EXPECT_TRUE(problems.empty()) << problems.front();
  }
}

}  // namespace
}  // namespace weft::http
