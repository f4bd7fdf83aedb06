// Messages that wait for a broker which is away, in virtual time.
#include <weft/messaging/memory_broker.hpp>
#include <weft/messaging/publish_queue.hpp>
#include <weft/observe/log.hpp>
#include <weft/runtime/sleep.hpp>
#include <weft/testkit/run.hpp>

#include <gtest/gtest.h>
#include <boost/describe/class.hpp>

#include <set>

namespace weft::messaging {
namespace {

using namespace std::chrono_literals;

struct order_placed {
  std::string order;
};
BOOST_DESCRIBE_STRUCT(order_placed, (), (order))
constexpr topic<order_placed> orders_placed{"orders.placed"};

using strings = std::vector<std::string>;

// Says for each message what becomes of it; those it takes it keeps.
class moody_broker final : public broker {
 public:
  std::function<result<>(const message&)> say = [](const message&) { return result<>{}; };
  strings taken;
  std::size_t calls = 0, largest = 0;

  [[nodiscard]] const broker_features& features() const noexcept override { return features_; }
  task<std::vector<result<>>> publish(context, std::vector<outgoing> batch) override {
    ++calls;
    largest = std::max(largest, batch.size());
    std::vector<result<>> results;
    for (const auto& each : batch) {
      results.push_back(say(each.what));
      if (results.back()) taken.push_back(each.what.id);
    }
    co_return results;
  }
  task<result<std::unique_ptr<consumer>>> subscribe(context, subscription) override {
    co_return fail(errc::unimplemented, "nobody subscribes");
  }
  task<void> close(context) override { co_return; }

 private:
  broker_features features_{.broker = "moody"};
};

struct bench {
  explicit bench(loop& where, publish_queue_options options = {})
      : l{where}, out{l, bus, {.source = "/shop"}}, queue{l, out, std::move(options)} {}
  result<> add(std::string id, std::string key = {}) {
    return queue.add(out.prepare({}, orders_placed, {"o"}, key, {.id = std::move(id)}).value());
  }
  task<void> wait(duration time) { EXPECT_TRUE(co_await sleep(l, {}, time)); }

  loop& l;
  moody_broker bus;
  publisher out;
  publish_queue queue;
};

template <class Scenario>
void scenario(Scenario body) {
  testkit::run([&](loop& l) { return body(l); });
}

TEST(PublishQueue, PublishesInTheBackgroundAndInBatches) {
  scenario([](loop& l) -> task<void> {
    bench b{l, {.batch = 2}};
    for (const auto* id : {"1", "2", "3", "4", "5"}) EXPECT_TRUE(b.add(id));
    EXPECT_TRUE(b.bus.taken.empty());
    EXPECT_TRUE(co_await b.queue.flush(context{}.with_timeout(l, 1s)));
    EXPECT_EQ(b.bus.taken, (strings{"1", "2", "3", "4", "5"}));
    EXPECT_EQ(b.bus.calls, 3u);
    EXPECT_EQ(b.queue.size(), 0u);
    EXPECT_TRUE(b.add("6"));  // and goes on
    co_await b.wait(1s);
    EXPECT_EQ(b.bus.taken.back(), "6");
  });
}

TEST(PublishQueue, RepeatsWhatIsNotTakenUnderTheSameIdAfterGrowingPauses) {
  scenario([](loop& l) -> task<void> {
    observe::memory_log lines;
    observe::logger log{l, std::shared_ptr<observe::log_sink>{&lines, [](auto*) {}}, {.service = "t"}};
    bench b{l, {.first_delay = 1s, .max_delay = 4s, .log = &log}};
    b.bus.say = [](const message&) -> result<> { return fail(errc::unavailable, "no connection"); };
    EXPECT_TRUE(b.add("1"));
    co_await b.wait(10500ms);  // at 0, 1, 3, 7
    EXPECT_EQ(b.bus.calls, 4u);
    EXPECT_EQ(lines.find("the broker takes no messages")->field("waiting"), "1");
    b.bus.say = [](const message&) { return result<>{}; };
    co_await b.wait(1s);
    EXPECT_EQ(b.bus.taken, strings{"1"});
  });
}

TEST(PublishQueue, KeepsTheOrderOfAKeyAndHoldsUpNoOther) {
  scenario([](loop& l) -> task<void> {
    bench b{l};
    bool away = true;
    b.bus.say = [&](const message& m) -> result<> {
      if (m.key == "a" && away) return fail(errc::unavailable, "not now");
      return {};
    };
    EXPECT_TRUE(b.add("a1", "a"));
    EXPECT_TRUE(b.add("b1", "b"));
    EXPECT_TRUE(b.add("a2", "a"));
    co_await b.wait(5s);
    EXPECT_EQ(b.bus.taken, strings{"b1"});
    away = false;
    EXPECT_TRUE(co_await b.queue.flush(context{}.with_timeout(l, 20s)));
    EXPECT_EQ(b.bus.taken, (strings{"b1", "a1", "a2"}));
  });
}

TEST(PublishQueue, DropsWhatTheBrokerRefusesForGoodAndSaysSo) {
  scenario([](loop& l) -> task<void> {
    observe::memory_log lines;
    observe::registry metrics;
    observe::logger log{l, std::shared_ptr<observe::log_sink>{&lines, [](auto*) {}}, {.service = "t"}};
    bench b{l, {.name = "orders", .log = &log, .metrics = &metrics}};
    b.bus.say = [](const message& m) -> result<> {
      if (m.id == "2") return fail(errc::permission_denied, "not on this topic");
      return {};
    };
    for (const auto* id : {"1", "2", "3"}) EXPECT_TRUE(b.add(id));
    EXPECT_TRUE(co_await b.queue.flush(context{}.with_timeout(l, 1s)));
    EXPECT_EQ(b.bus.taken, (strings{"1", "3"}));
    const auto* line = lines.find("a message was refused by the broker, and dropped");
    EXPECT_NE(line, nullptr);
    if (line == nullptr) co_return;
    EXPECT_EQ(line->field("message"), "2");
    EXPECT_EQ(line->field("problem"), "permission_denied: not on this topic");
    const auto shown = metrics.expose();
    EXPECT_TRUE(shown.contains("weft_messaging_publish_queue_refused_total{queue=\"orders\"} 1")) << shown;
    EXPECT_TRUE(shown.contains("weft_messaging_publish_queue_messages{queue=\"orders\"} 0")) << shown;
  });
}

// A15: what is too large for the broker never fits; a full broker or disk has room again in the end.
TEST(PublishQueue, DropsWhatIsTooLargeAndKeepsWhatFindsNoRoom) {
  scenario([](loop& l) -> task<void> {
    bench b{l, {.first_delay = 1s, .max_delay = 1s}};
    limit_kind kind = limit_kind::size;
    errc code = errc::resource_exhausted;
    b.bus.say = [&](const message&) -> result<> { return fail(error{code, "no"}.with_limit(kind)); };
    EXPECT_TRUE(b.add("large"));
    co_await b.wait(1s);
    EXPECT_EQ(b.queue.size(), 0u);
    EXPECT_EQ(b.bus.calls, 1u);
    for (const auto& [why, limit] : {std::pair{errc::resource_exhausted, limit_kind::quota},
                                     {errc::resource_exhausted, limit_kind::space},
                                     {errc::data_loss, limit_kind::quota},
                                     {errc::internal, limit_kind::quota}}) {
      code = why, kind = limit;
      const auto before = b.bus.calls;
      EXPECT_TRUE(b.add("kept"));
      co_await b.wait(5s);
      EXPECT_GE(b.bus.calls, before + 3);
      EXPECT_EQ(b.queue.size(), 1u);
      b.bus.say = [](const message&) { return result<>{}; };
      EXPECT_TRUE(co_await b.queue.flush(context{}.with_timeout(l, 5s)));
      b.bus.say = [&](const message&) -> result<> { return fail(error{code, "no"}.with_limit(kind)); };
    }
  });
}

// A15: of the queue itself, too.
TEST(PublishQueue, TellsWhatNeverFitsFromWhatDoesNotFitNow) {
  scenario([](loop& l) -> task<void> {
    bench b{l, {.max_bytes = 100}};
    const auto refused = b.add("1");
    EXPECT_FALSE(refused);
    if (!refused) EXPECT_EQ(refused.error().limit(), limit_kind::size);
    co_return;
  });
}

// A15: the brokers say which it is.
TEST(PublishQueue, DropsWhatTheMemoryBrokerFindsTooLarge) {
  scenario([](loop& l) -> task<void> {
    memory_broker bus{l, std::make_shared<memory_hub>(memory_options{.max_message_bytes = 10})};
    publisher out{l, bus, {.source = "/shop"}};
    publish_queue queue{l, out};
    EXPECT_TRUE(queue.add(out.prepare({}, orders_placed, {"a long name"}).value()));
    EXPECT_TRUE(co_await queue.flush(context{}.with_timeout(l, 60s)));
    EXPECT_EQ(queue.size(), 0u);
  });
}

TEST(PublishQueue, IsBoundedAndFlushSaysWhatIsLeft) {
  scenario([](loop& l) -> task<void> {
    bench b{l, {.max_messages = 2}};
    b.bus.say = [](const message&) -> result<> { return fail(errc::unavailable, "no connection"); };
    EXPECT_TRUE(b.add("1"));
    EXPECT_TRUE(b.add("2"));
    EXPECT_EQ(b.add("3").error().code(), errc::resource_exhausted);
    const auto flushed = co_await b.queue.flush(context{}.with_timeout(l, 2s));
    EXPECT_FALSE(flushed);
    if (flushed) co_return;
    EXPECT_EQ(flushed.error().describe(), "deadline_exceeded: 2 messages were not published");

    const auto size = b.out.prepare({}, orders_placed, {"o"}, "", {.id = "1"}).value().what.size();
    bench small{l, {.max_bytes = size * 3 / 2}};
    EXPECT_TRUE(small.add("1"));
    EXPECT_EQ(small.add("2").error().code(), errc::resource_exhausted);
    EXPECT_TRUE(co_await small.queue.flush({}));
    EXPECT_TRUE(small.add("2"));
    EXPECT_THROW(publish_queue(l, b.out, {.batch = 0}), std::invalid_argument);
  });
}

}  // namespace
}  // namespace weft::messaging
