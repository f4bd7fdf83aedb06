#include <weft/resilience/core/adaptive_limit.hpp>
#include <weft/resilience/core/bulkhead.hpp>
#include <weft/resilience/core/load_shedder.hpp>
#include <weft/resilience/core/rate_limiter.hpp>

#include <gtest/gtest.h>
#include <rapidcheck.h>

namespace weft::resilience {
namespace {

constexpr steady_time start{1'000'000s};

TEST(RateLimit, GcraAdmitsABurstThenItsPace) {
  rate_limiter_core limiter{{.limit = 10, .per = 1s, .burst = 3}};
  for (std::uint32_t left : {2u, 1u, 0u}) {
    const auto d = limiter.take(1, start);
    EXPECT_TRUE(d.allowed);
    EXPECT_EQ(d.remaining, left);
  }
  const auto refused = limiter.take(1, start);
  EXPECT_FALSE(refused.allowed);
  EXPECT_EQ(refused.retry_after, 100ms);
  EXPECT_FALSE(limiter.take(1, start + 100ms - 1ns).allowed);
  EXPECT_TRUE(limiter.take(1, start + 100ms).allowed);
  EXPECT_FALSE(limiter.take(1, start + 100ms).allowed);
}

TEST(RateLimit, CostsMoreThanOne) {
  for (const auto a : {rate_algorithm::gcra, rate_algorithm::sliding_window, rate_algorithm::token_bucket}) {
    rate_limiter_core limiter{{.algorithm = a, .limit = 10, .per = 1s}};
    EXPECT_TRUE(limiter.take(7, start).allowed);
    EXPECT_FALSE(limiter.take(4, start).allowed);
    EXPECT_TRUE(limiter.take(3, start).allowed);  // the refused one took nothing
    EXPECT_FALSE(limiter.take(1, start).allowed);
    const auto never = limiter.take(11, start);
    EXPECT_FALSE(never.allowed);
    EXPECT_EQ(never.retry_after, duration::max());
    EXPECT_TRUE(limiter.take(10, start + 10s).allowed);
  }
}

TEST(RateLimit, SlidingWindowWeighsTheLastOne) {
  rate_limiter_core limiter{{.algorithm = rate_algorithm::sliding_window, .limit = 10, .per = 10s}};
  EXPECT_TRUE(limiter.take(10, start).allowed);  // at the start of a window
  EXPECT_FALSE(limiter.take(1, start + 10s - 1ns).allowed);
  EXPECT_FALSE(limiter.take(1, start + 10s).allowed);  // the last window still weighs 10
  EXPECT_FALSE(limiter.take(1, start + 11s - 1ns).allowed);
  EXPECT_TRUE(limiter.take(1, start + 11s).allowed);  // 9 and 1
  EXPECT_FALSE(limiter.take(1, start + 11s).allowed);
}

TEST(RateLimit, TokenBucketFillsAtOnce) {
  rate_limiter_core limiter{{.algorithm = rate_algorithm::token_bucket, .limit = 2, .per = 1s, .burst = 5}};
  EXPECT_TRUE(limiter.take(5, start).allowed);
  const auto refused = limiter.take(3, start + 300ms);
  EXPECT_EQ(refused.retry_after, 1700ms);
  EXPECT_FALSE(limiter.take(1, start + 1s - 1ns).allowed);
  EXPECT_TRUE(limiter.take(2, start + 1s).allowed);
  EXPECT_TRUE(limiter.take(5, start + 1h).allowed);  // never more than the burst
  EXPECT_FALSE(limiter.take(1, start + 1h).allowed);
}

rate_limit any_rule() {
  const auto algorithm =
      *rc::gen::element(rate_algorithm::gcra, rate_algorithm::sliding_window, rate_algorithm::token_bucket);
  const auto limit = *rc::gen::inRange<std::uint32_t>(1, 50);
  const auto per = std::chrono::milliseconds{*rc::gen::inRange(1, 5000)};
  return {.algorithm = algorithm, .limit = limit, .per = per};
}

// retry_after is the first moment at which the same cost is allowed, to the nanosecond.
TEST(RateLimit, RetryAfterIsExact) {
  EXPECT_TRUE(rc::check([] {
    const auto rule = any_rule();
    rate_limiter_core limiter{rule};
    auto now = start;
    for (int i = 0; i < 60; ++i) {
      now += std::chrono::microseconds{*rc::gen::inRange(0, 400'000)};
      const auto cost = *rc::gen::inRange<std::uint32_t>(1, rule.limit + 1);
      const auto d = limiter.take(cost, now);
      if (d.allowed) continue;
      RC_ASSERT(d.retry_after > duration::zero());
      RC_ASSERT(limiter.look(cost, now + d.retry_after).allowed);
      RC_ASSERT(!limiter.look(cost, now + d.retry_after - 1ns).allowed);
    }
  }));
}

// Whatever arrives, no period holds more than the rule says: gcra and bucket at most burst + limit, the weighted window
// at most twice the limit, and over a long time all of them keep to the rate.
TEST(RateLimit, HoldsItsRateAtEveryWindowEdge) {
  EXPECT_TRUE(rc::check([] {
    const auto rule = any_rule();
    rate_limiter_core limiter{rule};
    std::vector<steady_time> passed;
    auto now = start + std::chrono::microseconds{*rc::gen::inRange(0, 5'000'000)};
    const auto step = std::chrono::nanoseconds{rule.per} / (rule.limit * 2) + 1ns;
    for (int i = 0; i < 400; ++i) {
      if (limiter.take(1, now).allowed) passed.push_back(now);
      now += step * *rc::gen::inRange(0, 3);
    }
    for (std::size_t first = 0, last = 0; last < passed.size(); ++last) {
      while (passed[last] - passed[first] >= rule.per) ++first;
      RC_ASSERT(last - first + 1 <= 2 * rule.limit);
    }
    const auto periods = (now - start) / rule.per + 2;
    RC_ASSERT(passed.size() <= static_cast<std::size_t>(periods) * rule.limit);
  }));
}

TEST(RateLimit, NewLimitsKeepWhatWasUsed) {
  for (const auto a : {rate_algorithm::gcra, rate_algorithm::sliding_window, rate_algorithm::token_bucket}) {
    rate_limiter_core limiter{{.algorithm = a, .limit = 10, .per = 1s}};
    EXPECT_TRUE(limiter.take(10, start).allowed);
    limiter.configure({.algorithm = a, .limit = 20, .per = 1s}, start);
    EXPECT_TRUE(limiter.take(10, start).allowed);
    EXPECT_FALSE(limiter.take(1, start).allowed);
    limiter.configure({.algorithm = a, .limit = 5, .per = 1s}, start);
    EXPECT_FALSE(limiter.take(1, start).allowed);
    EXPECT_TRUE(limiter.take(1, start + 5s).allowed);
  }
}

struct place final : bulkhead_waiter {
  void granted() override { told = 'g'; }
  void dropped() override { told = 'd'; }
  char told = '-';
};

TEST(Bulkhead, AdmitsQueuesAndRefuses) {
  bulkhead_core b{{.max_concurrent = 2, .max_queued = 1}};
  place waiting, refused;
  EXPECT_TRUE(b.try_enter());
  EXPECT_TRUE(b.try_enter());
  EXPECT_FALSE(b.try_enter());
  EXPECT_EQ(b.enter(waiting, start), bulkhead_core::entry::queued);
  EXPECT_EQ(b.enter(refused, start), bulkhead_core::entry::full);
  b.leave(start);
  EXPECT_EQ(waiting.told, 'g');
  EXPECT_EQ(b.in_flight(), 2u);
  b.leave(start), b.leave(start);
  EXPECT_EQ(b.in_flight(), 0u);
  EXPECT_EQ(b.queued(), 0u);
}

TEST(Bulkhead, DropsExpiredWaitersBeforeItGrants) {
  bulkhead_core b{{.max_concurrent = 1, .max_queued = 3}};
  place early, late, alive;
  early.deadline = start + 1s;
  late.deadline = start + 1s + 1ns;
  ASSERT_TRUE(b.try_enter());
  for (auto* p : {&early, &late, &alive}) ASSERT_EQ(b.enter(*p, start), bulkhead_core::entry::queued);
  b.leave(start + 1s);
  EXPECT_EQ(early.told, 'd');  // exactly at its deadline
  EXPECT_EQ(late.told, 'g');
  EXPECT_EQ(alive.told, '-');
  EXPECT_TRUE(b.give_up(alive));
  EXPECT_FALSE(b.give_up(late));
  b.leave(start + 1s);
  EXPECT_EQ(b.in_flight(), 0u);
}

TEST(Bulkhead, AnExpiredWaiterMakesRoomInTheQueue) {
  bulkhead_core b{{.max_concurrent = 1, .max_queued = 1}};
  place gone, next;
  gone.deadline = start + 1s;
  ASSERT_TRUE(b.try_enter());
  ASSERT_EQ(b.enter(gone, start), bulkhead_core::entry::queued);
  EXPECT_EQ(b.enter(next, start + 1s), bulkhead_core::entry::queued);
  EXPECT_EQ(gone.told, 'd');
  EXPECT_TRUE(b.give_up(next));
}

TEST(Bulkhead, FollowsANewLimit) {
  bulkhead_core b{{.max_concurrent = 1, .max_queued = 8}};
  std::array<place, 4> line;
  ASSERT_TRUE(b.try_enter());
  for (auto& p : line) ASSERT_EQ(b.enter(p, start), bulkhead_core::entry::queued);
  b.configure({.max_concurrent = 3, .max_queued = 8});
  b.leave(start);
  EXPECT_EQ(b.in_flight(), 3u);
  b.configure({.max_concurrent = 1, .max_queued = 8});
  b.leave(start), b.leave(start);
  EXPECT_EQ(b.in_flight(), 1u);
  EXPECT_EQ(line[3].told, '-');
  b.leave(start);
  EXPECT_EQ(line[3].told, 'g');
}

TEST(AdaptiveLimit, GrowsOnlyWhileItIsInUse) {
  adaptive_limit_core idle{{}};
  for (int i = 0; i < 500; ++i) {
    ASSERT_TRUE(idle.try_enter());
    idle.leave(10ms);
  }
  EXPECT_EQ(idle.limit(), 20u);
  adaptive_limit_core busy{{}};
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(busy.try_enter());
  for (int i = 0; i < 500; ++i) {
    while (busy.in_flight() < busy.limit() / 2 + 1) ASSERT_TRUE(busy.try_enter());
    busy.leave(10ms);
  }
  EXPECT_GT(busy.limit(), 100u);
}

TEST(AdaptiveLimit, FallsWhenLatencyRises) {
  adaptive_limit_core limit{{.initial_limit = 100, .min_limit = 5, .max_limit = 200}};
  const auto sample = [&](duration latency) {
    while (limit.try_enter()) {
    }
    limit.leave(latency);
  };
  for (int i = 0; i < 50; ++i) sample(10ms);
  EXPECT_GT(limit.limit(), 130u);
  for (int i = 0; i < 50; ++i) sample(100ms);
  EXPECT_LT(limit.limit(), 40u);
}

TEST(LoadShed, RefusesWhatMattersLeastFirst) {
  load_shedder_core shed{{.max_in_flight = 10, .critical = 1, .high = 0.9, .normal = 0.8, .low = 0.5}};
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(shed.try_enter(priority::low));
  EXPECT_FALSE(shed.try_enter(priority::low));
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(shed.try_enter(priority::normal));
  EXPECT_FALSE(shed.try_enter(priority::normal));
  EXPECT_TRUE(shed.try_enter(priority::high));
  EXPECT_FALSE(shed.try_enter(priority::high));
  EXPECT_TRUE(shed.try_enter(priority::critical));
  EXPECT_FALSE(shed.try_enter(priority::critical));
  shed.leave();
  EXPECT_TRUE(shed.try_enter(priority::critical));
}

}  // namespace
}  // namespace weft::resilience
