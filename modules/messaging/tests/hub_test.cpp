// Who is woken for a message, for room, and for what falls due; over memory:, which sqlite: has it in common with.
#include <weft/messaging/broker_admin.hpp>
#include <weft/messaging/memory_broker.hpp>
#include <weft/runtime/sleep.hpp>
#include <weft/runtime/task_group.hpp>
#include <weft/testkit/run.hpp>

#include <gtest/gtest.h>

#include <optional>

namespace weft::messaging {
namespace {

using namespace std::chrono_literals;
using strings = std::vector<std::string>;

outgoing numbered(std::string id, std::string key = {}) {
  return {.what = {.id = std::move(id), .topic = "x", .key = std::move(key)}};
}

struct fixture {
  explicit fixture(loop& where, memory_options options = {})
      : l{where}, bus{l, std::make_shared<memory_hub>(options)} {}

  task<std::unique_ptr<consumer>> subscribe(std::uint32_t prefetch = 100) {
    co_return (co_await bus.subscribe({}, {.group = "g", .patterns = {"x"}, .prefetch = prefetch})).value();
  }
  task<void> publish(outgoing what) { EXPECT_TRUE(co_await publish_one(bus, {}, std::move(what))); }
  // Publishes beside the test, and notes the id once it has gone in.
  task<void> publish_in(context ctx, outgoing what) {
    auto id = what.what.id;
    if (co_await publish_one(bus, std::move(ctx), std::move(what))) in.push_back(std::move(id));
  }
  // Takes one message beside the test, and notes who got which, and when.
  task<void> take(context ctx, consumer& c, std::string who) {
    if (auto d = co_await c.next(std::move(ctx)); d && *d) got.push_back(who + ":" + (**d).what->id), at = l.now();
  }
  task<void> wait(duration time) { EXPECT_TRUE(co_await sleep(l, {}, time)); }
  task<void> turns() {
    for (int i = 0; i < 5; ++i) co_await yield{l};
  }
  task<void> ack_one(consumer& c) {
    const auto d = c.try_next();
    EXPECT_TRUE(d && co_await c.settle({}, d->tag, settlement::ack()));
  }
  task<std::uint64_t> ready() { co_return (co_await bus.admin()->depths({})).value().at(0).ready; }

  loop& l;
  memory_broker bus;
  strings in{}, got{};
  steady_time at{};
};

template <class Scenario>
void scenario(Scenario body) {
  testkit::run([&](loop& l) { return body(l); });
}

// F6: three publishers wait, there is room for one: the others are not woken, and wake nobody.
TEST(Hub, WakesNobodyWithoutCause) {
  scenario([](loop& l) -> task<void> {
    fixture f{l, {.max_messages = 2, .publish_wait = 1h}};
    const auto c = co_await f.subscribe();
    for (const auto* id : {"1", "2"}) co_await f.publish(numbered(id));
    task_group waiting{l};
    for (const auto* id : {"a", "b", "c"}) waiting.spawn(f.publish_in({}, numbered(id)));
    co_await f.wait(1s);
    co_await f.ack_one(*c);
    co_await f.wait(1s);  // the simulator fails where somebody yields for ever
    EXPECT_EQ(f.in, strings{"a"});
    co_await f.ack_one(*c);
    co_await f.ack_one(*c);
    co_await f.wait(1s);
    EXPECT_EQ(f.in, (strings{"a", "b", "c"}));
  });
}

// F6, A9: what is large does not lose its place to what is small and came later.
TEST(Hub, PublishersGetRoomInTheirOrder) {
  scenario([](loop& l) -> task<void> {
    const auto small = numbered("s").what.size();
    fixture f{l, {.max_bytes = 4 * small, .publish_wait = 1h}};
    const auto c = co_await f.subscribe();
    for (const auto* id : {"1", "2", "3", "4"}) co_await f.publish(numbered(id));
    task_group waiting{l};
    auto large = numbered("L");
    large.what.body = std::string(2 * small, 'x');
    waiting.spawn(f.publish_in({}, std::move(large)));
    co_await f.wait(1s);
    co_await f.ack_one(*c);
    waiting.spawn(f.publish_in({}, numbered("s")));  // would fit, and waits its turn
    co_await f.wait(1s);
    EXPECT_TRUE(f.in.empty());
    for (int i = 0; i < 3; ++i) co_await f.ack_one(*c);
    co_await f.wait(1s);
    EXPECT_EQ(f.in, (strings{"L", "s"}));
  });
}

// A9: the first of two publishers is granted room, and is cancelled or destroyed in the same turn.
TEST(Hub, RoomThatIsGrantedInVainGoesToTheNextPublisher) {
  for (const bool destroyed : {false, true})
    scenario([=](loop& l) -> task<void> {  // weft-style: closure outlives the coroutine
      fixture f{l, {.max_messages = 1, .publish_wait = 1h}};
      const auto c = co_await f.subscribe();
      co_await f.publish(numbered("1"));
      auto first = std::make_unique<task_group>(l);
      task_group second{l};
      first->spawn(f.publish_in(first->derive({}), numbered("a")));
      co_await f.turns();
      second.spawn(f.publish_in({}, numbered("b")));
      co_await f.turns();
      if (!destroyed) first->cancel();  // it has not left yet
      co_await f.ack_one(*c);
      if (destroyed) first.reset();
      co_await f.wait(1s);
      EXPECT_EQ(f.in, strings{"b"});
      EXPECT_EQ(co_await f.ready(), 1u);
      co_await f.ack_one(*c);
      co_await f.publish(numbered("c"));  // no room is lost
    });
}

// A9: the first of two consumers is woken for a message, and its wait ends in the same turn.
TEST(Hub, AMessageThatWokeInVainGoesToTheNextConsumer) {
  for (const bool destroyed : {false, true})
    scenario([=](loop& l) -> task<void> {  // weft-style: closure outlives the coroutine
      fixture f{l};
      const auto a = co_await f.subscribe(), b = co_await f.subscribe();
      auto first = std::make_unique<task_group>(l);
      task_group second{l};
      first->spawn(f.take(first->derive({}), *a, "a"));
      co_await f.turns();
      second.spawn(f.take({}, *b, "b"));
      co_await f.turns();
      if (!destroyed) first->cancel();  // it has not left yet
      co_await f.publish(numbered("1"));
      if (destroyed) first.reset();
      co_await f.wait(1s);
      EXPECT_EQ(f.got, strings{"b:1"});
    });
}

// The first consumer is busy from 1 s on: the second gets what falls due at 2 s.
TEST(Hub, WhatFallsDueReachesWhoIsStillIdle) {
  scenario([](loop& l) -> task<void> {
    fixture f{l};
    const auto a = co_await f.subscribe(), b = co_await f.subscribe();
    task_group waiting{l};
    waiting.spawn(f.take({}, *a, "a"));
    waiting.spawn(f.take({}, *b, "b"));
    co_await f.turns();
    const auto began = l.now();
    for (const auto& [id, delay] : {std::pair{"1", 1s}, {"2", 2s}}) {
      auto what = numbered(id);
      what.delay = delay;
      co_await f.publish(std::move(what));
    }
    co_await f.wait(1h);
    EXPECT_EQ(f.got.size(), 2u);
    EXPECT_EQ(f.at - began, 2s);
  });
}

// F19: the one that watches the next due time leaves, in whichever way; the others have it then.
TEST(Hub, WhatFallsDueHasAlwaysSomebodyWhoWatches) {
  for (const bool destroyed : {false, true})
    scenario([=](loop& l) -> task<void> {  // weft-style: closure outlives the coroutine
      fixture f{l};
      auto a = co_await f.subscribe();
      const auto b = co_await f.subscribe();
      auto first = std::make_unique<task_group>(l);
      task_group second{l};
      second.spawn(f.take({}, *b, "b"));  // from before there was anything due
      co_await f.turns();
      const auto began = l.now();
      auto late = numbered("1");
      late.delay = 10s;
      first->spawn(f.take(first->derive({}), *a, "a"));
      co_await f.turns();
      co_await f.publish(std::move(late));
      co_await f.wait(1s);
      destroyed ? first.reset() : first->cancel();
      co_await f.turns();
      if (destroyed) a.reset();
      co_await f.wait(1h);
      EXPECT_EQ(f.got, strings{"b:1"});
      EXPECT_EQ(f.at - began, 10s);
    });
}

// F19: so it is for a message that waits for its retry, when its consumer goes.
TEST(Hub, ARetryReachesTheOthersWhenItsConsumerGoes) {
  scenario([](loop& l) -> task<void> {
    fixture f{l};
    auto a = co_await f.subscribe();
    const auto b = co_await f.subscribe();
    co_await f.publish(numbered("1"));
    const auto d = (co_await a->next({})).value().value();
    task_group waiting{l};
    waiting.spawn(f.take({}, *b, "b"));
    co_await f.turns();
    EXPECT_TRUE(co_await a->settle({}, d.tag, settlement::retry(5s)));
    const auto began = l.now();
    a.reset();
    co_await f.wait(1h);
    EXPECT_EQ(f.got, strings{"b:1"});
    EXPECT_EQ(f.at - began, 5s);
  });
}

// F7: what has expired holds no room, with or without consumers.
TEST(Hub, WhatHasExpiredMakesRoom) {
  scenario([](loop& l) -> task<void> {
    fixture f{l, {.max_messages = 2, .publish_wait = 1h}};
    (co_await f.subscribe()).reset();
    for (const auto* id : {"1", "2"}) {
      auto what = numbered(id, "k");
      what.what.time_to_live = 5s;
      co_await f.publish(std::move(what));
    }
    task_group waiting{l};
    waiting.spawn(f.publish_in({}, numbered("waits")));
    co_await f.wait(4s);
    EXPECT_TRUE(f.in.empty());
    co_await f.wait(2s);
    EXPECT_EQ(f.in, strings{"waits"}) << "its wait ends with the life of what was in its way";
    EXPECT_EQ(co_await f.ready(), 1u);
    auto third = numbered("3");
    third.what.time_to_live = 1s;
    co_await f.publish(std::move(third));
    co_await f.wait(2s);
    co_await f.publish(numbered("4"));
    EXPECT_EQ(co_await f.ready(), 2u);
  });
}

// F7: an expired message that take() comes upon makes room, too.
TEST(Hub, WhatExpiresInItsTurnWakesPublishers) {
  scenario([](loop& l) -> task<void> {
    fixture f{l, {.max_messages = 2, .publish_wait = 1h}};
    const auto c = co_await f.subscribe();
    auto lives = numbered("1");
    lives.what.time_to_live = 5s;
    co_await f.publish(std::move(lives));
    co_await f.publish(numbered("2"));
    task_group waiting{l};
    waiting.spawn(f.publish_in({}, numbered("waits")));
    co_await f.wait(5s);
    EXPECT_EQ(c->try_next()->what->id, "2");
    co_await f.turns();
    EXPECT_EQ(f.in, strings{"waits"});
  });
}

TEST(Hub, TheNextOfAKeyComesWhenItsHeadExpires) {
  scenario([](loop& l) -> task<void> {
    fixture f{l};
    const auto c = co_await f.subscribe();
    for (const auto& [id, life] : {std::pair{"1", 1s}, {"2", 0s}, {"3", 2s}, {"4", 0s}}) {
      auto what = numbered(id, "k");
      what.what.time_to_live = life;
      co_await f.publish(std::move(what));
    }
    co_await f.wait(3s);
    for (const auto* id : {"2", "4"}) {
      const auto d = c->try_next();
      EXPECT_TRUE(d && d->what->id == id);
      if (d) EXPECT_TRUE(co_await c->settle({}, d->tag, settlement::ack()));
    }
  });
}

// A tag names one delivery, not the message.
TEST(Hub, AStaleSettlementLeavesTheNewDeliveryOut) {
  scenario([](loop& l) -> task<void> {
    fixture f{l};
    const auto c = co_await f.subscribe();
    co_await f.publish(numbered("1"));
    const auto first = *c->try_next();
    EXPECT_TRUE(co_await c->settle({}, first.tag, settlement::retry({})));
    const auto second = *c->try_next();
    const auto stale = co_await c->settle({}, first.tag, settlement::ack());
    EXPECT_FALSE(stale);
    if (!stale) EXPECT_EQ(stale.error().code(), errc::aborted);
    EXPECT_EQ((co_await f.bus.admin()->depths({})).value().at(0).in_flight, 1u);
    EXPECT_TRUE(co_await c->settle({}, second.tag, settlement::ack()));
  });
}

// F7: a publisher that waits because of its key's dead letters goes on when they are purged, and is in nobody's way.
TEST(Hub, PurgingDeadLettersWakesThePublishersOfTheirKey) {
  scenario([](loop& l) -> task<void> {
    fixture f{l, {.max_dead_letters = 1, .publish_wait = 1h}};
    const auto c = co_await f.subscribe();
    co_await f.publish(numbered("1", "k"));
    const auto d = *c->try_next();
    EXPECT_TRUE(co_await c->settle({}, d.tag, settlement::dead_letter("bad", {}, dead_letter_scope::key)));
    task_group waiting{l};
    waiting.spawn(f.publish_in({}, numbered("2", "k")));
    co_await f.wait(1s);
    co_await f.publish(numbered("3", "other"));
    EXPECT_TRUE(f.in.empty());
    EXPECT_TRUE(co_await f.bus.admin()->purge({}, "g", {}));
    co_await f.wait(1s);
    EXPECT_EQ(f.in, strings{"2"});
  });
}

// A11: "never" stays never.
TEST(Hub, NeverIsNotThePast) {
  scenario([](loop& l) -> task<void> {
    fixture f{l};
    const auto c = co_await f.subscribe();
    auto what = numbered("lives for ever");
    what.what.time_to_live = duration::max();
    co_await f.publish(what);
    what = numbered("never due");
    what.delay = duration::max();
    co_await f.publish(what);
    co_await f.wait(1h);
    const auto d = c->try_next();
    EXPECT_TRUE(d && d->what->id == "lives for ever");
    if (d) EXPECT_TRUE(co_await c->settle({}, d->tag, settlement::retry(duration::max())));
    co_await f.wait(1h);
    EXPECT_FALSE(c->try_next());
    EXPECT_EQ((co_await f.bus.admin()->depths({})).value().at(0).delayed, 2u);
  });
}

}  // namespace
}  // namespace weft::messaging
