// Questions and answers over messages, and events inside the program.
#include <weft/messaging/event_bus.hpp>
#include <weft/messaging/memory_broker.hpp>
#include <weft/messaging/rpc.hpp>
#include <weft/runtime/sleep.hpp>
#include <weft/testkit/run.hpp>

#include <gtest/gtest.h>
#include <boost/describe/class.hpp>

namespace weft::messaging {
namespace {

using namespace std::chrono_literals;

struct price_query {
  std::string sku;
};
BOOST_DESCRIBE_STRUCT(price_query, (), (sku))
struct price {
  std::int64_t cents = 0;
};
BOOST_DESCRIBE_STRUCT(price, (), (cents))
constexpr procedure<price_query, price> get_price{"prices.get"};

struct shop {
  explicit shop(loop& where) : l{where}, bus{l, std::make_shared<memory_hub>()}, r{l, bus}, ask{l, bus} {}

  task<result<price>> look_up(const context& ctx, const price_query& q) {
    ++asked;
    seen = ctx;
    if (q.sku == "slow") WEFT_CO_TRY_VOID(co_await sleep(l, ctx, 1h));
    if (q.sku == "none") co_return fail(errc::not_found, "no such sku");
    co_return price{static_cast<std::int64_t>(q.sku.size())};
  }
  task<void> open() {
    answer(r, get_price, {.group = "prices", .concurrency = 10},
           [this](const context& ctx, const price_query& q) { return look_up(ctx, q); });
    EXPECT_TRUE(co_await r.start({}));
    EXPECT_TRUE(co_await ask.start({}));
  }
  task<void> close() {
    co_await ask.stop({});
    EXPECT_TRUE(co_await r.stop({}));
  }

  loop& l;
  memory_broker bus;
  router r;
  requester ask;
  context seen;
  int asked = 0;
};

TEST(Rpc, AnswersComeBackToWhoAsked) {
  testkit::run([](loop& l) -> task<void> {
    shop s{l};
    co_await s.open();
    std::vector<task<result<price>>> calls;
    const price_query one{"a"}, three{"abc"};
    calls.push_back(s.ask({}, get_price, one));
    calls.push_back(s.ask({}, get_price, three));
    const auto prices = co_await when_all(l, std::move(calls));
    EXPECT_EQ(prices[0].value().cents, 1);
    EXPECT_EQ(prices[1].value().cents, 3);
    EXPECT_EQ(s.ask.pending(), 0u);
    co_await s.close();
  });
}

TEST(Rpc, ErrorsComeBackWithTheirCode) {
  testkit::run([](loop& l) -> task<void> {
    shop s{l};
    co_await s.open();
    const auto p = co_await s.ask({}, get_price, {"none"});
    EXPECT_FALSE(p);
    if (!p) {
      EXPECT_EQ(p.error().code(), errc::not_found);
      EXPECT_EQ(p.error().message(), "no such sku");
      EXPECT_EQ(p.error().operation(), "asking prices.get");
    }
    const auto wrong = co_await s.ask.ask_json({}, "prices.get", R"({"sku":7})", {});
    EXPECT_EQ(wrong.error().code(), errc::invalid_argument);
    co_await s.close();
  });
}

TEST(Rpc, TheDeadlineTravelsAlong) {
  testkit::run([](loop& l) -> task<void> {
    shop s{l};
    co_await s.open();
    const auto ctx = context{}.with_timeout(l, 2s).with_correlation_id("c-7");
    const auto began = l.now();
    const auto p = co_await s.ask(ctx, get_price, {"slow"});
    EXPECT_EQ(p.error().code(), errc::deadline_exceeded);
    EXPECT_EQ(l.now() - began, 2s);
    EXPECT_TRUE(s.seen.has_deadline());
    EXPECT_EQ(s.seen.correlation_id(), "c-7");
    EXPECT_EQ(s.ask.pending(), 0u);
    co_await s.close();
  });
}

TEST(Rpc, TellsAtOnceThatNobodyListens) {
  testkit::run([](loop& l) -> task<void> {
    memory_broker bus{l, std::make_shared<memory_hub>()};
    requester ask{l, bus};
    EXPECT_TRUE(co_await ask.start({}));
    const auto p = co_await ask({}, get_price, {"a"});
    EXPECT_EQ(p.error().code(), errc::not_found);
    co_await ask.stop({});
  });
}

task<result<>> note(std::vector<std::string>& to, std::string text, result<> say) {
  to.push_back(std::move(text));
  co_return say;
}

TEST(EventBus, CallsSubscribersInOrder) {
  testkit::run([](loop&) -> task<void> {
    constexpr topic<price_query> asked{"asked"};
    event_bus bus;
    std::vector<std::string> seen;
    auto first = bus.subscribe(asked, [&](const context&, const price_query& q) {
      return note(seen, "1 " + q.sku, fail(errc::internal, "first"));
    });
    auto second = bus.subscribe(
        asked, [&](const context&, const price_query& q) { return note(seen, "2 " + q.sku, result<>{}); });
    const price_query q{"a"};
    const auto said = co_await bus.publish({}, asked, q);
    EXPECT_EQ(said.error().message(), "first");
    first.reset();
    EXPECT_TRUE(co_await bus.publish({}, asked, q));
    EXPECT_EQ(seen, (std::vector<std::string>{"1 a", "2 a", "2 a"}));
    EXPECT_TRUE(co_await bus.publish({}, topic<price>{"nobody"}, price{1}));
  });
}

}  // namespace
}  // namespace weft::messaging
