// How connections of a server end: half-closed, reset, drained, cut off.
#include "server_handlers.hpp"

namespace weft::http {
namespace {

HTTP_TEST(Server, AnswersAClientThatHalfCloses) {
  gate slow{l};
  served s{l, through(slow)};
  auto w = co_await s.connect();
  co_await w.send(get("/1") + get("/2") + get("/3"));
  w.half_close();
  while (slow.waiting == 0) co_await settle(l, 1ms);
  co_await settle(l);
  EXPECT_EQ(slow.cancelled, 0);
  slow.open.set();
  for (const std::string path : {"/1", "/2", "/3"}) EXPECT_EQ((co_await w.read_answer()).content, path + "|");
  EXPECT_EQ(co_await w.rest(), "");
  EXPECT_EQ(co_await w.state(l, 1s), ending::end);
}

HTTP_TEST(Server, CancelsTheContextWhenTheClientResets) {
  gate slow{l};
  served s{l, through(slow)};
  auto w = co_await s.connect();
  co_await w.send(get("/"));
  while (slow.waiting == 0) co_await settle(l, 1ms);
  w.reset();
  for (int i = 0; i < 100 && slow.cancelled == 0; ++i) co_await settle(l, 1ms);
  EXPECT_EQ(slow.cancelled, 1);
  EXPECT_EQ(slow.last_reason, errc::cancelled);
  for (int i = 0; i < 100 && s.server.stats().connections > 0; ++i) co_await settle(l, 1ms);
  EXPECT_EQ(s.server.stats().connections, 0U);
}

struct reads_then_waits {
  gate& slow;
  task<result<response>> operator()(request& r) const {
    const auto text = co_await r.content.text();
    if (!text) failure = text.error().code();
    co_return co_await slow(r);
  }
  std::optional<errc>& failure;
};
HTTP_TEST(Server, CancelsTheContextWhenTheClientResetsMidContent) {
  gate slow{l};
  std::optional<errc> failure;
  served s{l, reads_then_waits{slow, failure}};
  auto w = co_await s.connect();
  co_await w.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nhell");
  co_await settle(l);
  w.reset();
  for (int i = 0; i < 100 && slow.cancelled == 0; ++i) co_await settle(l, 1ms);
  EXPECT_TRUE(failure.has_value());
  EXPECT_EQ(slow.cancelled, 1);
}
HTTP_TEST(Server, CancelsTheContextWhenTheClientResetsAfterAStreamedUpload) {
  gate slow{l};
  std::optional<errc> failure;
  served s{l, reads_then_waits{slow, failure}};
  auto w = co_await s.connect();
  co_await w.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nhell");
  co_await settle(l, 1ms);
  co_await w.send("o worl");
  while (slow.waiting == 0) co_await settle(l, 1ms);
  EXPECT_FALSE(failure.has_value());
  w.reset();
  for (int i = 0; i < 100 && slow.cancelled == 0; ++i) co_await settle(l, 1ms);
  EXPECT_EQ(slow.cancelled, 1);
}

HTTP_TEST(Server, EndsQuietlyWhenAnUploadBreaksOff) {
  served s{l, echo_text};
  auto w = co_await s.connect();
  co_await w.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nhell");
  w.half_close();
  EXPECT_EQ(co_await w.rest(), "");
  EXPECT_EQ(s.server.stats().connections, 0U);
}

// A source that waits until its request's context ends, as an event stream does.
struct event_source {
  gate& slow;
  context ctx;
  bool first = true;
  task<result<std::string>> operator()() {
    if (std::exchange(first, false)) co_return std::string{"event"};
    ++slow.waiting;
    const auto waited = co_await slow.open.wait(ctx);
    ++slow.cancelled;
    if (!waited) co_return fail(waited.error());
    co_return std::string{};
  }
};
struct events {
  gate& slow;
  task<result<response>> operator()(request& r) const {
    response answer;
    answer.content = body::generate(event_source{slow, r.context()});
    co_return answer;
  }
};
HTTP_TEST(Server, StopsAnEventStreamWhenItsClientIsGone) {
  gate slow{l};
  served s{l, events{slow}};
  auto w = co_await s.connect();
  co_await w.send(get("/"));
  co_await w.until("event\r\n");
  w.reset();
  for (int i = 0; i < 100 && slow.cancelled == 0; ++i) co_await settle(l, 1ms);
  EXPECT_EQ(slow.cancelled, 1);
  for (int i = 0; i < 100 && s.server.stats().connections > 0; ++i) co_await settle(l, 1ms);
  EXPECT_EQ(s.server.stats().connections, 0U);
}

struct counting_source {
  std::size_t& pulled;
  task<result<std::string>> operator()() {
    if (pulled == 2000) co_return std::string{};
    ++pulled;
    co_return std::string(10'000, 'x');
  }
};
struct counted_stream {
  std::size_t& pulled;
  task<result<response>> operator()(request&) const {
    response answer;
    answer.content = body::generate(counting_source{pulled});
    co_return answer;
  }
};
VIRTUAL_TEST(Server, PullsNoFasterThanASlowClientReads) {
  std::size_t pulled = 0;
  served s{l, counted_stream{pulled}};
  auto w = co_await s.connect();
  co_await w.send(get("/"));
  co_await settle(l, 5s);
  EXPECT_GT(pulled, 0U);
  EXPECT_LT(pulled * 10'000, 300'000U);  // what the network holds, and a piece
  const auto a = co_await w.read_answer();
  EXPECT_EQ(a.content.size(), 20'000'000U);
  EXPECT_EQ(pulled, 2000U);
}

HTTP_TEST(Server, ServesUnixSockets) {
  if (dynamic_cast<epoll_loop*>(&l) == nullptr) co_return;
  std::string folder = testing::TempDir() + "weftXXXXXX";
  if (::mkdtemp(folder.data()) == nullptr) throw std::runtime_error{"mkdtemp"};
  const auto at = address::unix_path(folder + "/http.sock");
  http::server server{l, echo_target};
  EXPECT_TRUE(server.listen(at).has_value());
  wire w{(co_await l.connect({}, at)).value()};
  co_await w.send(get("/unix"));
  EXPECT_EQ((co_await w.read_answer()).content, "/unix");
}

// --- draining ---

task<void> drain_into(http::server& s, duration patience, bool& done) {
  co_await s.drain(patience);
  done = true;
}

HTTP_TEST(Server, DrainsIdleConnectionsAfterTheGraceAndBusyOnesWhenTheyAreDone) {
  gate slow{l};
  served s{l, through(slow), {.drain_grace = 50ms}};
  auto idle = co_await s.connect();
  slow.open.set();
  co_await idle.send(get("/"));
  EXPECT_EQ((co_await idle.read_answer()).status, 200);
  slow.open.reset();
  auto busy = co_await s.connect();
  co_await busy.send(get("/busy"));
  while (slow.waiting == 0) co_await settle(l, 1ms);
  bool done = false;
  task_group group{l};
  group.spawn(drain_into(s.server, 10s, done));
  EXPECT_EQ(co_await idle.rest(), "");
  EXPECT_EQ(co_await idle.state(l), ending::end);
  EXPECT_FALSE(done);
  EXPECT_FALSE((co_await l.connect({}, s.server.local())).has_value());
  slow.open.set();
  const auto a = co_await busy.read_answer();
  EXPECT_EQ(a.content, "/busy|");
  EXPECT_EQ(a.field("connection"), "close");
  busy.close();
  co_await group.join();
  EXPECT_TRUE(done);
}

VIRTUAL_TEST(Server, CutsOffWhatDoesNotEndWithinTheDrainsPatience) {
  gate slow{l};
  served s{l, through(slow)};
  auto busy = co_await s.connect();
  co_await busy.send(get("/busy"));
  auto half = co_await s.connect();
  co_await half.send("GET / HT");
  while (slow.waiting == 0) co_await settle(l, 1ms);
  const auto begin = l.now();
  co_await s.server.drain(3s);
  EXPECT_LT(l.now() - begin, 4s);
  EXPECT_EQ(slow.cancelled, 1);
  EXPECT_EQ(s.server.stats().connections, 0U);
}

struct deaf {
  loop& l;
  int& waiting;
  task<result<response>> operator()(request&) const {
    ++waiting;
    static_cast<void>(co_await weft::sleep(l, {}, 24h));  // whatever becomes of the request
    co_return response{};
  }
};
VIRTUAL_TEST(Server, DrainsEvenWhenAHandlerIgnoresItsContext) {
  int waiting = 0;
  std::string told;
  served s{l, deaf{l, waiting}, {.on_problem = [&told](const request&, std::string_view what) { told = what; }}};
  auto busy = co_await s.connect();
  co_await busy.send(get("/busy"));
  while (waiting == 0) co_await settle(l, 1ms);
  const auto begin = l.now();
  co_await s.server.drain(3s);
  EXPECT_LT(l.now() - begin, 5s);
  EXPECT_TRUE(told.contains("did not end with their context")) << told;
}

HTTP_TEST(Server, MayBeDestroyedInTheMiddleOfEverything) {
  gate slow{l};
  std::optional<wire> waiting, uploading, idle, pipelined;
  {
    served s{l, fast_then_slow{slow}, {.max_connections_per_peer = 10}};
    waiting = co_await s.connect();
    uploading = co_await s.connect();
    idle = co_await s.connect();
    pipelined = co_await s.connect();
    co_await waiting->send(get("/slow"));
    co_await uploading->send("POST /slow HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\n");
    co_await pipelined->send(get("/1") + get("/slow"));
    while (slow.waiting < 3) co_await settle(l, 1ms);
  }
  EXPECT_NE(co_await idle->state(l, 1s), ending::open);
  EXPECT_NE(co_await waiting->state(l, 1s), ending::open);
}

}  // namespace
}  // namespace weft::http
