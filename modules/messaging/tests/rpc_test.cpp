// Questions and answers over messages, and events inside the program.
#include <weft/messaging/event_bus.hpp>
#include <weft/messaging/memory_broker.hpp>
#include <weft/messaging/rpc.hpp>
#include <weft/runtime/sleep.hpp>
#include <weft/runtime/task_group.hpp>
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
  shop(loop& where, broker& other) : l{where}, bus{l, std::make_shared<memory_hub>()}, r{l, other}, ask{l, other} {}

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

// A broker whose ephemeral groups are lost with their connection.
class lossy_broker final : public broker {
 public:
  explicit lossy_broker(broker& b) : broker_{b} {}
  enum class end : std::uint8_t { none, lost, stopped };
  end inbox = end::none;
  int subscriptions = 0, refused_answers = 0;

  // As if the connection broke.
  void lose(end how) {
    inbox = how;
    if (cut_) cut_->cancel();
  }
  const broker_features& features() const noexcept override { return broker_.features(); }
  task<std::vector<result<>>> publish(context ctx, std::vector<outgoing> batch) override {
    if (batch.at(0).what.topic.starts_with("weft.reply")) {
      EXPECT_EQ(batch[0].if_unroutable, unroutable::refuse) << "an answer is not dropped in silence";
      if (refused_answers-- > 0) co_return std::vector<result<>>{fail(errc::not_found, "no inbox")};
    }
    co_return co_await broker_.publish(std::move(ctx), std::move(batch));
  }
  task<result<std::unique_ptr<consumer>>> subscribe(context ctx, subscription what) override {
    const bool ephemeral = what.lives == lifetime::ephemeral;
    WEFT_CO_TRY(auto made, co_await broker_.subscribe(std::move(ctx), std::move(what)));
    if (!ephemeral) co_return made;
    ++subscriptions;
    co_return std::make_unique<own>(*this, std::move(made));
  }
  task<void> close(context) override { co_return; }

 private:
  class own final : public consumer {
   public:
    own(lossy_broker& b, std::unique_ptr<consumer> c) : broker_{b}, consumer_{std::move(c)} {}
    task<result<std::optional<raw_delivery>>> next(context ctx) override {
      broker_.cut_ = std::make_unique<cancel_source>();
      auto got = co_await consumer_->next(ctx.with_cancellation(broker_.cut_->token()));
      const auto how = std::exchange(broker_.inbox, end::none);
      if (how == end::lost) co_return fail(errc::aborted, "the group was lost, and is there again");
      if (how == end::stopped) co_return std::nullopt;
      co_return got;
    }
    std::optional<raw_delivery> try_next() override { return consumer_->try_next(); }
    task<result<>> settle(context ctx, delivery_tag tag, settlement how) override {
      return consumer_->settle(std::move(ctx), tag, std::move(how));
    }
    task<result<>> stop(context ctx) override {
      if (broker_.cut_) broker_.lose(end::stopped);
      return consumer_->stop(std::move(ctx));
    }

   private:
    lossy_broker& broker_;
    std::unique_ptr<consumer> consumer_;
  };
  broker& broker_;
  std::unique_ptr<cancel_source> cut_;
};

task<void> lose_soon(loop& l, lossy_broker& b, lossy_broker::end how) {
  EXPECT_TRUE(co_await sleep(l, {}, 1s));
  b.lose(how);
}

// F12: questions that wait when the inbox is lost fail at once, and the next one is answered.
TEST(Rpc, ALostInboxFailsWhatWaitsForIt) {
  for (const auto how : {lossy_broker::end::lost, lossy_broker::end::stopped})
    testkit::run([=](loop& l) -> task<void> {  // weft-style: closure outlives the coroutine
      memory_broker bus{l, std::make_shared<memory_hub>()};
      lossy_broker lossy{bus};
      shop s{l, lossy};
      co_await s.open();
      const auto began = l.now();
      task_group cutting{l};
      cutting.spawn(lose_soon(l, lossy, how));
      const auto lost = co_await s.ask(context{}.with_timeout(l, 10min), get_price, {"slow"});
      EXPECT_FALSE(lost);
      if (!lost) EXPECT_EQ(lost.error().code(), errc::unavailable);
      EXPECT_LT(l.now() - began, 2s);
      EXPECT_EQ((co_await s.ask({}, get_price, {"abc"})).value().cents, 3);
      EXPECT_EQ(lossy.subscriptions, how == lossy_broker::end::stopped ? 2 : 1);
      co_await s.close();
    });
}

// F12: an answer that finds no inbox is sent again while somebody may wait for it, without asking the handler again.
TEST(Rpc, AnAnswerIsSentUntilItHasAPlace) {
  testkit::run([](loop& l) -> task<void> {
    memory_broker bus{l, std::make_shared<memory_hub>()};
    lossy_broker lossy{bus};
    shop s{l, lossy};
    co_await s.open();
    lossy.refused_answers = 3;
    EXPECT_EQ((co_await s.ask(context{}.with_timeout(l, 1min), get_price, {"abc"})).value().cents, 3);
    EXPECT_EQ(s.asked, 1);
    co_await s.close();
  });
}

task<result<price>> throw_up(const context&, const price_query&) { throw 7; }

// F13: whoever asks a handler that throws is told, and the program goes on.
TEST(Rpc, WhatIsThrownIsAnAnswer) {
  testkit::run([](loop& l) -> task<void> {
    memory_broker bus{l, std::make_shared<memory_hub>()};
    router r{l, bus};
    requester ask{l, bus};
    answer(r, get_price, {.group = "prices"}, throw_up);
    EXPECT_TRUE(co_await r.start({}));
    EXPECT_TRUE(co_await ask.start({}));
    const auto p = co_await ask({}, get_price, {"a"});
    EXPECT_FALSE(p);
    if (!p) EXPECT_EQ(p.error().code(), errc::internal);
    co_await ask.stop({});
    EXPECT_TRUE(co_await r.stop({}));
  });
}

}  // namespace
}  // namespace weft::messaging
