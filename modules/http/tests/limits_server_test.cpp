// Each of the server's limits, by its status, in virtual time where time is what is limited.
#include "http_harness.hpp"

namespace weft::http {
namespace {

task<result<response>> echo_size(request& r) {
  WEFT_CO_TRY(const auto text, co_await r.content.text(64 << 20));
  co_return response::text(std::to_string(text.size()));
}
task<result<response>> small_appetite(request& r) {
  WEFT_CO_TRY(const auto text, co_await r.content.text(10));
  co_return response::text(std::string{text});
}
struct waits {
  event& open;
  task<result<response>> operator()(request& r) const {
    WEFT_CO_TRY_VOID(co_await open.wait(r.context()));
    co_return response::text("waited");
  }
};

int status_in(std::string_view said) { return said.size() < 12 ? 0 : std::stoi(std::string{said.substr(9, 3)}); }

VIRTUAL_TEST(ServerLimits, AnswerMalformedRequestsBeforeClosing) {
  served s{l, echo_size};
  const std::pair<std::string, int> cases[] = {
      {"nonsense\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\n\r\n", 400},
      {"GET / HTTP/2.0\r\nHost: h\r\n\r\n", 505},
      {"GET /" + std::string(10'000, 'a') + " HTTP/1.1\r\nHost: h\r\n\r\n", 414},
      {get("/", "X: " + std::string(40'000, 'a') + "\r\n"), 431},
      {"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 501},
      {"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 9999999999\r\n\r\n", 413},
      {"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n", 400},
      {"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nA: " + std::string(9000, 'a'), 431},
  };
  for (const auto& [text, status] : cases) {
    const auto said = co_await s.say(text);
    EXPECT_EQ(status_in(said), status) << text.substr(0, 100) << "\n" << said;
    EXPECT_TRUE(said.contains("Connection: close\r\n")) << said;
    EXPECT_TRUE(said.contains("\"error\":{\"code\":\"")) << said;
  }
  co_await settle(l);
  EXPECT_EQ(s.server.stats().connections, 0U);
}

VIRTUAL_TEST(ServerLimits, AnswerWhatCameBeforeTheMalformedRequest) {
  served s{l, echo_size};
  auto w = co_await s.connect();
  co_await w.send(post("/", "abc") + "nonsense\r\n\r\n" + post("/", "never"));
  EXPECT_EQ((co_await w.read_answer()).content, "3");
  EXPECT_EQ((co_await w.read_answer()).status, 400);
  EXPECT_EQ(co_await w.rest(), "");
  EXPECT_EQ(s.server.stats().requests, 1U);
}

VIRTUAL_TEST(ServerLimits, HoldContentToTheByte) {
  served s{l, echo_size, {.max_body_bytes = 10'000}};
  auto w = co_await s.connect();
  co_await w.send(post("/", std::string(10'000, 'x')));
  EXPECT_EQ((co_await w.read_answer()).content, "10000");
  co_await w.send(post("/", std::string(10'001, 'x')));
  EXPECT_EQ((co_await w.read_answer()).status, 413);
  EXPECT_NE(co_await w.state(l, 10s), ending::open);
  const auto chunked = [](std::size_t last) {
    char size[16];
    std::snprintf(size, sizeof size, "%zx", last);
    return "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1388\r\n" + std::string(5000, 'x') +
           "\r\n" + size + "\r\n" + std::string(last, 'x') + "\r\n0\r\n\r\n";
  };
  auto c = co_await s.connect();
  co_await c.send(chunked(5000));
  EXPECT_EQ((co_await c.read_answer()).content, "10000");
  co_await c.send(chunked(5001));
  EXPECT_EQ((co_await c.read_answer()).status, 413);
}

VIRTUAL_TEST(ServerLimits, LetHandlersAskForLessContent) {
  served s{l, small_appetite};
  auto w = co_await s.connect();
  co_await w.send(post("/", "0123456789"));
  EXPECT_EQ((co_await w.read_answer()).content, "0123456789");
  co_await w.send(post("/", "0123456789a"));
  EXPECT_EQ((co_await w.read_answer()).status, 413);
  auto c = co_await s.connect();
  co_await c.send("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nb\r\n0123456789a\r\n0\r\n\r\n");
  EXPECT_EQ((co_await c.read_answer()).status, 413);
}

VIRTUAL_TEST(ServerLimits, GiveHeadsNoMoreTimeForDripping) {
  served s{l, echo_size, {.head_timeout = 10s}};
  auto w = co_await s.connect();
  const auto begin = l.now();
  const auto drip = [](loop& on, wire& to) -> task<void> {
    const auto text = "GET / HTTP/1.1\r\nHost: h\r\nX: " + std::string(1000, 'a');
    for (const char c : text) {
      if (!co_await to.send(std::string(1, c))) co_return;
      co_await settle(on, 100ms);
    }
  };
  task_group group{l};
  group.spawn(drip(l, w));
  const auto a = co_await w.read_answer();
  EXPECT_EQ(a.status, 408);
  EXPECT_GE(l.now() - begin, 9s);
  EXPECT_LE(l.now() - begin, 11s);
  EXPECT_EQ(s.server.stats().timeouts, 1U);
  w.reset();
  co_await group.join();
}

// A byte in each of the turns around the deadline, so that some arrive in the very turn in which it passes.
VIRTUAL_TEST(ServerLimits, NeverMissTheDeadlineOfAHead) {
  for (int offset = 0; offset < 40; ++offset) {
    served s{l, echo_size, {.head_timeout = 100ms}};
    auto w = co_await s.connect();
    co_await w.send("GET / HTTP/1.1\r\nX: ");
    static_cast<void>(co_await sleep(l, {}, 100ms - std::chrono::microseconds{20 + offset * 5}));
    for (int i = 0; i < 200; ++i) {
      static_cast<void>(co_await w.send("a"));
      static_cast<void>(co_await sleep(l, {}, std::chrono::microseconds{5}));
    }
    EXPECT_EQ((co_await w.read_answer()).status, 408) << offset;
    w.reset();
    co_await settle(l, 5s);
  }
}

VIRTUAL_TEST(ServerLimits, GiveContentTimeBetweenPieces) {
  served s{l, echo_size, {.body_timeout = 10s}};
  auto w = co_await s.connect();
  co_await w.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\n");
  for (int i = 0; i < 10; ++i) {
    co_await settle(l, 9s);
    co_await w.send("x");
  }
  EXPECT_EQ((co_await w.read_answer()).content, "10");
  co_await w.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nhalf");
  const auto begin = l.now();
  EXPECT_EQ((co_await w.read_answer()).status, 408);
  EXPECT_LE(l.now() - begin, 11s);
}

VIRTUAL_TEST(ServerLimits, CloseIdleConnectionsWithoutAnAnswer) {
  served s{l, echo_size, {.idle_timeout = 75s}};
  auto w = co_await s.connect();
  co_await w.send(post("/", "abc"));
  EXPECT_EQ((co_await w.read_answer()).content, "3");
  EXPECT_EQ(co_await w.state(l, 74s), ending::open);
  EXPECT_EQ(co_await w.state(l, 2s), ending::end);
  EXPECT_EQ(w.unread(), "");
  auto silent = co_await s.connect();
  EXPECT_EQ(co_await silent.state(l, 74s), ending::open);
  EXPECT_EQ(co_await silent.state(l, 2s), ending::end);
}

task<result<response>> large(request&) { co_return response::text(std::string(3'000'000, 'x')); }

VIRTUAL_TEST(ServerLimits, CutOffWhoDoesNotRead) {
  served s{l, large, {.write_timeout = 30s}};
  auto w = co_await s.connect();
  co_await w.send(get("/"));
  co_await settle(l, 29s);
  EXPECT_EQ(s.server.stats().connections, 1U);
  co_await settle(l, 5s);
  EXPECT_EQ(s.server.stats().connections, 0U);
}

VIRTUAL_TEST(ServerLimits, DoNotCutOffWhoReadsSlowly) {
  served s{l, large, {.write_timeout = 30s}};
  auto w = co_await s.connect();
  co_await w.send(get("/"));
  // 3 MB at 16 KiB a second: three minutes.
  std::string all;
  char room[16 * 1024];
  for (;;) {
    const auto n = co_await w.raw().read(room);
    EXPECT_TRUE(n.has_value());
    if (!n || *n == 0) break;
    all.append(room, *n);
    if (all.size() > 3'000'000) break;
    co_await settle(l, 1s);
  }
  EXPECT_GT(all.size(), 3'000'000U);
}

VIRTUAL_TEST(ServerLimits, TurnAwayTooManyConnectionsWith503) {
  event open{l};
  served s{l, waits{open}, {.max_connections = 2}};
  auto a = co_await s.connect();
  auto b = co_await s.connect();
  co_await a.send(get("/"));
  co_await settle(l);
  const auto said = co_await s.say(get("/"));
  EXPECT_EQ(status_in(said), 503) << said;
  EXPECT_TRUE(said.contains("Retry-After: 1\r\n"));
  EXPECT_TRUE(said.ends_with("\"}}")) << said;
  EXPECT_EQ(s.server.stats().connections_refused, 1U);
  b.close();
  co_await settle(l);
  open.set();
  EXPECT_EQ(status_in(co_await s.say(get("/", "Connection: close\r\n"))), 200);
}

VIRTUAL_TEST(ServerLimits, TurnAwayTooManyConnectionsOfOnePeer) {
  event open{l};
  served s{l, waits{open}, {.max_connections_per_peer = 1}};
  auto a = co_await s.connect();
  co_await settle(l);
  EXPECT_EQ(status_in(co_await s.say(get("/"))), 503);
  a.close();
  co_await settle(l);
  open.set();
  EXPECT_EQ(status_in(co_await s.say(get("/", "Connection: close\r\n"))), 200);
}

VIRTUAL_TEST(ServerLimits, TurnAwayTooManyRequestsWith503) {
  event open{l};
  served s{l, waits{open}, {.max_requests = 1}};
  auto a = co_await s.connect();
  co_await a.send(get("/"));
  co_await settle(l);
  EXPECT_EQ(s.server.stats().requests_active, 1U);
  EXPECT_EQ(status_in(co_await s.say(get("/"))), 503);
  const auto head = co_await s.say("HEAD / HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_EQ(status_in(head), 503);
  EXPECT_TRUE(head.ends_with("\r\n\r\n")) << head;
  open.set();
  EXPECT_EQ((co_await a.read_answer()).content, "waited");
}

}  // namespace
}  // namespace weft::http
