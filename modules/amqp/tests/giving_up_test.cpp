// What is given up half way, by its caller, by a loss or by the broker, leaves nothing behind.
#include "connection_scene.hpp"

#include <algorithm>
#include <functional>

namespace weft::amqp {
namespace {

using GivingUp = ConnectionScene;

TEST_F(GivingUp, AConsumerThatBeganTooLateIsCancelled) {
  auto c = open(options());
  auto ch = open_channel(c);
  EXPECT_TRUE(run(ch.declare(in(9s), queue_declare{.queue = "q"})));
  state_.withheld = "basic.consume";
  EXPECT_EQ(run(ch.consume(in(2s), {.queue = "q"})).error().code(), errc::deadline_exceeded);
  EXPECT_TRUE(run(ch.publish(in(9s), to("q", "a", "1"))));
  sim_.run_for(1s);
  EXPECT_THAT(take_log(), Contains("cancel"));
  EXPECT_EQ(run(ch.get(in(9s), "q")).value()->message.body, "a");
}

TEST_F(GivingUp, AMessageThatWasGotTooLateGoesBack) {
  auto c = open(options());
  auto ch = open_channel(c);
  EXPECT_TRUE(run(ch.declare(in(9s), queue_declare{.queue = "q"})));
  EXPECT_TRUE(run(ch.publish(in(9s), to("q", "a", "1"))));
  state_.withheld = "basic.get";
  EXPECT_EQ(run(ch.get(in(2s), "q")).error().code(), errc::deadline_exceeded);
  EXPECT_TRUE(state_.queues["q"].empty());
  state_.withheld.clear();
  EXPECT_TRUE(run(ch.qos(in(9s), 1)));  // its answer comes behind that one
  sim_.run_for(1s);
  ASSERT_EQ(state_.queues["q"].size(), 1u);
  EXPECT_EQ(run(ch.get(in(9s), "q")).value()->message.body, "a");
}

TEST_F(GivingUp, AQueueThatGoesAwayWhileItsConsumerBeginsIsNoConsumerForEver) {
  auto c = open(options());
  auto ch = open_channel(c);
  EXPECT_TRUE(run(ch.declare(in(9s), queue_declare{.queue = "q"})));
  state_.deleting = true;
  EXPECT_EQ(run(ch.consume(in(9s), {.queue = "q"})).error().code(), errc::not_found);
  // When it is to come back, it is tried again.
  state_.deleting = false;
  auto mails = run(ch.consume(in(9s), {.queue = "q"})).value();
  state_.deleting = true;
  state_.reset_connections();
  EXPECT_TRUE(sim_.run_until([this] { return std::ranges::count(events_, "recovery_failed") > 0; }, 60s));
  EXPECT_FALSE(mails.attached());
  state_.deleting = false;
  EXPECT_TRUE(sim_.run_until([&] { return mails.attached(); }, 60s));
  EXPECT_TRUE(run(ch.publish(in(9s), to("q", "a", "1"))));
  EXPECT_EQ(run(mails.next(in(9s))).value().message.body, "a");
}

TEST_F(GivingUp, AChannelThatIsBeingClosedHearsOfTheLoss) {
  auto c = open(options());
  auto ch = open_channel(c);
  state_.withheld = "channel.close";
  sim_.apply(
      testkit::fault_plan{}.at(sim_.elapsed() + 1s).run([this](testkit::simulation&) { state_.reset_connections(); }));
  const auto closed = run(ch.close(in(60s)));
  EXPECT_EQ(closed.error().code(), errc::unavailable);
  EXPECT_LT(sim_.elapsed(), 5s);
}

TEST_F(GivingUp, AConnectionIsClosedWhileAServerThatSaysNothingIsAsked) {
  auto c = open(options());
  state_.silent = true;
  state_.reset_connections();
  EXPECT_TRUE(sim_.run_until([this] { return state_.connections == 2; }, 5s));
  const auto began = sim_.elapsed();
  EXPECT_TRUE(run(c.close(in(60s))));
  EXPECT_LT(sim_.elapsed() - began, 1s);
  EXPECT_EQ(c.state(), connection_state::closed);
}

TEST_F(GivingUp, APublicationThatIsWithdrawnEndsTheWaitForTheOthers) {
  auto c = open(options());
  auto ch = open_channel(c);
  broker_.crash(testkit::crash_kind::process);
  sim_.run_for(1s);
  errc published{};
  bool flushed = false;
  const auto publish = [](channel& to_this, context ctx, errc& code) -> task<void> {
    code = (co_await to_this.publish(ctx, to("q", "a", "1"))).error().code();
  };
  const auto flush = [](channel& of, bool& done) -> task<void> { done = (co_await of.flush({})).has_value(); };
  task_group waits{on()};
  waits.spawn(publish(ch, in(2s), published));
  waits.spawn(flush(ch, flushed));
  sim_.run_for(3s);
  EXPECT_EQ(published, errc::deadline_exceeded);
  EXPECT_TRUE(flushed);
}

TEST_F(GivingUp, WhoHearsThatItWasWrittenMayPublishTheNextHoweverOften) {
  auto c = open(options());
  state_.confirming = false;
  auto ch = open_channel(c, {.confirms = confirms::off});
  EXPECT_TRUE(run(ch.declare(in(9s), queue_declare{.queue = "q"})));
  int left = 100'000;
  std::function<void()> next = [&] {
    if (--left > 0)
      EXPECT_TRUE(ch.try_publish(to("q", "", "1"), [&](result<> r) {
        if (r) next();
      }));
  };
  next();
  sim_.run_for(600s);
  EXPECT_EQ(left, 0);
  EXPECT_EQ(state_.queues["q"].size(), 99'999u);
}

TEST_F(GivingUp, MessagesWithoutABodyPauseTheReadingToo) {
  auto o = options();
  o.unread_max = 64UL * 1024;
  auto c = open(std::move(o));
  auto ch = open_channel(c, {.prefetch = 0});
  EXPECT_TRUE(run(ch.declare(in(9s), queue_declare{.queue = "q"})));
  for (int i = 0; i < 20'000; ++i) state_.queues["q"].push_back({to("q", "", "1")});
  auto all = run(ch.consume(in(9s), {.queue = "q"})).value();
  sim_.run_for(10s);
  EXPECT_LT(all.waiting(), 5'000u);
  for (int i = 0; i < 20'000; ++i) EXPECT_TRUE(run(all.next(in(9s))));
}

}  // namespace
}  // namespace weft::amqp
