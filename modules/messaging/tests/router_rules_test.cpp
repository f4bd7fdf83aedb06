// What a router refuses, counts, hands on and never loses, over memory: in virtual time.
#include <weft/messaging/memory_broker.hpp>
#include <weft/messaging/publisher.hpp>
#include <weft/messaging/router.hpp>
#include <weft/runtime/sleep.hpp>
#include <weft/testkit/run.hpp>

#include <gtest/gtest.h>
#include <boost/describe/class.hpp>

namespace weft::messaging {
namespace {

using namespace std::chrono_literals;
using strings = std::vector<std::string>;

struct order_placed {
  std::string order;
};
BOOST_DESCRIBE_STRUCT(order_placed, (), (order))
struct order_cancelled {
  std::string order, reason;
};
BOOST_DESCRIBE_STRUCT(order_cancelled, (), (order, reason))
constexpr topic<order_placed> orders_placed{"orders.placed"};
constexpr topic<order_cancelled> orders_cancelled{"orders.cancelled"};

struct fixture {
  explicit fixture(loop& where, memory_options options = {})
      : l{where}, hub{std::make_shared<memory_hub>(options)}, bus{l, hub}, out{l, bus, {.source = "/shop"}} {}

  task<void> place(std::string order) { EXPECT_TRUE(co_await out.publish({}, orders_placed, {std::move(order)})); }
  task<void> wait(duration time) { EXPECT_TRUE(co_await sleep(l, {}, time)); }
  task<std::vector<dead_letter_entry>> dead(std::string group = "g") {
    co_return (co_await bus.admin()->dead_letters({}, {.group = std::move(group)})).value();
  }
  // A handler that notes what came, and says `said`.
  template <class Event>
  handler<Event> note(std::string name, result<> said = {}) {
    return [this, name, said](const context&, const delivery<Event>& d) { return noted(name + ":" + d.event.order, said); };
  }
  task<result<>> noted(std::string what, result<> said) {
    seen.push_back(std::move(what));
    at.push_back(l.now());
    co_return said;
  }

  loop& l;
  std::shared_ptr<memory_hub> hub;
  memory_broker bus;
  publisher out;
  strings seen{};
  std::vector<steady_time> at{};
};

template <class Scenario>
void scenario(Scenario body) {
  testkit::run([&](loop& l) { return body(l); });
}

const result<> unavailable = fail(errc::unavailable, "no ledger");

// C11: calls of the handler, whether at once or in a later delivery.
TEST(RouterRules, MaxAttemptsCountsEveryCall) {
  for (const auto& [immediate, max] : {std::pair{0U, 3U}, {1U, 3U}, {1U, 4U}, {5U, 3U}, {2U, 7U}, {1U, 1U}})
    scenario([=](loop& l) -> task<void> {  // weft-style: closure outlives the coroutine
      fixture f{l};
      router r{l, f.bus};
      r.use(retry{.immediate = immediate, .max_attempts = max});
      r.on(orders_placed, {.group = "g"}, f.note<order_placed>("h", unavailable));
      EXPECT_TRUE(co_await r.start({}));
      co_await f.place("o");
      co_await f.wait(1h);
      EXPECT_EQ(f.seen.size(), max) << immediate;
      EXPECT_EQ((co_await f.dead()).size(), 1u);
      EXPECT_TRUE(co_await r.stop({}));
    });
}

// C11: an order in which one stage silently turns another off is refused, with the remedy.
TEST(RouterRules, AnOrderThatCannotWorkIsRefused) {
  scenario([](loop& l) -> task<void> {
    fixture f{l};
    router inside{l, f.bus}, twice{l, f.bus}, right{l, f.bus};
    inside.use(retry{}).use(timeout{}).use(dead_letter{});
    twice.use(retry{}).use(retry{});
    right.use(outage_mode{}).use(dead_letter{}).use(retry{}).use(timeout{});
    for (auto* r : {&inside, &twice, &right}) r->on(orders_placed, {.group = "g"}, f.note<order_placed>("h"));
    const auto refused = co_await inside.start({});
    EXPECT_FALSE(refused);
    if (!refused) {
      EXPECT_EQ(refused.error().code(), errc::invalid_argument);
      EXPECT_NE(refused.error().remedy().find(".use(dead_letter{}).use(retry{})"), std::string::npos);
    }
    EXPECT_FALSE(co_await twice.start({}));
    EXPECT_TRUE(co_await right.start({}));
    EXPECT_TRUE(co_await right.stop({}));
  });
}

// F14: a message whose handler never returned, in as many lives as it may be tried, is not handed out again.
TEST(RouterRules, WhatEndsItsProcessIsPutAside) {
  scenario([](loop& l) -> task<void> {
    fixture f{l};
    for (int life = 0; life < 3; ++life) {
      const auto dies = (co_await f.bus.subscribe({}, {.group = "g", .patterns = {"orders.placed"}})).value();
      if (life == 0) co_await f.place("o");
      EXPECT_TRUE(dies->try_next());
    }
    router r{l, f.bus};
    r.use(retry{.immediate = 1, .max_attempts = 3});
    r.on(orders_placed, {.group = "g"}, f.note<order_placed>("h"));
    EXPECT_TRUE(co_await r.start({}));
    co_await f.wait(1s);
    EXPECT_TRUE(f.seen.empty());
    const auto dead = co_await f.dead();
    EXPECT_EQ(dead.size(), 1u);
    if (!dead.empty()) EXPECT_NE(dead[0].reason.find("did its process end?"), std::string::npos) << dead[0].reason;
    co_await f.place("other");
    co_await f.wait(1s);
    EXPECT_EQ(f.seen, strings{"h:other"});
    EXPECT_TRUE(co_await r.stop({}));
  });
}

struct throwing_stage {
  [[nodiscard]] stage wrap(stage, const middleware_wiring&) const {
    return [](const context&, incoming&) -> task<outcome> { throw 7; };
  }
};

// F13: whatever a handler or a middleware throws.
TEST(RouterRules, AnythingThrownIsAnInternalError) {
  for (const bool in_handler : {true, false})
    scenario([=](loop& l) -> task<void> {  // weft-style: closure outlives the coroutine
      fixture f{l};
      router r{l, f.bus};
      if (in_handler)
        r.use(retry{.immediate = 0, .max_attempts = 1});
      else
        r.use(throwing_stage{});
      r.on(orders_placed, {.group = "g"},
           [](const context&, const delivery<order_placed>&) -> task<result<>> { throw 7; });
      EXPECT_TRUE(co_await r.start({}));
      co_await f.place("o");
      co_await f.wait(1h);
      const auto dead = co_await f.dead();
      EXPECT_EQ(dead.size(), in_handler ? 1u : 0u);
      if (!dead.empty()) EXPECT_EQ(dead[0].failures.at(0).code, errc::internal);
      const auto left = (co_await f.bus.admin()->depths({})).value().at(0);
      EXPECT_EQ(left.ready + left.delayed + left.in_flight, in_handler ? 0u : 1u);  // it comes again
      EXPECT_TRUE(co_await r.stop({}));
    });
}

// F16: no delay is longer than max_delay, whatever the jitter.
TEST(RouterRules, NoDelayIsLongerThanItsMaximum) {
  scenario([](loop& l) -> task<void> {
    fixture f{l};
    router r{l, f.bus};
    r.use(retry{.immediate = 0, .max_attempts = 2, .first_delay = 10s, .max_delay = 10s, .jitter = 1});
    r.on(orders_placed, {.group = "g", .concurrency = 50}, f.note<order_placed>("h", unavailable));
    EXPECT_TRUE(co_await r.start({}));
    for (int i = 0; i < 50; ++i) co_await f.place(std::to_string(i));
    co_await f.wait(1h);
    EXPECT_EQ(f.at.size(), 100u);
    EXPECT_LE(f.at.back() - f.at.front(), 10s);
    EXPECT_TRUE(co_await r.stop({}));
  });
}

// F1: a topic that no group takes is no place for a dead letter.
TEST(RouterRules, ADeadLetterIsSomewhere) {
  scenario([](loop& l) -> task<void> {
    fixture f{l};
    router r{l, f.bus};
    r.use(dead_letter{"orders.dead"}).use(retry{.immediate = 0, .max_attempts = 1});
    r.on(orders_placed, {.group = "g"}, f.note<order_placed>("h", unavailable));
    EXPECT_TRUE(co_await r.start({}));
    co_await f.place("o");
    co_await f.wait(1h);
    const auto dead = co_await f.dead();
    EXPECT_EQ(dead.size(), 1u);
    if (!dead.empty()) {
      EXPECT_NE(dead[0].reason.find("no ledger"), std::string::npos) << dead[0].reason;
      EXPECT_NE(dead[0].reason.find("no group takes 'orders.dead'"), std::string::npos) << dead[0].reason;
    }
    EXPECT_EQ(f.seen.size(), 1u);
    EXPECT_TRUE(co_await r.stop({}));
  });
}

// F8: however long the error is, its dead letter arrives; and it arrives without the life that the message had left.
TEST(RouterRules, ALongErrorFitsWhereverItGoes) {
  scenario([](loop& l) -> task<void> {
    fixture f{l};
    router r{l, f.bus};
    r.use(dead_letter{"orders.dead"}).use(retry{.immediate = 0, .max_attempts = 1});
    const result<> said = fail(errc::not_found, std::string(140'000, 'x') + "\xc3");
    r.on(orders_placed, {.group = "g"}, f.note<order_placed>("h", said));
    const auto dead = (co_await f.bus.subscribe({}, {.group = "d", .patterns = {"orders.dead"}})).value();
    EXPECT_TRUE(co_await r.start({}));
    EXPECT_TRUE(co_await f.out.publish({}, orders_placed, {"o"}, {}, {.time_to_live = 5s}));
    co_await f.wait(1h);
    const auto letter = dead->try_next();
    EXPECT_TRUE(letter);
    if (!letter) co_return;
    EXPECT_EQ(letter->what->time_to_live, duration::zero());
    EXPECT_LE(letter->what->fields.get("weft-dead-letter-reason").size(), max_reason_bytes);
    EXPECT_TRUE(valid_utf8(letter->what->fields.get("weft-dead-letter-reason")));
    EXPECT_TRUE(co_await r.stop({}));
  });
}

// F8: the broker's own dead letters are bounded as well.
TEST(RouterRules, TheReasonOfADeadLetterIsBounded) {
  scenario([](loop& l) -> task<void> {
    fixture f{l};
    const auto c = (co_await f.bus.subscribe({}, {.group = "g", .patterns = {"orders.placed"}})).value();
    co_await f.place("o");
    settlement how{.what = settlement::kind::dead_letter, .reason = std::string(20'000, 'r'), .cause = error{errc::internal, std::string(20'000, 'c')}};
    EXPECT_TRUE(co_await c->settle({}, c->try_next()->tag, how));
    const auto dead = co_await f.dead();
    EXPECT_EQ(dead.size(), 1u);
    if (dead.empty()) co_return;
    EXPECT_EQ(dead[0].reason.size(), max_reason_bytes);
    EXPECT_EQ(dead[0].failures.at(0).what.size(), max_reason_bytes);
  });
}

// F2: two topics of one group, each to its own handler.
TEST(RouterRules, TopicsOfOneGroupGoToTheirOwnHandlers) {
  scenario([](loop& l) -> task<void> {
    fixture f{l};
    router r{l, f.bus};
    r.on(orders_placed, {.group = "g"}, f.note<order_placed>("placed"));
    r.on(orders_cancelled, {.group = "g", .concurrency = 3}, f.note<order_cancelled>("cancelled"));
    EXPECT_TRUE(co_await r.start({}));
    for (const auto* id : {"1", "2", "3", "4"}) {
      co_await f.place(id);
      EXPECT_TRUE(co_await f.out.publish({}, orders_cancelled, {id, "late"}));
    }
    co_await f.wait(1s);
    std::ranges::sort(f.seen);
    EXPECT_EQ(f.seen, (strings{"cancelled:1", "cancelled:2", "cancelled:3", "cancelled:4", "placed:1", "placed:2",
                               "placed:3", "placed:4"}));
    EXPECT_TRUE((co_await f.dead()).empty());
    EXPECT_TRUE(co_await r.stop({}));
  });
}

constexpr topic<order_placed> placed_of_all{.name = "orders", .type = "order.placed"};
constexpr topic<order_cancelled> cancelled_of_all{.name = "orders", .type = "order.cancelled"};

// F2: two types on one topic, in one group or in two: each handler gets its own.
TEST(RouterRules, TypesOfOneTopicGoToTheirOwnHandlers) {
  for (const auto* second : {"g", "other"})
    scenario([=](loop& l) -> task<void> {  // weft-style: closure outlives the coroutine
      fixture f{l};
      router r{l, f.bus};
      r.on(placed_of_all, {.group = "g"}, f.note<order_placed>("placed"));
      r.on(cancelled_of_all, {.group = second}, f.note<order_cancelled>("cancelled"));
      EXPECT_TRUE(co_await r.start({}));
      EXPECT_TRUE(co_await f.out.publish({}, placed_of_all, {"1"}));
      EXPECT_TRUE(co_await f.out.publish({}, cancelled_of_all, {"2", "late"}));
      co_await f.wait(1s);
      std::ranges::sort(f.seen);
      EXPECT_EQ(f.seen, (strings{"cancelled:2", "placed:1"}));
      for (const auto* group : {"g", second}) EXPECT_TRUE((co_await f.dead(group)).empty());
      EXPECT_TRUE(co_await r.stop({}));
    });
}

// F2: a type that nobody names is passed over or kept, as one asks for; the handler that names none gets the rest.
TEST(RouterRules, OtherTypesAreKeptWhereThatIsAskedFor) {
  scenario([](loop& l) -> task<void> {
    fixture f{l};
    router r{l, f.bus};
    r.on(placed_of_all, {.group = "g", .others = other_types::dead_letter}, f.note<order_placed>("placed"));
    r.on(placed_of_all, {.group = "h"}, f.note<order_placed>("placed"));
    r.on(topic<order_cancelled>{"orders"}, {.group = "h"}, f.note<order_cancelled>("any"));
    EXPECT_TRUE(co_await r.start({}));
    EXPECT_TRUE(co_await f.out.publish({}, cancelled_of_all, {"1", "late"}));
    EXPECT_TRUE(co_await f.out.publish({}, placed_of_all, {"2"}));
    co_await f.wait(1s);
    std::ranges::sort(f.seen);
    EXPECT_EQ(f.seen, (strings{"any:1", "placed:2", "placed:2"}));
    const auto dead = co_await f.dead();
    EXPECT_EQ(dead.size(), 1u);
    if (!dead.empty()) EXPECT_NE(dead[0].reason.find("order.cancelled"), std::string::npos) << dead[0].reason;
    EXPECT_TRUE(co_await r.stop({}));
  });
}

// F2: several handlers of one event, one after another.
TEST(RouterRules, HandlersOfOneEventAreCalledInOrder) {
  scenario([](loop& l) -> task<void> {
    fixture f{l};
    router r{l, f.bus};
    r.use(retry{.immediate = 0, .max_attempts = 2, .first_delay = 1s});
    r.on(orders_placed, {.group = "g"}, f.note<order_placed>("first"));
    r.on(orders_placed, {.group = "g"}, f.note<order_placed>("second", unavailable));
    r.on(orders_placed, {.group = "g"}, f.note<order_placed>("third"));
    EXPECT_TRUE(co_await r.start({}));
    co_await f.place("o");
    co_await f.wait(1h);
    EXPECT_EQ(f.seen, (strings{"first:o", "second:o", "first:o", "second:o"}));
    EXPECT_EQ((co_await f.dead()).size(), 1u);
    EXPECT_TRUE(co_await r.stop({}));
  });
}

// F2: what cannot be one subscription is refused; what a group was once asked for, and has no handler, is not lost.
TEST(RouterRules, AGroupIsOneSubscription) {
  scenario([](loop& l) -> task<void> {
    fixture f{l};
    router r{l, f.bus};
    r.on(orders_placed, {.group = "g"}, f.note<order_placed>("placed"));
    EXPECT_THROW(r.on(orders_cancelled, {.group = "g", .order = ordering::none}, f.note<order_cancelled>("c")),
                 std::invalid_argument);
    EXPECT_TRUE(co_await f.bus.subscribe({}, {.group = "g", .patterns = {"orders.cancelled"}}));
    EXPECT_TRUE(co_await r.start({}));
    EXPECT_TRUE(co_await f.out.publish({}, orders_cancelled, {"1", "late"}));
    co_await f.wait(1s);
    EXPECT_TRUE(f.seen.empty());
    const auto dead = co_await f.dead();
    EXPECT_EQ(dead.size(), 1u);
    if (!dead.empty()) EXPECT_NE(dead[0].reason.find("takes the topic 'orders.cancelled'"), std::string::npos);
    EXPECT_TRUE(co_await r.stop({}));
  });
}

// A dead letter that finds no room: the message comes again later, and that was no attempt.
TEST(RouterRules, WhatCannotBePutAsideComesAgain) {
  scenario([](loop& l) -> task<void> {
    fixture f{l, {.max_dead_letters = 1}};
    std::vector<std::uint32_t> attempts;
    router r{l, f.bus};
    r.use(retry{.immediate = 0, .max_attempts = 1});
    r.on(orders_placed, {.group = "g"},
         [&](const context&, const delivery<order_placed>& d) -> task<result<>> {  // weft-style: closure outlives the coroutine
           attempts.push_back(d.attempt);
           co_return fail(errc::unavailable, "no ledger");
         });
    EXPECT_TRUE(co_await r.start({}));
    co_await f.place("1");
    co_await f.place("2");
    co_await f.wait(40s);
    EXPECT_EQ(attempts, (std::vector<std::uint32_t>{1, 1, 1}));
    EXPECT_TRUE(co_await f.bus.admin()->purge({}, "g", {}));
    co_await f.wait(1min);
    EXPECT_EQ((co_await f.dead()).size(), 1u);
    EXPECT_EQ(attempts, (std::vector<std::uint32_t>{1, 1, 1, 1}));
    EXPECT_TRUE(co_await r.stop({}));
  });
}

// The event that is being handled goes on in what it causes.
TEST(RouterRules, ACauseGivesItsCorrelation) {
  scenario([](loop& l) -> task<void> {
    fixture f{l};
    event cause{.id = "7", .source = "/shop", .type = "x"};
    cause.set(extension::correlationid, "c-1");
    const event_view view{cause};
    const auto made = f.out.prepare({}, orders_placed, {"o"}, {}, {.cause = &view}).value();
    EXPECT_EQ(to_event(made.what)->get(extension::correlationid), "c-1");
    EXPECT_EQ(to_event(made.what)->get(extension::causationid), "7");
    co_return;
  });
}

// A broker whose consumers cannot settle for a while, and that cannot delay.
class stubborn_broker final : public broker {
 public:
  stubborn_broker(broker& b, feature_set lacks) : broker_{b}, features_{b.features()} {
    features_.set = features_.set.without(lacks);
  }
  int failures = 0, settled = 0;

  const broker_features& features() const noexcept override { return features_; }
  task<std::vector<result<>>> publish(context ctx, std::vector<outgoing> batch) override {
    return broker_.publish(std::move(ctx), std::move(batch));
  }
  task<result<std::unique_ptr<consumer>>> subscribe(context ctx, subscription what) override {
    WEFT_CO_TRY(auto made, co_await broker_.subscribe(std::move(ctx), std::move(what)));
    co_return std::make_unique<own>(*this, std::move(made));
  }
  task<void> close(context) override { co_return; }

 private:
  class own final : public consumer {
   public:
    own(stubborn_broker& b, std::unique_ptr<consumer> c) : broker_{b}, consumer_{std::move(c)} {}
    task<result<std::optional<raw_delivery>>> next(context ctx) override { return consumer_->next(std::move(ctx)); }
    std::optional<raw_delivery> try_next() override { return consumer_->try_next(); }
    task<result<>> settle(context ctx, delivery_tag tag, settlement how) override {
      if (broker_.failures-- > 0) co_return fail(errc::unavailable, "an alarm");
      ++broker_.settled;
      co_return co_await consumer_->settle(std::move(ctx), tag, std::move(how));
    }
    task<result<>> stop(context ctx) override { return consumer_->stop(std::move(ctx)); }

   private:
    stubborn_broker& broker_;
    std::unique_ptr<consumer> consumer_;
  };
  broker& broker_;
  broker_features features_;
};

// A5, F8: a settlement that fails is repeated until it is one, and the next message comes.
TEST(RouterRules, ASettlementThatFailsEndsInSomething) {
  for (const bool succeeds : {true, false})
    scenario([=](loop& l) -> task<void> {  // weft-style: closure outlives the coroutine
      fixture f{l};
      stubborn_broker alarm{f.bus, {}};
      alarm.failures = 5;
      router r{l, alarm};
      r.use(retry{.immediate = 0, .max_attempts = 1});
      r.on(orders_placed, {.group = "g", .prefetch = 1},
           f.note<order_placed>("h", succeeds ? result<>{} : unavailable));
      EXPECT_TRUE(co_await r.start({}));
      co_await f.place("1");
      co_await f.place("2");
      co_await f.wait(1h);
      EXPECT_TRUE(std::ranges::find(f.seen, "h:2") != f.seen.end());
      EXPECT_EQ((co_await f.bus.admin()->depths({})).value().at(0).in_flight, 0u);
      EXPECT_EQ((co_await f.dead()).size(), succeeds ? 0u : 2u);
      EXPECT_TRUE(co_await r.stop({}));
    });
}

// Without feature::delay the router waits by itself; one that stops does not begin to.
TEST(RouterRules, ARetryWhileItStopsGoesBackAtOnce) {
  scenario([](loop& l) -> task<void> {
    fixture f{l};
    stubborn_broker poor{f.bus, {feature::delay}};
    router r{l, poor};
    int calls = 0;
    r.use(retry{.immediate = 0, .first_delay = 1h, .max_delay = 1h});
    r.on(orders_placed, {.group = "g"},
         [&](const context& ctx, const delivery<order_placed>&) -> task<result<>> {  // weft-style: closure outlives the coroutine
           ++calls;
           static_cast<void>(co_await sleep(l, ctx, 5s));
           co_return fail(errc::unavailable, "later");
         });
    EXPECT_TRUE(co_await r.start({}));
    co_await f.place("o");
    co_await f.wait(1s);
    const auto began = l.now();
    EXPECT_TRUE(co_await r.stop(context{}.with_timeout(l, 1min)));
    EXPECT_LT(l.now() - began, 10s);
    EXPECT_EQ(calls, 1);
    const auto left = (co_await f.bus.admin()->depths({})).value().at(0);
    EXPECT_EQ(left.ready + left.delayed, 1u);
  });
}

}  // namespace
}  // namespace weft::messaging
