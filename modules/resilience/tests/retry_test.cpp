#include <weft/resilience/core/retry.hpp>

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <stdexcept>

namespace weft::resilience {
namespace {

outcome_view failed(errc code) { return {.verdict = verdict_of(code), .code = code}; }
outcome_view answered(int status) { return {.verdict = verdict_of_status(status), .status = status}; }

struct call {
  explicit call(retry o = {}) : policy{with_no_budget(std::move(o))} {}
  static retry with_no_budget(retry o) {
    o.budget.kind = budget_kind::none;
    return o;
  }
  retry_core::decision next(const outcome_view& o, replay r = replay::safe, duration remaining = duration::max()) {
    return policy.next(so_far, o, r, remaining, random);
  }
  retry_core policy;
  retry_core::progress so_far;
  rng random{7};
};

TEST(Retry, StopsAtItsAttempts) {
  call c{{.max_attempts = 3}};
  EXPECT_TRUE(c.next(failed(errc::unavailable)).again);
  EXPECT_TRUE(c.next(failed(errc::unavailable)).again);
  const auto last = c.next(failed(errc::unavailable));
  EXPECT_FALSE(last.again);
  EXPECT_EQ(last.why, reason::attempts_exhausted);
}

TEST(Retry, ReadsItsConditions) {
  const auto again = [](const outcome_view& o) { return call{{.on = {"5xx", "429", "aborted"}}}.next(o).again; };
  EXPECT_TRUE(again(answered(500)));
  EXPECT_TRUE(again(answered(599)));
  EXPECT_FALSE(again(answered(499)));
  EXPECT_TRUE(again(answered(429)));
  EXPECT_TRUE(again(failed(errc::aborted)));
  EXPECT_FALSE(again(failed(errc::unavailable)));
  EXPECT_FALSE(again(answered(200)));
  for (const auto* word : {"6xx", "5x", "tea", "099", "600", ""})
    EXPECT_THROW(retry_core({.on = {word}}), std::invalid_argument) << word;
}

TEST(Retry, ANonIdempotentRequestIsRepeatedOnlyWhenItWasNotProcessed) {
  EXPECT_EQ(call{}.next(failed(errc::unavailable), replay::unsafe).why, reason::not_idempotent);
  EXPECT_TRUE(call{}.next(failed(errc::unavailable), replay::keyed).again);
  auto refused = failed(errc::unavailable);
  refused.not_processed = true;
  EXPECT_TRUE(call{}.next(refused, replay::unsafe).again);
}

TEST(Retry, ACommittedAnswerOrAPushBackEndsIt) {
  auto o = failed(errc::unavailable);
  o.committed = true;
  EXPECT_EQ(call{}.next(o).why, reason::committed);
  o.committed = false;
  o.push_back = true;
  EXPECT_EQ(call{}.next(o).why, reason::pushed_back);
}

TEST(Retry, ALocalRejectionIsNotRetried) {
  auto o = failed(errc::unavailable);
  o.local = true;
  EXPECT_EQ(call{}.next(o).why, reason::not_retriable);
}

TEST(Retry, WaitsAsLongAsTheCalleeAsked) {
  auto o = answered(503);
  o.retry_after = 3s;
  const auto next = call{}.next(o);
  EXPECT_TRUE(next.again);
  EXPECT_EQ(next.delay, 3s);
}

TEST(Retry, FailsNowWhenRetryAfterExceedsTheDeadline) {
  auto o = answered(503);
  o.retry_after = 3s;
  const auto too_long = call{}.next(o, replay::safe, 3s);  // nothing would be left for the attempt
  EXPECT_FALSE(too_long.again);
  EXPECT_EQ(too_long.why, reason::retry_after_too_long);
  EXPECT_TRUE(call{}.next(o, replay::safe, 3s + 1ns).again);
}

TEST(Retry, NoAttemptStartsThatCannotFinish) {
  const retry fixed{.base_delay = 100ms, .growth = backoff::constant, .jitter = jitter::none};
  EXPECT_EQ(call{fixed}.next(failed(errc::unavailable), replay::safe, 100ms).why, reason::deadline_too_close);
  EXPECT_TRUE(call{fixed}.next(failed(errc::unavailable), replay::safe, 101ms).again);
}

duration delay(const retry& o, std::uint32_t n, duration previous = {}) {
  rng random{3};
  return backoff_delay(o, n, previous, random);
}

TEST(Backoff, GrowsAsNamed) {
  const auto with = [](backoff g) {
    return retry{.base_delay = 100ms, .max_delay = 1h, .growth = g, .jitter = jitter::none};
  };
  EXPECT_EQ(delay(with(backoff::constant), 5), 100ms);
  EXPECT_EQ(delay(with(backoff::linear), 5), 500ms);
  EXPECT_EQ(delay(with(backoff::exponential), 5), 1600ms);
  EXPECT_EQ(delay(with(backoff::envoy), 5), 3100ms);
}

TEST(Backoff, IsCappedWithoutOverflow) {
  EXPECT_TRUE(rc::check([](std::uint64_t seed) {
    rng random{seed};
    const auto n = *rc::gen::inRange<std::uint32_t>(1, 4'000'000'000);
    const auto previous = duration{*rc::gen::inRange<std::int64_t>(0, duration::max().count())};
    for (const auto g : {backoff::constant, backoff::linear, backoff::exponential, backoff::envoy})
      for (const auto j : {jitter::none, jitter::full, jitter::equal, jitter::decorrelated, jitter::around}) {
        const auto d = backoff_delay({.base_delay = 1s, .max_delay = 30s, .growth = g, .multiplier = 10, .jitter = j},
                                     n, previous, random);
        RC_ASSERT(d >= duration::zero() && d <= 30s);
      }
  }));
}

TEST(Backoff, JitterStaysInItsRange) {
  EXPECT_TRUE(rc::check([](std::uint64_t seed) {
    rng random{seed};
    const auto with = [&](jitter j, duration previous) {
      return backoff_delay({.base_delay = 100ms, .max_delay = 10s, .jitter = j}, 3, previous, random);  // d = 400 ms
    };
    const auto full = with(jitter::full, {}), equal = with(jitter::equal, {}), around = with(jitter::around, {});
    RC_ASSERT(full >= 0ms && full < 400ms);
    RC_ASSERT(equal >= 200ms && equal < 400ms);
    RC_ASSERT(around >= 320ms && around <= 480ms);
    const auto previous = std::chrono::milliseconds{*rc::gen::inRange(0, 3000)};
    const auto free = with(jitter::decorrelated, previous);
    RC_ASSERT(free >= 100ms && free <= 3 * std::max<duration>(previous, 100ms));
  }));
}

TEST(Backoff, JitterSpreads) {
  rng random{5};
  duration least = 1h, most{};
  for (int i = 0; i < 1000; ++i) {
    const auto d = backoff_delay({.base_delay = 100ms}, 1, {}, random);
    least = std::min(least, d), most = std::max(most, d);
  }
  EXPECT_LT(least, 5ms);
  EXPECT_GT(most, 95ms);
}

TEST(RetryBudget, AllowsAPartOfWhatIsUnderWayAndAFloor) {
  retry_budget_core budget{{.ratio = 0.2, .min_concurrent = 3}};
  for (int i = 0; i < 23; ++i) budget.request_started();
  EXPECT_TRUE(budget.try_retry() && budget.try_retry() && budget.try_retry());
  EXPECT_FALSE(budget.try_retry());  // 4 would be more than a fifth of the 19 others
  budget.request_started();
  EXPECT_TRUE(budget.try_retry());  // 4 to 20
  EXPECT_FALSE(budget.try_retry());
  budget.retry_ended();
  EXPECT_TRUE(budget.try_retry());
  EXPECT_EQ(budget.active_requests(), 24u);
  EXPECT_EQ(budget.active_retries(), 4u);
  for (int i = 0; i < 24; ++i) budget.request_ended();
  EXPECT_FALSE(budget.try_retry());
}

TEST(RetryBudget, TokensStopRetriesAtHalf) {
  retry_budget_core budget{{.kind = budget_kind::tokens, .max_tokens = 10, .token_ratio = 0.5}};
  for (int i = 0; i < 4; ++i) budget.attempt_failed();
  EXPECT_TRUE(budget.try_retry());  // 6 of 10
  budget.attempt_failed();
  EXPECT_FALSE(budget.try_retry());  // 5 is not more than half
  budget.attempt_succeeded();
  EXPECT_TRUE(budget.try_retry());  // 5.5
  for (int i = 0; i < 100; ++i) budget.attempt_failed();
  EXPECT_EQ(budget.tokens(), 0);
  for (int i = 0; i < 100; ++i) budget.attempt_succeeded();
  EXPECT_EQ(budget.tokens(), 10);
}

TEST(RetryBudget, SaysThatItIsExhausted) {
  retry_core policy{{.budget = {.ratio = 0, .min_concurrent = 0}}};
  retry_core::progress so_far;
  rng random{1};
  EXPECT_EQ(policy.next(so_far, failed(errc::unavailable), replay::safe, 1h, random).why, reason::budget_exhausted);
}

}  // namespace
}  // namespace weft::resilience
