// Connections and channels that the broker ends again and again, handlers that publish where they consume, and code of
// the user's that throws.
#include <stdexcept>

#include "connection_scene.hpp"

namespace weft::amqp {
namespace {

using Endurance = ConnectionScene;

task<void> publish_each(consumer& from, channel& ch, int count, int& done) {
  for (; done < count; ++done) {
    const auto d = co_await from.next({});
    if (!d) co_return;
    if (!co_await ch.publish({}, to("other", "b", d->message.properties.message_id))) co_return;
    ch.ack(*d);
  }
}

// A13: the confirm stands behind deliveries that nobody takes before it has come.
TEST_F(Endurance, AHandlerThatPublishesWhereItConsumesGoesOnHoweverMuchIsDelivered) {
  for (const std::uint16_t prefetch : {0, 250}) {
    auto o = options();
    o.unread_max = 64UL * 1024;
    auto c = open(std::move(o));
    auto ch = open_channel(c, {.prefetch = prefetch});
    EXPECT_TRUE(run(ch.declare(in(9s), queue_declare{.queue = "q"})));
    EXPECT_TRUE(run(ch.declare(in(9s), queue_declare{.queue = "other"})));
    for (int i = 0; i < 200; ++i) state_.queues["q"].push_back({to("q", std::string(4096, 'x'), std::to_string(i))});
    auto from = run(ch.consume(in(9s), {.queue = "q"})).value();
    int done = 0;
    task_group work{on()};
    work.spawn(publish_each(from, ch, 200, done));
    sim_.run_for(60s);
    EXPECT_EQ(done, 200);
    state_.queues.clear();
  }
}

// A13: as long as nobody waits for an answer, the bound holds.
TEST_F(Endurance, WithoutAnAnswerToWaitForReadingPauses) {
  auto o = options();
  o.unread_max = 64UL * 1024;
  auto c = open(std::move(o));
  auto ch = open_channel(c, {.prefetch = 0});
  EXPECT_TRUE(run(ch.declare(in(9s), queue_declare{.queue = "q"})));
  for (int i = 0; i < 500; ++i) state_.queues["q"].push_back({to("q", std::string(4096, 'x'), "1")});
  auto from = run(ch.consume(in(9s), {.queue = "q"})).value();
  sim_.run_for(10s);
  EXPECT_LT(from.waiting(), 100u);
  EXPECT_TRUE(run(ch.qos(in(9s), 10)));  // its answer comes all the same
}

// F10: the first heartbeat is due half a second after the connection opens, and not when the opening would have been
// given up.
TEST_F(Endurance, AnIdleConnectionWithAShortHeartbeatIsHeard) {
  for (const auto* heartbeat : {"1", "2", "3"}) {
    auto c = open(options(std::string{"?heartbeat="} + heartbeat));
    state_.heartbeats = 0;
    sim_.run_for(std::chrono::seconds{std::stoi(heartbeat)});
    EXPECT_GE(state_.heartbeats, 1) << heartbeat;
    sim_.run_for(9 * std::chrono::seconds{std::stoi(heartbeat)});
    EXPECT_GE(state_.heartbeats, 15) << heartbeat;
    EXPECT_EQ(c.connects(), 1u);
  }
}

// A14: that the connection was made says nothing about what is asked over it.
TEST_F(Endurance, AServerThatTakesConnectionsAndRefusesChannelsIsAskedLessAndLess) {
  auto c = open(options());
  auto ch = open_channel(c);
  EXPECT_TRUE(
      append_method(state_.refusal, 0, connection_close{.reply_code = 541, .reply_text = "INTERNAL_ERROR"}, 4096));
  const auto before = state_.connections;
  state_.reset_connections();
  sim_.run_for(60s);
  EXPECT_GE(state_.connections - before, 3);
  EXPECT_LT(state_.connections - before, 16);
  state_.refusal.clear();
  EXPECT_TRUE(run(c.wait_for(in(60s), connection_state::open)));
}

// A14: nor does an open channel say that it stays so.
TEST_F(Endurance, AChannelThatEndsAsSoonAsItIsOpenIsOpenedLessAndLess) {
  auto c = open(options());
  auto ch = open_channel(c);
  EXPECT_TRUE(run(ch.declare(in(9s), queue_declare{.queue = "q"})));
  auto from = run(ch.consume(in(9s), {.queue = "q"})).value();
  state_.ending_channels = true;
  state_.reset_connections();
  take_log();
  sim_.run_for(60s);
  const auto log = take_log();
  const auto tries = std::ranges::count(log, "consume q");
  EXPECT_GE(tries, 3);
  EXPECT_LT(tries, 20);
  state_.ending_channels = false;
  EXPECT_TRUE(run(from.wait_attached(in(60s))));
}

// A12, F13: the connection goes on, and says so.
TEST_F(Endurance, WhatACallbackThrowsEndsNothing) {
  auto o = options();
  o.on_event = [this](const connection_event& e) {
    events_.emplace_back(to_string(e.what));
    throw 7;
  };
  auto c = open(std::move(o));
  auto ch = open_channel(c);
  EXPECT_TRUE(run(ch.declare(in(9s), queue_declare{.queue = "q"})));
  EXPECT_TRUE(ch.try_publish(to("q", "a", "1"), [](const result<>&) { throw 7; }));
  EXPECT_TRUE(ch.try_publish(to("q", "b", "2"), [](const result<>&) { throw std::runtime_error{"no"}; }));
  EXPECT_TRUE(run(ch.flush(in(9s))));
  EXPECT_EQ(std::ranges::count(events_, "callback_failed"), 2);
  EXPECT_TRUE(run(ch.publish(in(9s), to("q", "c", "3"))));
  EXPECT_EQ(c.connects(), 1u);
}

// A5: who gave up on a confirm hears of it all the same.
TEST_F(Endurance, AConfirmThatComesTooLateIsReported) {
  auto c = open(options());
  auto ch = open_channel(c);
  EXPECT_TRUE(run(ch.declare(in(9s), queue_declare{.queue = "q"})));
  state_.confirming = false;
  std::vector<bool> late;
  const auto gave_up =
      run(ch.publish(in(2s), to("q", "a", "1"), [&](const result<>& r) { late.push_back(r.has_value()); }));
  EXPECT_EQ(gave_up.error().code(), errc::deadline_exceeded);
  EXPECT_FALSE(gave_up.error().unprocessed());
  EXPECT_THAT(late, testing::IsEmpty());
  state_.confirming = true;
  state_.reset_connections();  // then it is published again
  EXPECT_TRUE(run(ch.flush(in(60s))));
  EXPECT_THAT(late, ElementsAre(true));
  // What was certainly not sent is not heard of again.
  broker_.crash(testkit::crash_kind::process);
  sim_.run_for(1s);
  const auto unsent = run(ch.publish(in(2s), to("q", "b", "2"), [&](const result<>&) { late.push_back(false); }));
  EXPECT_TRUE(unsent.error().unprocessed());
  EXPECT_EQ(ch.unconfirmed(), 0u);
}

// A5: a window that is full is not "perhaps published".
TEST_F(Endurance, WaitingForRoomInTheWindowHasPublishedNothing) {
  auto c = open(options());
  auto ch = open_channel(c, {.confirm_window = 1});
  EXPECT_TRUE(run(ch.declare(in(9s), queue_declare{.queue = "q"})));
  state_.confirming = false;
  EXPECT_TRUE(run(ch.publish_nowait(in(9s), to("q", "a", "1"), {})));
  EXPECT_TRUE(run(ch.publish(in(1s), to("q", "b", "2"))).error().unprocessed());
  EXPECT_TRUE(run(ch.publish_nowait(in(1s), to("q", "b", "2"), {})).error().unprocessed());
}

// A broker that is short of memory does not read the goodbye.
TEST_F(Endurance, ClosingDoesNotWaitForABrokerThatDoesNotRead) {
  auto c = open(options("?connection_timeout=3000"));
  state_.silent = true;
  const auto began = sim_.elapsed();
  EXPECT_EQ(run(c.close({})).error().code(), errc::deadline_exceeded);
  EXPECT_LT(sim_.elapsed() - began, 4s);
  EXPECT_EQ(c.state(), connection_state::closed);
}

// Tags count from 1 on every channel, so one of another channel would acknowledge the wrong message.
TEST_F(Endurance, ADeliveryOfAnotherChannelIsNotAcknowledged) {
  auto c = open(options());
  auto one = open_channel(c), other = open_channel(c);
  EXPECT_TRUE(run(one.declare(in(9s), queue_declare{.queue = "q"})));
  EXPECT_TRUE(run(one.publish(in(9s), to("q", "a", "1"))));
  const auto d = *run(one.get(in(9s), "q")).value();
  EXPECT_EQ(other.ack(d), acknowledged::stale);
  EXPECT_EQ(one.ack(d), acknowledged::sent);
}

}  // namespace
}  // namespace weft::amqp
