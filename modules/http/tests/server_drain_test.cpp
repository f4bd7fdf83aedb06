// A8: a drain loses no request: responses say `Connection: close` from its start, idle connections have a grace.
#include "client_harness.hpp"
#include "server_handlers.hpp"

#include <weft/testkit.hpp>

namespace weft::http {
namespace {

task<void> drain_into(http::server& s, duration patience, bool& done) {
  co_await s.drain(patience);
  done = true;
}

HTTP_TEST(ServerDrain, TellsAClientWithAnIdleConnectionToLeave) {
  served s{l, echo_target, {.drain_grace = 10s}};
  auto w = co_await s.connect();
  co_await w.send(get("/1"));
  EXPECT_EQ((co_await w.read_answer()).field("connection"), "");
  s.server.start_draining();
  co_await settle(l);
  co_await w.send(get("/2"));
  const auto a = co_await w.read_answer();
  EXPECT_EQ(a.content, "/2");
  EXPECT_EQ(a.field("connection"), "close");
  EXPECT_EQ(co_await w.rest(), "");
  EXPECT_EQ(co_await w.state(l, 1s), ending::end);
}

HTTP_TEST(ServerDrain, AnswersTheFirstRequestOfANewConnection) {
  served s{l, echo_target};
  s.server.start_draining();
  auto w = co_await s.connect();
  co_await w.send(get("/late"));
  const auto a = co_await w.read_answer();
  EXPECT_EQ(a.content, "/late");
  EXPECT_EQ(a.field("connection"), "close");
}

HTTP_TEST(ServerDrain, AnswersWhatIsPipelinedAlreadyAndSaysCloseWithTheLast) {
  gate slow{l};
  served s{l, fast_then_slow{slow}};
  auto w = co_await s.connect();
  co_await w.send(get("/slow") + get("/2") + get("/3"));
  while (slow.waiting == 0) co_await settle(l, 1ms);
  co_await settle(l);
  s.server.start_draining();
  slow.open.set();
  EXPECT_EQ((co_await w.read_answer()).field("connection"), "");
  EXPECT_EQ((co_await w.read_answer()).field("connection"), "");
  const auto last = co_await w.read_answer();
  EXPECT_EQ(last.content, "/3");
  EXPECT_EQ(last.field("connection"), "close");
}

VIRTUAL_TEST(ServerDrain, EndsIdleConnectionsAfterTheGrace) {
  served s{l, echo_target, {.drain_grace = 3s}};
  auto w = co_await s.connect();
  co_await w.send(get("/1"));
  co_await w.read_answer();
  auto silent = co_await s.connect();
  co_await settle(l);
  const auto begin = l.now();
  bool done = false;
  task_group group{l};
  group.spawn(drain_into(s.server, 1h, done));
  EXPECT_EQ(co_await w.state(l, 2900ms), ending::open);
  EXPECT_EQ(co_await w.state(l, 200ms), ending::end);
  EXPECT_EQ(co_await silent.state(l, 200ms), ending::end);
  co_await group.join();
  EXPECT_TRUE(done);
  EXPECT_LT(l.now() - begin, 4s);
}

// A connection whose long response began before the drain was never told: its grace begins when it is idle.
VIRTUAL_TEST(ServerDrain, GivesTheGraceToAConnectionThatBecomesIdleLate) {
  served s{l, echo_stream, {.drain_grace = 1s}};
  auto w = co_await s.connect();
  co_await w.send("POST /up HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nab");
  co_await w.until("ab");  // the head has left
  s.server.start_draining();
  co_await settle(l, 5s);
  co_await w.send("cd");
  co_await w.until("cd");
  co_await settle(l, 500ms);
  co_await w.send(post("/next", "x"));
  const auto a = co_await w.read_answer();
  EXPECT_EQ(a.content, "x");
  EXPECT_EQ(a.field("connection"), "close");
}

// --- busy keep-alive clients, in the simulator ---

struct tally {
  int answered = 0, refused = 0, lost = 0, handled = 0;
};

task<result<response>> count_post(tally& t, request& r) {
  WEFT_CO_TRY(const auto text, co_await r.content.text());
  ++t.handled;
  co_return response::text(std::string{text});
}

// Posts one after the other over kept connections until the server is gone. Refused is what was never sent.
task<void> busy_client(loop& l, client& c, duration pause, tally& t) {
  for (;;) {
    request r{method::post, "/"};
    r.content = std::string{"payload"};
    auto a = co_await c.send(context{}.with_timeout(l, 10s), std::move(r));
    if (a) {
      EXPECT_EQ(a->status, status::ok);
      ++t.answered;
    } else if (a.error().unprocessed()) {
      ++t.refused;
      co_return;
    } else {
      ADD_FAILURE() << a.error().describe();
      ++t.lost;
      co_return;
    }
    co_await settle(l, pause);
  }
}

// The same in bytes: it closes when it is told to, and connects again.
task<void> raw_client(loop& l, address to, duration pause, tally& t) {
  for (;;) {
    auto s = co_await l.connect({}, to);
    if (!s) {
      ++t.refused;
      co_return;
    }
    wire w{*std::move(s)};
    for (;;) {
      co_await w.send(post("/", "payload"));
      const auto a = co_await w.read_answer();
      if (a.status != 200) {
        ++t.lost;
        co_return;
      }
      ++t.answered;
      if (a.field("connection") == "close") break;
      co_await settle(l, pause);
    }
  }
}

void drain_under_load(std::uint64_t seed) {
  testkit::simulation sim{seed};
  auto &machine = sim.add_host("server"), &caller = sim.add_host("caller");
  tally t;
  http::server server{machine.loop(), [&t](request& r) { return count_post(t, r); }};
  ASSERT_TRUE(server.listen(machine.address(80)));
  std::vector<std::unique_ptr<client>> clients;
  task_group calls{caller.loop()}, ends{machine.loop()};
  bool done = false;
  {
    for (int i = 0; i < 8; ++i) {
      clients.push_back(std::make_unique<client>(caller.loop(), client_options{.base_url = "http://server"}));
      calls.spawn(busy_client(caller.loop(), *clients.back(), std::chrono::milliseconds{i * i}, t));
      calls.spawn(raw_client(caller.loop(), machine.address(80), std::chrono::milliseconds{(i * i * 7) % 400}, t));
    }
    sim.run_for(500ms + std::chrono::microseconds{seed * 137});
    EXPECT_GT(t.answered, 100);
    ends.spawn(drain_into(server, 20s, done));
    EXPECT_TRUE(sim.run_until([&] { return done && calls.empty(); }, 60s)) << seed;
  }
  EXPECT_EQ(t.lost, 0) << seed;
  EXPECT_EQ(t.refused, 16) << seed;
  EXPECT_EQ(t.answered, t.handled) << seed;
}

TEST(ServerDrainUnderLoad, LosesNoRequestOfBusyKeepAliveClients) {
  for (std::uint64_t seed = 1; seed <= 40; ++seed) drain_under_load(seed);
}

// --- A11: no limit ---

VIRTUAL_TEST(ServerDrain, WaitsForAllWithoutALimit) {
  gate slow{l};
  served s{l, through(slow)};
  auto busy = co_await s.connect();
  co_await busy.send(get("/busy"));
  while (slow.waiting == 0) co_await settle(l, 1ms);
  bool done = false;
  task_group group{l};
  group.spawn(drain_into(s.server, duration::max(), done));
  co_await settle(l, 1h);
  EXPECT_FALSE(done);
  slow.open.set();
  EXPECT_EQ((co_await busy.read_answer()).content, "/busy|");
  co_await group.join();
  EXPECT_TRUE(done);
}

VIRTUAL_TEST(ServerDrain, MayHaveNoLimitAnywhere) {
  constexpr auto never = duration::max();
  served s{l,
           echo_text,
           {.handshake_timeout = never,
            .head_timeout = never,
            .body_timeout = never,
            .write_timeout = never,
            .idle_timeout = never,
            .drain_grace = never}};
  auto w = co_await s.connect();
  for (const std::string_view piece : {"POST / HT", "TP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\n", "a", "b"}) {
    co_await settle(l, 1h);
    co_await w.send(std::string{piece});
  }
  EXPECT_EQ((co_await w.read_answer()).content, "ab");
  co_await settle(l, 1h);
  s.server.start_draining();
  co_await settle(l, 1h);
  co_await w.send(post("/", "c"));
  const auto a = co_await w.read_answer();
  EXPECT_EQ(a.content, "c");
  EXPECT_EQ(a.field("connection"), "close");
}

}  // namespace
}  // namespace weft::http
