// The whole client in virtual time, against a small broker that fails on demand.
#include "connection_scene.hpp"

namespace weft::amqp {
namespace {

using Connection = ConnectionScene;

TEST_F(Connection, AfterALossEverythingComesBackInOrder) {
  auto c = open(options());
  auto ch = open_channel(c, {.prefetch = 7});
  EXPECT_TRUE(run(ch.declare(in(9s), queue_declare{.queue = "q"})));
  EXPECT_TRUE(run(ch.declare(in(9s), queue_declare{.queue = "not again"}, restored::no)));
  EXPECT_TRUE(run(ch.bind(in(9s), queue_bind{.queue = "q", .exchange = "e"})));
  EXPECT_TRUE(run(ch.declare(in(9s), exchange_declare{.exchange = "e", .type = "topic"})));
  auto mails = run(ch.consume(in(9s), {.queue = "q"})).value();
  EXPECT_TRUE(run(ch.publish(in(9s), to("q", "a", "1"))));
  const auto before = run(mails.next(in(9s))).value();
  state_.confirming = false;
  std::vector<std::string> settled;
  for (const auto* id : {"2", "3"})
    EXPECT_TRUE(
        ch.try_publish(to("q", "b", id), [&, id](result<> r) { settled.push_back(id + std::string{r ? "" : "!"}); }));
  sim_.run_for(1s);
  EXPECT_THAT(settled, ElementsAre());
  take_log();
  events_.clear();
  state_.confirming = true;
  state_.reset_connections();
  // While there is no connection, too.
  EXPECT_TRUE(ch.try_publish(to("q", "c", "4"), [&](result<> r) { settled.emplace_back(r ? "4" : "4!"); }));
  EXPECT_TRUE(run(ch.flush(in(60s))));
  EXPECT_THAT(settled, ElementsAre("2", "3", "4"));
  EXPECT_THAT(take_log(), ElementsAre("exchange e", "queue q", "bind q e", "exchange e", "queue q", "bind q e",
                                      "consume q", "publish b 2", "publish b 3", "publish c 4"));
  EXPECT_THAT(events_, ElementsAre("disconnected", "connected", "channel_recovered", "recovered"));
  EXPECT_EQ(ch.ack(before), acknowledged::stale);
  std::vector<std::string> seen;
  while (mails.waiting() > 0) {
    const auto d = *mails.try_next();
    seen.push_back(d.message.properties.message_id);
    EXPECT_EQ(ch.ack(d), acknowledged::sent);
  }
  EXPECT_THAT(seen, ElementsAre("1", "2", "3", "2", "3", "4"));
  EXPECT_EQ(c.connects(), 2u);
}

TEST_F(Connection, AHostThatIsDownIsPassedOver) {
  broker_.crash(testkit::crash_kind::process);
  auto o = options();
  o.hosts = {net::endpoint::parse("broker:5672").value(), net::endpoint::parse("spare:5672").value()};
  for (int i = 0; i < 4; ++i) EXPECT_EQ(open(o).state(), connection_state::open);
  EXPECT_THAT(events_, Contains("connect_failed"));
  spare_.crash(testkit::crash_kind::process);
  const auto nobody = run(connection::open(on(), in(60s), o));
  EXPECT_EQ(nobody.error().code(), errc::unavailable);
  EXPECT_THAT(nobody.error().describe(), testing::Not(HasSubstr("hush")));
}

TEST_F(Connection, AFirstConnectionMayBeRetried) {
  broker_.crash(testkit::crash_kind::process);
  auto o = options();
  o.first = first_connection::is_retried;
  const auto late = run(connection::open(on(), in(5s), o));
  EXPECT_EQ(late.error().code(), errc::deadline_exceeded);
  sim_.apply(testkit::fault_plan{}.at(20s).run([this](testkit::simulation&) { broker_.restart(); }));
  EXPECT_EQ(open(o).state(), connection_state::open);
}

TEST_F(Connection, AServerThatSaysNothingIsGivenUp) {
  state_.silent = true;
  const auto made = run(connection::open(on(), in(60s), options("?connection_timeout=3000")));
  EXPECT_EQ(made.error().code(), errc::deadline_exceeded);
  EXPECT_THAT(made.error().describe(), HasSubstr("did not open the connection in time"));
  EXPECT_LT(sim_.elapsed(), 4s);
}

TEST_F(Connection, ASilentNetworkIsNoticedAfterTwoHeartbeats) {
  auto c = open(options("?heartbeat=10"));
  auto ch = open_channel(c);
  EXPECT_TRUE(run(ch.declare(in(9s), queue_declare{.queue = "q"})));
  sim_.run_for(10min);  // idle is not silent
  EXPECT_EQ(c.connects(), 1u);
  sim_.partition({"client"}, {"broker"});
  EXPECT_TRUE(sim_.run_until([&] { return c.state() == connection_state::connecting; }, 25s));
  EXPECT_THAT(std::string{c.last_problem()->message()}, HasSubstr("two heartbeats"));
  const auto waiting = run(ch.publish(in(5s), to("q", "a", "1")));
  EXPECT_EQ(waiting.error().code(), errc::deadline_exceeded);
  EXPECT_TRUE(waiting.error().unprocessed());
  sim_.heal();
  EXPECT_TRUE(run(ch.publish(in(2min), to("q", "b", "2"))));
  EXPECT_THAT(published(), ElementsAre("b 2"));
}

TEST_F(Connection, AServerThatBreaksTheProtocolIsLeftWithAReason) {
  auto c = open(options());
  state_.after_open = std::string("\1\0\1\xff\0\0\0", 7);
  auto ch = open_channel(c);
  EXPECT_THAT(std::string{c.last_problem()->message()}, HasSubstr("broke the protocol"));
  EXPECT_EQ(c.connects(), 2u);
  state_.after_open = std::string("\1\0\2\0\0\0\4\0\x32\0\x0b\xce", 12);  // a reply to nothing, cut short
  auto other = open_channel(c);
  EXPECT_EQ(c.connects(), 3u);
}

TEST_F(Connection, ARequestDuringALossFailsAndLaterOnesWait) {
  auto c = open(options());
  auto ch = open_channel(c);
  broker_.crash(testkit::crash_kind::process);
  sim_.run_for(1s);
  EXPECT_EQ(c.state(), connection_state::connecting);
  EXPECT_EQ(run(ch.declare(in(2s), queue_declare{.queue = "q"})).error().code(), errc::deadline_exceeded);
  sim_.apply(testkit::fault_plan{}.at(sim_.elapsed() + 5s).run([this](testkit::simulation&) { broker_.restart(); }));
  EXPECT_TRUE(run(ch.declare(in(60s), queue_declare{.queue = "q"})));
}

TEST_F(Connection, TheWindowIsBackPressure) {
  auto c = open(options());
  auto ch = open_channel(c, {.confirm_window = 2});
  EXPECT_TRUE(run(ch.declare(in(9s), queue_declare{.queue = "q"})));
  state_.confirming = false;
  EXPECT_TRUE(run(ch.publish_nowait(in(9s), to("q", "a", "1"), {})));
  EXPECT_TRUE(run(ch.publish_nowait(in(9s), to("q", "b", "2"), {})));
  EXPECT_EQ(run(ch.publish_nowait(in(9s), to("q", "c", "3"), {})).error().code(), errc::deadline_exceeded);
  EXPECT_EQ(ch.try_publish(to("q", "c", "3"), {}).error().code(), errc::resource_exhausted);
  EXPECT_THAT(published(), ElementsAre("a 1", "b 2"));
}

TEST_F(Connection, ClosingEndsEveryWait) {
  auto c = std::make_unique<connection>(open(options()));
  auto ch = open_channel(*c);
  EXPECT_TRUE(run(ch.declare(in(9s), queue_declare{.queue = "q"})));
  auto mails = run(ch.consume(in(9s), {.queue = "q"})).value();
  state_.confirming = false;
  errc published{}, unread{};
  task_group waits{on()};
  const auto publishing = [](channel& to_this, errc& code) -> task<void> {
    code = (co_await to_this.publish({}, to("q", "a", "1"))).error().code();
  };
  const auto reading = [](consumer& from, errc& code) -> task<void> {
    while (true) {
      const auto d = co_await from.next({});
      if (!d) co_return static_cast<void>(code = d.error().code());
    }
  };
  waits.spawn(publishing(ch, published));
  waits.spawn(reading(mails, unread));
  sim_.run_for(1s);
  EXPECT_TRUE(run(c->close(in(9s))));
  sim_.run_for(1s);
  EXPECT_EQ(published, errc::unavailable);
  EXPECT_EQ(unread, errc::failed_precondition);
  c.reset();
  EXPECT_EQ(run(ch.publish(in(9s), to("q", "a", "1"))).error().code(), errc::failed_precondition);
  EXPECT_EQ(state_.streams.size(), 0u);
}

TEST_F(Connection, AConnectionDestroyedInTheMiddleOfItAllLeavesNothing) {
  for (int i = 0; i < 40; ++i) {
    auto c = std::make_unique<connection>(open(options()));
    auto ch = open_channel(*c);
    EXPECT_TRUE(run(ch.declare(in(9s), queue_declare{.queue = "q"})));
    auto mails = run(ch.consume(in(9s), {.queue = "q"})).value();
    EXPECT_TRUE(ch.try_publish(to("q", std::string(20'000, 'x'), "1"), {}));
    if (i % 2 == 0) state_.reset_connections();
    sim_.run_for(i * 50us);
    c.reset();
    EXPECT_EQ(ch.unconfirmed(), 0u);
  }
  sim_.run_for(1s);
  EXPECT_EQ(state_.streams.size(), 0u);
}

// Connections are cut at random times; every message arrives, first arrivals in order.
TEST_F(Connection, RandomCutsLoseNothingAndKeepTheOrder) {
  for (int seed = 0; seed < 20; ++seed) {
    auto c = open(options());
    auto ch = open_channel(c, {.confirm_window = 16});
    const auto queue = "q" + std::to_string(seed);
    EXPECT_TRUE(run(ch.declare(in(9s), queue_declare{.queue = queue})));
    int confirmed = 0;
    for (int i = 0; i < 200; ++i) {
      EXPECT_TRUE(run(ch.publish_nowait(in(60s), to(queue, std::to_string(i), std::to_string(i)),
                                        [&](result<> r) { confirmed += r ? 1 : 0; })));
      if (sim_.random().chance(0.05)) state_.reset_connections();
      sim_.run_for(duration{sim_.random().between(0, 300'000)});
    }
    EXPECT_TRUE(run(ch.flush(in(60s))));
    EXPECT_EQ(confirmed, 200);
    int next = 0;
    for (const auto& each : state_.queues[queue]) {
      const auto n = std::stoi(each.content.body);
      EXPECT_LE(n, next);
      if (n == next) ++next;
    }
    EXPECT_EQ(next, 200);
  }
}

}  // namespace
}  // namespace weft::amqp
