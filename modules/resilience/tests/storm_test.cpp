// Many callers and a callee that has failed: what reaches it, with and without what holds retries back.
#include "virtual_loop.hpp"

#include <weft/resilience/pipeline.hpp>
#include <weft/runtime/task_group.hpp>

#include <gtest/gtest.h>

namespace weft::resilience {
namespace {

struct outage {
  virtual_loop loop;
  int reached = 0;
  int answered = 0;
  bool down = true;

  // One call each millisecond, for so long.
  static constexpr int offered = 4000;
  template <class... Policies>
  void offer(Policies... policies) {
    pipeline<int> guard{loop, "posts", policies...};
    loop.run(arrivals(*this, guard));
  }
  static task<result<int>> serve(outage& o, context ctx) {
    ++o.reached;
    WEFT_CO_TRY_VOID(co_await sleep(o.loop, ctx, 50ms));
    if (o.down) co_return fail(errc::unavailable, "down");
    co_return 1;
  }
  static task<void> call(outage& o, pipeline<int>& guard) {
    const auto got = co_await guard.run({}, [&o](const context& ctx) { return serve(o, ctx); });
    if (got) ++o.answered;
  }
  static task<int> arrivals(outage& o, pipeline<int>& guard) {
    task_group calls{o.loop};
    for (int i = 0; i < offered; ++i) {
      calls.spawn(call(o, guard));
      static_cast<void>(co_await sleep(o.loop, {}, 1ms));
    }
    co_await calls.join();
    co_return 0;
  }
};

retry with_budget(budget_kind kind) { return {.max_attempts = 4, .base_delay = 10ms, .budget = {.kind = kind}}; }

TEST(Storm, WithoutABudgetRetriesMultiplyTheLoad) {
  outage o;
  o.offer(with_budget(budget_kind::none));
  EXPECT_EQ(o.reached, 4 * outage::offered);
}

TEST(Storm, TheBudgetHoldsItToAFifthMore) {
  outage o;
  o.offer(with_budget(budget_kind::active));
  EXPECT_GT(o.reached, outage::offered);
  EXPECT_LE(o.reached, outage::offered * 12 / 10 + 3);
}

TEST(Storm, TokensStopItAltogether) {
  outage o;
  o.offer(with_budget(budget_kind::tokens));
  EXPECT_LE(o.reached, outage::offered + 10 + 50);  // what was under way when the tokens fell to half
}

TEST(Storm, ABreakerSparesTheCalleeAndRecovers) {
  outage o;
  auto breaker = std::make_shared<breaker_core>(circuit_breaker{.break_for = 500ms});
  o.offer(with_budget(budget_kind::active), breaker);
  EXPECT_LT(o.reached, outage::offered / 10);
  o.down = false;
  o.loop.advance(500ms);
  o.reached = 0;
  o.offer(with_budget(budget_kind::active), breaker);
  EXPECT_EQ(breaker->state(), breaker_state::closed);
  EXPECT_GE(o.answered, outage::offered - 51);  // all but those that came while the probe was under way
}

}  // namespace
}  // namespace weft::resilience
