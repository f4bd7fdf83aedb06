// Publishers and routers over memory:, in virtual time.
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

struct order_placed {
  std::string order;
  std::int64_t cents = 0;
};
BOOST_DESCRIBE_STRUCT(order_placed, (), (order, cents))
constexpr topic<order_placed> orders_placed{"orders.placed.v1"};

using strings = std::vector<std::string>;

struct bench {
  explicit bench(loop& where) : l{where}, bus{l, std::make_shared<memory_hub>()}, out{l, bus, {.source = "/shop"}} {}

  task<void> place(std::string order, std::string key = {}) {
    const auto sent = co_await out.publish({}, orders_placed, {order, 100}, key);
    EXPECT_TRUE(sent) << sent.error().describe();
  }
  task<void> wait(duration time) { EXPECT_TRUE(co_await sleep(l, {}, time)); }
  task<std::vector<dead_letter_entry>> dead(std::string group) {
    co_return (co_await bus.admin()->dead_letters({}, {.group = group})).value();
  }
  task<std::uint64_t> waiting(std::string group) {
    for (const auto& d : (co_await bus.admin()->depths({})).value())
      if (d.group == group) co_return d.ready + d.in_flight + d.delayed;
    co_return 0;
  }

  loop& l;
  memory_broker bus;
  publisher out;
};

// A handler that says what the test tells it to.
struct script {
  std::function<result<>(const delivery<order_placed>&)> say = [](const auto&) { return result<>{}; };
  duration takes{};
  strings seen{};
  std::size_t at_once = 0, most_at_once = 0;

  task<result<>> handle(loop& l, const context& ctx, const delivery<order_placed>& d) {
    most_at_once = std::max(most_at_once, ++at_once);
    const auto id = d.event.order;
    auto said = say(d);
    result<> waited;
    if (takes > duration::zero()) waited = co_await sleep(l, ctx, takes);
    --at_once;
    if (!waited) co_return waited;
    seen.push_back(id);
    co_return said;
  }
  auto on(loop& l) {
    return [this, &l](const context& ctx, const delivery<order_placed>& d) { return handle(l, ctx, d); };
  }
};

template <class Scenario>
void scenario(Scenario body) {
  testkit::run([&](loop& l) { return body(l); });
}

TEST(Router, HandsTypedEventsToItsHandlers) {
  scenario([](loop& l) -> task<void> {
    bench b{l};
    script billing;
    event envelope;
    billing.say = [&](const delivery<order_placed>& d) {
      envelope = d.envelope.copy();
      EXPECT_EQ(d.event.cents, 100);
      EXPECT_EQ(d.attempt, 1u);
      return result<>{};
    };
    router r{l, b.bus};
    r.on(orders_placed, {.group = "billing"}, billing.on(l));
    EXPECT_TRUE(co_await r.start({}));
    const auto ctx =
        context{}.with_correlation_id("c-1").with_identity({.subject = "u", .roles = {}, .tenant = "acme"});
    EXPECT_TRUE(co_await b.out.publish(ctx, orders_placed, {"o-1", 100}, "o-1"));
    co_await b.wait(1s);
    EXPECT_EQ(billing.seen, strings{"o-1"});
    EXPECT_EQ(envelope.source, "/shop");
    EXPECT_EQ(envelope.type, "orders.placed.v1");
    EXPECT_EQ(envelope.get(extension::correlationid), "c-1");
    EXPECT_EQ(envelope.get(extension::tenant), "acme");
    EXPECT_EQ(envelope.get(extension::partitionkey), "o-1");
    EXPECT_EQ(uuid::parse(envelope.id).value().version(), 7);
    EXPECT_TRUE(co_await r.stop({}));
    EXPECT_EQ(co_await b.waiting("billing"), 0u);
  });
}

TEST(Router, RetriesAtOnceThenLaterThenGivesUp) {
  scenario([](loop& l) -> task<void> {
    bench b{l};
    script s;
    std::vector<std::uint32_t> attempts;
    s.say = [&](const delivery<order_placed>& d) -> result<> {
      attempts.push_back(d.attempt);
      return fail(errc::unavailable, "no ledger");
    };
    router r{l, b.bus};
    r.use(retry{.immediate = 1, .max_attempts = 5, .first_delay = 10s, .jitter = 0});
    r.on(orders_placed, {.group = "g"}, s.on(l));
    EXPECT_TRUE(co_await r.start({}));
    co_await b.place("o");
    co_await b.wait(5s);
    EXPECT_EQ(attempts, (std::vector<std::uint32_t>{1, 1}));
    co_await b.wait(10s);
    EXPECT_EQ(attempts, (std::vector<std::uint32_t>{1, 1, 2, 2}));
    co_await b.wait(60s);
    EXPECT_EQ(attempts, (std::vector<std::uint32_t>{1, 1, 2, 2, 3}));
    const auto dead = co_await b.dead("g");
    EXPECT_EQ(dead.size(), 1u);
    if (dead.empty()) co_return;
    EXPECT_EQ(dead[0].reason, "unavailable: no ledger");
    EXPECT_EQ(dead[0].failures.size(), 3u);
    EXPECT_TRUE(co_await r.stop({}));
  });
}

TEST(Router, WhatCannotSucceedIsNotRetried) {
  scenario([](loop& l) -> task<void> {
    bench b{l};
    script s;
    s.say = [](const auto&) -> result<> { return fail(errc::invalid_argument, "no such currency"); };
    router r{l, b.bus};
    r.on(orders_placed, {.group = "g"}, s.on(l));
    EXPECT_TRUE(co_await r.start({}));
    co_await b.place("o");
    co_await b.wait(1s);
    EXPECT_EQ(s.seen.size(), 1u);
    EXPECT_EQ((co_await b.dead("g")).size(), 1u);
    EXPECT_TRUE(co_await r.stop({}));
  });
}

TEST(Router, PoisonGoesStraightToTheDeadLetters) {
  scenario([](loop& l) -> task<void> {
    bench b{l};
    script s;
    router r{l, b.bus};
    r.on(orders_placed, {.group = "g"}, s.on(l));
    EXPECT_TRUE(co_await r.start({}));
    EXPECT_TRUE(co_await publish_one(b.bus, {}, {.what = {.id = "1", .topic = "orders.placed.v1", .body = "hello"}}));
    EXPECT_TRUE(co_await b.out.publish_json({}, "orders.placed.v1", "x", 1, R"({"order":7,"cents":1})", "", {}));
    co_await b.wait(1s);
    EXPECT_TRUE(s.seen.empty());
    const auto dead = co_await b.dead("g");
    EXPECT_EQ(dead.size(), 2u);
    if (dead.size() != 2) co_return;
    EXPECT_EQ(dead[0].reason.substr(0, 22), "unreadable: no event: ") << dead[0].reason;
    EXPECT_EQ(dead[1].reason, "unreadable: $.order: expected a string, got a number");
    EXPECT_TRUE(co_await r.stop({}));
  });
}

TEST(Router, PutsDeadLettersOnATopicWithTheirStory) {
  scenario([](loop& l) -> task<void> {
    bench b{l};
    script s;
    s.say = [](const auto&) -> result<> { return fail(errc::not_found, "user 7"); };
    router r{l, b.bus};
    r.use(dead_letter{"orders.dead"}).use(retry{.immediate = 0, .max_attempts = 2, .first_delay = 1s});
    r.on(orders_placed, {.group = "g"}, s.on(l));
    auto dead = (co_await b.bus.subscribe({}, {.group = "d", .patterns = {"orders.dead"}})).value();
    EXPECT_TRUE(co_await r.start({}));
    co_await b.place("o", "k");
    const auto letter = (co_await dead->next(context{}.with_timeout(l, 10s))).value();
    EXPECT_TRUE(letter);
    if (!letter) co_return;
    const auto& fields = letter->what->fields;
    EXPECT_EQ(letter->what->body, R"({"order":"o","cents":100})");
    EXPECT_EQ(fields.get("ce-source"), "/shop");
    EXPECT_EQ(fields.get("weft-dead-letter-reason"), "not_found: user 7");
    EXPECT_EQ(fields.get("weft-dead-letter-group"), "g");
    EXPECT_EQ(fields.get("weft-dead-letter-topic"), "orders.placed.v1");
    EXPECT_EQ(fields.get("weft-dead-letter-attempts"), "2");
    const auto failures = parse_failures(fields.get("weft-dead-letter-failures"));
    EXPECT_EQ(failures.size(), 2u);
    co_await b.wait(1s);
    EXPECT_EQ(co_await b.waiting("g"), 0u);
    EXPECT_TRUE(co_await r.stop({}));
  });
}

TEST(Router, HandlesADuplicateOnce) {
  scenario([](loop& l) -> task<void> {
    bench b{l};
    script s;
    s.takes = 1s;
    router r{l, b.bus};
    r.use(deduplicate{.window = 10min});
    r.on(orders_placed, {.group = "g", .concurrency = 4}, s.on(l));
    EXPECT_TRUE(co_await r.start({}));
    for (int i = 0; i < 3; ++i) EXPECT_TRUE(co_await b.out.publish({}, orders_placed, {"o", 1}, {}, {.id = "same"}));
    co_await b.wait(10s);
    EXPECT_EQ(s.seen, strings{"o"});
    co_await b.wait(11min);
    EXPECT_TRUE(co_await b.out.publish({}, orders_placed, {"o", 1}, {}, {.id = "same"}));
    co_await b.wait(10s);
    EXPECT_EQ(s.seen.size(), 2u) << "beyond the window it counts as new";
    EXPECT_TRUE(co_await r.stop({}));
  });
}

TEST(Router, AFailedMessageIsNoDuplicateOfItself) {
  scenario([](loop& l) -> task<void> {
    bench b{l};
    script s;
    s.say = [&](const delivery<order_placed>& d) -> result<> {
      if (d.attempt < 3) return fail(errc::unavailable, "later");
      return {};
    };
    router r{l, b.bus};
    r.use(deduplicate{}).use(retry{.immediate = 0, .first_delay = 1s});
    r.on(orders_placed, {.group = "g"}, s.on(l));
    EXPECT_TRUE(co_await r.start({}));
    co_await b.place("o");
    co_await b.wait(30s);
    EXPECT_EQ(s.seen.size(), 3u);
    EXPECT_EQ(co_await b.waiting("g"), 0u);
    EXPECT_TRUE(co_await r.stop({}));
  });
}

TEST(Router, RunsKeysBesideEachOtherAndOneKeyInOrder) {
  scenario([](loop& l) -> task<void> {
    bench b{l};
    script s;
    s.takes = 1s;
    router r{l, b.bus};
    r.on(orders_placed, {.group = "g", .concurrency = 3}, s.on(l));
    EXPECT_TRUE(co_await r.start({}));
    for (const auto* id : {"a1", "a2", "b1", "b2", "c1", "d1"}) co_await b.place(id, std::string(1, id[0]));
    co_await b.wait(10s);
    EXPECT_EQ(s.most_at_once, 3u);
    EXPECT_EQ(s.seen.size(), 6u);
    const auto place = [&](std::string_view id) { return std::ranges::find(s.seen, id) - s.seen.begin(); };
    EXPECT_LT(place("a1"), place("a2"));
    EXPECT_LT(place("b1"), place("b2"));
    EXPECT_TRUE(co_await r.stop({}));
  });
}

TEST(Router, LimitsTheRate) {
  scenario([](loop& l) -> task<void> {
    bench b{l};
    script s;
    router r{l, b.bus};
    r.use(rate{.per_second = 2, .burst = 3});
    r.on(orders_placed, {.group = "g"}, s.on(l));
    EXPECT_TRUE(co_await r.start({}));
    for (int i = 0; i < 9; ++i) co_await b.place(std::to_string(i));
    co_await b.wait(100ms);
    EXPECT_EQ(s.seen.size(), 3u);
    co_await b.wait(1s);
    EXPECT_EQ(s.seen.size(), 5u);
    co_await b.wait(10s);
    EXPECT_EQ(s.seen.size(), 9u);
    EXPECT_TRUE(co_await r.stop({}));
  });
}

TEST(Router, InAnOutageOneMessageIsTriedAtATime) {
  scenario([](loop& l) -> task<void> {
    bench b{l};
    script s;
    bool down = true;
    int calls = 0;
    s.say = [&](const auto&) -> result<> {
      ++calls;
      if (down) return fail(errc::unavailable, "the ledger is down");
      return {};
    };
    router r{l, b.bus};
    r.use(outage_mode{.after = 4, .probe_every = 10s}).use(retry{.immediate = 0, .max_attempts = 3, .first_delay = 1s});
    r.on(orders_placed, {.group = "g", .concurrency = 4}, s.on(l));
    EXPECT_TRUE(co_await r.start({}));
    for (int i = 0; i < 20; ++i) co_await b.place(std::to_string(i));
    co_await b.wait(1h);
    EXPECT_LT(calls, 4 + 4 + 360 + 10);
    EXPECT_GT(calls, 300);
    EXPECT_TRUE((co_await b.dead("g")).empty()) << "an outage costs no message its attempts";
    down = false;
    s.seen.clear();
    co_await b.wait(1min);
    EXPECT_EQ(s.seen.size(), 20u);
    EXPECT_TRUE(co_await r.stop({}));
  });
}

TEST(Router, ATimeoutEndsTheHandlersContext) {
  scenario([](loop& l) -> task<void> {
    bench b{l};
    script s;
    s.takes = 1h;
    router r{l, b.bus};
    r.use(retry{.immediate = 0, .max_attempts = 1}).use(timeout{.after = 5s});
    r.on(orders_placed, {.group = "g"}, s.on(l));
    EXPECT_TRUE(co_await r.start({}));
    co_await b.place("o");
    co_await b.wait(6s);
    const auto dead = co_await b.dead("g");
    EXPECT_EQ(dead.size(), 1u);
    if (!dead.empty()) EXPECT_EQ(dead[0].failures.at(0).code, errc::deadline_exceeded);
    EXPECT_TRUE(co_await r.stop({}));
  });
}

TEST(Router, StopsWhenWhatIsBeingHandledIsDone) {
  scenario([](loop& l) -> task<void> {
    bench b{l};
    script s;
    s.takes = 5s;
    router r{l, b.bus};
    r.on(orders_placed, {.group = "g", .concurrency = 2, .prefetch = 10}, s.on(l));
    EXPECT_TRUE(co_await r.start({}));
    for (int i = 0; i < 10; ++i) co_await b.place(std::to_string(i));
    co_await b.wait(1s);
    EXPECT_TRUE(co_await r.stop(context{}.with_timeout(l, 20s)));
    EXPECT_EQ(s.seen.size(), 2u);
    EXPECT_EQ(co_await b.waiting("g"), 8u) << "the rest was given back";
  });
}

TEST(Router, StopGivesUpOnHandlersThatTakeTooLong) {
  scenario([](loop& l) -> task<void> {
    bench b{l};
    script s;
    s.takes = 1h;
    router r{l, b.bus};
    r.on(orders_placed, {.group = "g"}, s.on(l));
    EXPECT_TRUE(co_await r.start({}));
    co_await b.place("o");
    co_await b.wait(1s);
    const auto stopped = co_await r.stop(context{}.with_timeout(l, 2s));
    EXPECT_FALSE(stopped);
    if (!stopped) EXPECT_EQ(stopped.error().message(), "1 messages were not finished in time, and given back");
    EXPECT_EQ(co_await b.waiting("g"), 1u);
    auto again = (co_await b.bus.subscribe({}, {.group = "g", .patterns = {"orders.placed.v1"}})).value();
    EXPECT_EQ(again->try_next()->attempt, 1u) << "what was given back is no attempt";
  });
}

TEST(Router, AnExceptionIsAnInternalError) {
  scenario([](loop& l) -> task<void> {
    bench b{l};
    script s;
    s.say = [](const auto&) -> result<> { throw std::runtime_error{"oops"}; };
    router r{l, b.bus};
    r.use(retry{.immediate = 0, .max_attempts = 1});
    r.on(orders_placed, {.group = "g"}, s.on(l));
    EXPECT_TRUE(co_await r.start({}));
    co_await b.place("o");
    co_await b.wait(1s);
    const auto dead = co_await b.dead("g");
    EXPECT_EQ(dead.size(), 1u);
    if (!dead.empty()) EXPECT_EQ(dead[0].reason, "internal: the handler threw: oops");
    EXPECT_TRUE(co_await r.stop({}));
  });
}

TEST(Router, AFailureMayParkItsWholeKey) {
  scenario([](loop& l) -> task<void> {
    bench b{l};
    script s;
    bool broken = true;
    s.say = [&](const delivery<order_placed>& d) -> result<> {
      if (broken && d.event.order == "a1") return fail(errc::invalid_argument, "bad");
      return {};
    };
    router r{l, b.bus};
    r.use(dead_letter{.scope = dead_letter_scope::key});
    r.on(orders_placed, {.group = "g", .concurrency = 2}, s.on(l));
    EXPECT_TRUE(co_await r.start({}));
    for (const auto* id : {"a1", "a2", "b1", "a3"}) co_await b.place(id, std::string(1, id[0]));
    co_await b.wait(1s);
    EXPECT_EQ(s.seen, (strings{"a1", "b1"}));
    broken = false;
    s.seen.clear();
    EXPECT_EQ(co_await b.bus.admin()->replay({}, "g", {}), 3u);
    co_await b.wait(1s);
    EXPECT_EQ(s.seen, (strings{"a1", "a2", "a3"}));
    EXPECT_TRUE(co_await r.stop({}));
  });
}

TEST(Router, CarriesTheTraceFromPublisherToHandler) {
  scenario([](loop& l) -> task<void> {
    bench b{l};
    observe::memory_spans spans;
    const observe::tracer tracer{l, spans, {.service = "shop"}};
    publisher out{l, b.bus, {.source = "/shop", .tracer = &tracer}};
    script s;
    router r{l, b.bus, {.tracer = &tracer}};
    r.on(orders_placed, {.group = "g"}, s.on(l));
    EXPECT_TRUE(co_await r.start({}));
    EXPECT_TRUE(co_await out.publish({}, orders_placed, {"o", 1}));
    co_await b.wait(1s);
    const auto* sent = spans.find("publish orders.placed.v1");
    const auto* handled = spans.find("process orders.placed.v1");
    EXPECT_TRUE(sent != nullptr && handled != nullptr);
    if (sent == nullptr || handled == nullptr) co_return;
    EXPECT_EQ(handled->position.trace_id, sent->position.trace_id);
    EXPECT_EQ(handled->parent_id, sent->position.span_id);
    EXPECT_EQ(handled->kind, observe::span_kind::consumer);
    EXPECT_TRUE(co_await r.stop({}));
  });
}

// A broker that lacks most, over one that has it.
class poor_broker final : public broker {
 public:
  poor_broker(broker& b, feature_set has) : broker_{b}, features_{.broker = "poor", .set = has} {}
  const broker_features& features() const noexcept override { return features_; }
  task<std::vector<result<>>> publish(context ctx, std::vector<outgoing> batch) override {
    return broker_.publish(std::move(ctx), std::move(batch));
  }
  task<result<std::unique_ptr<consumer>>> subscribe(context ctx, subscription what) override {
    what.order = ordering::none;  // the keys are the router's to keep in order
    return broker_.subscribe(std::move(ctx), std::move(what));
  }
  task<void> close(context) override { co_return; }

 private:
  broker& broker_;
  broker_features features_;
};

TEST(Router, SaysAtItsStartWhatTheBrokerLacks) {
  scenario([](loop& l) -> task<void> {
    bench b{l};
    poor_broker poor{b.bus, {}};
    script s;
    router r{l, poor, {.name = "router 'billing'"}};
    r.on(orders_placed, {.group = "g", .patterns = {"orders.#"}}, s.on(l));
    const auto refused = co_await r.start({});
    EXPECT_FALSE(refused);
    if (!refused)
      EXPECT_EQ(refused.error().message(),
                "router 'billing' needs dead_letter, topic_patterns, which the broker poor lacks");
    EXPECT_THROW((publisher{l, poor, {.needs = {feature::delay}}}), std::invalid_argument);
    const publisher out{l, poor};
    EXPECT_EQ(out.prepare({}, orders_placed, {"o", 1}, {}, {.delay = 1s}).error().message(),
              "publishing to orders.placed.v1 needs delay, which the broker poor lacks");
  });
}

TEST(Router, KeepsAKeyInOrderWhereTheBrokerDoesNot) {
  scenario([](loop& l) -> task<void> {
    bench b{l};
    poor_broker poor{b.bus, {feature::dead_letter}};
    script s;
    std::vector<std::pair<std::string, std::uint32_t>> calls;
    s.say = [&](const delivery<order_placed>& d) -> result<> {
      calls.emplace_back(d.event.order, d.attempt);
      if (d.event.order == "a1" && d.attempt < 3) return fail(errc::unavailable, "later");
      return {};
    };
    router r{l, poor};
    r.use(retry{.immediate = 0, .first_delay = 10s, .factor = 1, .jitter = 0});
    r.on(orders_placed, {.group = "g", .concurrency = 2}, s.on(l));
    EXPECT_TRUE(co_await r.start({}));
    for (const auto* id : {"a1", "a2", "b1", "b2"}) co_await b.place(id, std::string(1, id[0]));
    co_await b.wait(5s);
    EXPECT_EQ(calls.size(), 3u);
    co_await b.wait(60s);
    using call = std::pair<std::string, std::uint32_t>;
    EXPECT_EQ(calls, (std::vector<call>{{"a1", 1}, {"b1", 1}, {"b2", 1}, {"a1", 2}, {"a1", 3}, {"a2", 1}}));
    EXPECT_EQ(co_await b.waiting("g"), 0u);
    EXPECT_TRUE(co_await r.stop({}));
  });
}

struct order_v1 {
  std::string id;
  int dollars = 0;
};
BOOST_DESCRIBE_STRUCT(order_v1, (), (id, dollars))
struct order_v2 {
  std::string order;
  int dollars = 0;
};
BOOST_DESCRIBE_STRUCT(order_v2, (), (order, dollars))

TEST(Router, UpcastsOldEvents) {
  scenario([](loop& l) -> task<void> {
    bench b{l};
    upcasters old;
    old.add<order_v1, order_v2>("orders.placed", 1,
                                [](order_v1 o) -> result<order_v2> { return order_v2{o.id, o.dollars}; });
    old.add_json("orders.placed", 2, [](json::value v) -> result<json::value> {
      auto& o = v.as_object();
      o["cents"] = o["dollars"].as_int64() * 100;
      return v;
    });
    EXPECT_THROW(old.add_json("orders.placed", 2, {}), std::invalid_argument);
    std::vector<std::int64_t> cents;
    script s;
    s.say = [&](const delivery<order_placed>& d) {
      cents.push_back(d.event.cents);
      return result<>{};
    };
    router r{l, b.bus, {.upcast = &old}};
    r.on(topic<order_placed>{"orders", 3, "orders.placed"}, {.group = "g"}, s.on(l));
    EXPECT_TRUE(co_await r.start({}));
    const auto send = [&](std::uint32_t version, std::string data) {
      return b.out.publish_json({}, "orders", "orders.placed", version, std::move(data), {}, {});
    };
    EXPECT_TRUE(co_await send(1, R"({"id":"a","dollars":1})"));
    EXPECT_TRUE(co_await send(2, R"({"order":"b","dollars":2})"));
    EXPECT_TRUE(co_await send(3, R"({"order":"c","cents":300})"));
    EXPECT_TRUE(co_await send(4, R"({"order":"d","cents":400,"note":"from the future"})"));
    EXPECT_TRUE(co_await send(1, R"({"dollars":1})"));
    co_await b.wait(1s);
    EXPECT_EQ(s.seen, (strings{"a", "b", "c", "d"}));
    EXPECT_EQ(cents, (std::vector<std::int64_t>{100, 200, 300, 400}));
    const auto dead = co_await b.dead("g");
    EXPECT_EQ(dead.size(), 1u);
    if (!dead.empty())
      EXPECT_NE(dead[0].reason.find("orders.placed from version 1: $.id"), std::string::npos) << dead[0].reason;
    EXPECT_TRUE(co_await r.stop({}));
  });
}

}  // namespace
}  // namespace weft::messaging
