// Faults that were found by reading, each with its siblings: what may be sent again, exceptions of users' code, time
// without limit, numbers that came round.
#include "virtual_loop.hpp"

#include <weft/resilience/pipeline.hpp>

#include <gtest/gtest.h>

#include <stdexcept>

namespace weft::resilience {
namespace {

constexpr steady_time start{1'000'000s};

struct slow_callee {
  explicit slow_callee(loop& l) : clock{l} {}
  task<result<int>> operator()(context ctx, attempt& a) {
    ++calls;
    if (commits) a.commit();
    if (throws) throw 42;  // not even an exception of the library's
    WEFT_CO_TRY_VOID(co_await sleep(clock, ctx, takes));
    if (fails) co_return fail(*fails, "scripted");
    co_return calls;
  }
  loop& clock;
  duration takes = 100ms;
  std::optional<errc> fails;
  bool commits = false, throws = false;
  int calls = 0;
};

struct fixture {
  virtual_loop loop;
  slow_callee callee{loop};
  decision_record record;
  result<int> call(pipeline<int>& guard, context ctx = {}, call_options options = {}) {
    record.clear();
    options.record = &record;
    return loop.run(guard.run(std::move(ctx), options, [this](const context& c, attempt& a) { return callee(c, a); }));
  }
};

// A2: a hedge is sent while the first may still take effect.
TEST(Hedging, SendsOnlyWhatMayBeRepeated) {
  fixture f;
  pipeline<int> guard{f.loop, "posts", hedge{.delay = 10ms}};
  ASSERT_TRUE(f.call(guard, {}, {.repeat = replay::unsafe}));
  EXPECT_EQ(f.callee.calls, 1);
  ASSERT_TRUE(f.call(guard, {}, {.repeat = replay::keyed}));
  EXPECT_EQ(f.callee.calls, 3);
}

// A2: nor once the first one's answer is handed on, or its content is used up.
TEST(Hedging, SendsNoSecondOfWhatIsCommitted) {
  fixture f;
  f.callee.commits = true;
  pipeline<int> guard{f.loop, "posts", hedge{.delay = 10ms}};
  ASSERT_TRUE(f.call(guard));
  EXPECT_EQ(f.callee.calls, 1);
}

// A12: a hedged operation runs in a group, where an exception would end the process.
TEST(UsersCode, AnOperationThatThrowsIsAnInternalError) {
  fixture f;
  f.callee.throws = true;
  pipeline<int> hedged{f.loop, "posts", hedge{.delay = 10ms}};
  EXPECT_EQ(f.call(hedged).error().code(), errc::internal);
  pipeline<int> plain{f.loop, "posts", timeout{.after = 1s}, retry{}};
  EXPECT_EQ(f.call(plain).error().code(), errc::internal);
  pipeline<int> bare{f.loop, "posts"};
  EXPECT_EQ(f.call(bare).error().code(), errc::internal);
}

TEST(UsersCode, AFallbackThatThrowsHasFailed) {
  fixture f;
  f.callee.fails = errc::unavailable;
  const auto thrower = [](const context&, const error&) -> task<result<int>> { throw std::runtime_error{"oh"}; };
  pipeline<int> guard{f.loop, "posts", fallback<int>{thrower}};
  EXPECT_EQ(f.call(guard).error().code(), errc::unavailable);
  EXPECT_EQ(guard.count(reason::fallback_failed), 1u);
}

TEST(UsersCode, AWeigherThatThrowsKeepsNothing) {
  fixture f;
  pipeline<int> guard{f.loop, "posts",
                      cache<int>{.options = {.ttl = 10s}, .weigh = [](const int&) -> std::uint64_t { throw 1; }}};
  EXPECT_EQ(f.call(guard, {}, {.cache_key = "k"}), 1);
  EXPECT_EQ(f.call(guard, {}, {.cache_key = "k"}), 2);
}

class throwing_listener final : public policy_listener {
 public:
  void decided(const context&, std::string_view, const decision&) override { throw std::runtime_error{"oh"}; }
  void breaker_changed(std::string_view, const breaker_event&) override { throw 1; }
};

TEST(UsersCode, AListenerThatThrowsDisturbsNoCall) {
  fixture f;
  f.callee.fails = errc::unavailable;
  throwing_listener listener;
  pipeline<int> guard{f.loop, "posts", retry{.max_attempts = 2, .base_delay = 1ms},
                      circuit_breaker{.minimum_throughput = 1}};
  guard.listen(listener);
  EXPECT_EQ(f.call(guard).error().code(), errc::unavailable);
}

class throwing_store final : public rate_limit_store {
 public:
  task<result<rate_decision>> take(context, loop&, std::string, rate_limit, std::uint32_t) override {
    throw std::runtime_error{"no store"};
  }
};

TEST(UsersCode, AStoreThatThrowsDoesNotAnswer) {
  fixture f;
  const auto store = std::make_shared<throwing_store>();
  pipeline<int> open{f.loop, "posts", keyed_rate_limit{store, {.store_failure = on_store_failure::allow}}};
  EXPECT_TRUE(f.call(open, {}, {.limit_key = "k"}));
  pipeline<int> shut{f.loop, "posts", keyed_rate_limit{store, {.store_failure = on_store_failure::refuse}}};
  EXPECT_EQ(f.call(shut, {}, {.limit_key = "k"}).error().code(), errc::unavailable);
}

// A11: "never" is no time of its own.
TEST(WithoutLimit, ATimeoutOfForeverIsNone) {
  fixture f;
  f.callee.takes = 48h;
  pipeline<int> guard{f.loop, "posts", timeout{.after = duration::max()}, retry{}, timeout{.after = duration::max()}};
  EXPECT_TRUE(f.call(guard));
}

TEST(WithoutLimit, EveryDurationThatMayBeForeverIs) {
  fixture f;
  pipeline<int> guard{
      f.loop,
      "posts",
      cache<int>{.options = {.ttl = duration::max(),
                             .stale_if_error = duration::max(),
                             .stale_while_revalidate = duration::max()},
                 .weigh = {}},
      retry{.max_attempts = 2, .base_delay = 1ms, .max_delay = duration::max(), .max_retry_after = duration::max()},
      circuit_breaker{
          .slow_after = duration::max(), .max_break_for = duration::max(), .probe_timeout = duration::max()},
      bulkhead{.max_concurrent = 1, .queue_timeout = duration::max()}};
  EXPECT_EQ(f.call(guard, {}, {.cache_key = "k"}), 1);
  f.loop.advance(24h * 365);
  EXPECT_EQ(f.call(guard, {}, {.cache_key = "k"}), 1);
  pipeline<int> hedged{f.loop, "posts", hedge{.delay = duration::max()}};
  EXPECT_TRUE(f.call(hedged));
}

TEST(WithoutLimit, WhatNobodyMeansIsRefusedWithItsPlace) {
  const auto told = [](const problems& found) { return found.empty() ? std::string{} : found[0].describe(); };
  EXPECT_EQ(told(lint(timeout{.after = 24h * 400}, "$.t")),
            "$.t.after: is 9600 h, more than a year; give a shorter time, "
            "or leave the limit out");
  EXPECT_EQ(told(lint(circuit_breaker{.window = duration::max()}, "$.b")),
            "$.b.window: is without limit; give a duration of at most a year");
  EXPECT_FALSE(told(lint(circuit_breaker{.break_for = 24h * 400, .max_break_for = duration::max()}, "$.b")).empty());
  EXPECT_FALSE(told(lint(retry{.base_delay = duration::max()}, "$.r")).empty());
  EXPECT_FALSE(told(lint(rate_limit{.limit = 1, .per = 24h * 365, .burst = 1'000'000}, "$.l")).empty());
  EXPECT_FALSE(
      told(lint(rate_limit{.algorithm = rate_algorithm::token_bucket, .limit = 100, .per = 10ns}, "$.l")).empty());
}

// F16: no break is longer than the longest, jitter or not.
TEST(WithoutLimit, JitterOfABreakStaysBelowItsLongest) {
  rng random{7};
  for (int i = 0; i < 200; ++i) {
    breaker_core b{{.break_for = 60s, .break_multiplier = 2, .max_break_for = 120s, .break_jitter = 1}};
    for (int trips = 0; trips < 4; ++trips) {
      b.open(start, random);
      EXPECT_LE(b.retry_after(start), 120s);
    }
  }
}

// A10: packed counts of time came round: after so many periods everything was refused for weeks.
TEST(LongUptime, ATokenBucketRefillsAfterAnyTime) {
  for (const duration per : {duration{100us}, duration{1ms}, duration{20ms}, duration{1s}}) {
    for (const duration silence : {duration{1h}, duration{24h * 24}, duration{24h * 26}, duration{24h * 30},
                                   duration{24h * 50}, duration{24h * 365 * 20}}) {
      for (const auto begin : {steady_time{}, steady_time{silence}}) {
        rate_limiter_core limiter{{.algorithm = rate_algorithm::token_bucket, .limit = 1, .per = per, .burst = 5}};
        EXPECT_TRUE(limiter.take(5, begin).allowed);
        EXPECT_FALSE(limiter.take(1, begin).allowed);
        EXPECT_TRUE(limiter.take(5, begin + silence).allowed) << per.count() << " " << silence.count();
        EXPECT_FALSE(limiter.idle(begin + silence));
        EXPECT_TRUE(limiter.idle(begin + silence + 5 * per));
        limiter.configure({.algorithm = rate_algorithm::token_bucket, .limit = 1, .per = per, .burst = 5},
                          begin + silence);
        EXPECT_FALSE(limiter.take(1, begin + silence).allowed);
      }
    }
  }
}

TEST(LongUptime, ASlidingWindowForgetsAfterAnyTime) {
  for (const duration per : {duration{1us}, duration{1ms}, duration{1s}})
    for (unsigned bits = 10; bits < 33; ++bits) {
      rate_limiter_core limiter{{.algorithm = rate_algorithm::sliding_window, .limit = 2, .per = per}};
      EXPECT_TRUE(limiter.take(2, start).allowed);
      EXPECT_FALSE(limiter.take(1, start).allowed);
      EXPECT_TRUE(limiter.take(2, start + (std::int64_t{1} << bits) * per).allowed) << bits;
    }
}

TEST(LongUptime, ABreakersWindowForgetsAfterAnyTime) {
  for (unsigned bits = 4; bits < 40; ++bits) {
    const auto step = 1ms;
    time_window w{step * time_window::steps};
    const std::uint64_t slot = 1'000'000;
    for (int i = 0; i < 5; ++i) w.add(slot, true, true);
    const auto much_later = slot + (std::uint64_t{1} << bits);
    EXPECT_EQ(w.totals(much_later).failed, 0u) << bits;
    w.add(much_later, false, false);
    EXPECT_EQ(w.totals(much_later).calls, 1u) << bits;
    EXPECT_EQ(w.totals(much_later).failed, 0u) << bits;
    EXPECT_EQ(w.totals(much_later).slow, 0u) << bits;
  }
}

TEST(LongUptime, ABusyBucketCountsBeyondAMillionFailures) {
  time_window w{10s};
  for (int i = 0; i < 1'200'000; ++i) w.add(7, true, false);
  EXPECT_EQ(w.totals(7).failed, 1'200'000u);
}

// B2: a deadline of the caller's that is shorter than the attempt's own says nothing about the callee.
TEST(ShortDeadlines, TripNoBreaker) {
  for (const bool with_own : {true, false}) {
    fixture f;
    f.callee.takes = 20ms;
    const circuit_breaker breaker{.minimum_throughput = 3};
    auto core = std::make_shared<breaker_core>(breaker);
    pipeline<int> own{f.loop, "posts", retry{}, core, timeout{.after = 500ms}};
    pipeline<int> without{f.loop, "posts", retry{}, core};
    for (int i = 0; i < 20; ++i)
      EXPECT_EQ(f.call(with_own ? own : without, context{}.with_timeout(f.loop, 5ms)).error().code(),
                errc::deadline_exceeded);
    EXPECT_EQ(core->state(), breaker_state::closed);
    EXPECT_TRUE(f.call(own));
    f.callee.takes = 1s;  // and the policies' own timeout says a lot
    for (int i = 0; i < 3; ++i) static_cast<void>(f.call(own));
    EXPECT_EQ(core->state(), breaker_state::open);
  }
}

// B2: what is left of the whole after other attempts is no fair trial either; a probe's own time is.
TEST(ShortDeadlines, AProbeThatTakesTooLongHasFailed) {
  fixture f;
  auto core =
      std::make_shared<breaker_core>(circuit_breaker{.minimum_throughput = 1, .break_for = 1s, .probe_timeout = 50ms});
  pipeline<int> guard{f.loop, "posts", core, timeout{.after = 500ms}};
  f.callee.fails = errc::unavailable;
  static_cast<void>(f.call(guard));
  ASSERT_EQ(core->state(), breaker_state::open);
  f.loop.advance(2s);
  f.callee.takes = 200ms;
  static_cast<void>(f.call(guard));
  EXPECT_EQ(core->state(), breaker_state::open);
}

// A13: who is asked to come again tomorrow does not wait, and holds no part of the budget.
TEST(RetryAfter, BeyondItsBoundEndsTheCall) {
  rng random{7};
  retry_core policy{{.max_attempts = 3, .max_retry_after = 10s}};
  retry_core::progress so_far;
  outcome_view o{.verdict = verdict_of_status(503), .status = 503};
  for (const duration asked : {duration{86'400s}, duration::max(), duration{10s + 1ns}}) {
    o.retry_after = asked;
    const auto next = policy.next(so_far, o, replay::safe, duration::max(), random);
    EXPECT_FALSE(next.again);
    EXPECT_EQ(next.why, reason::retry_after_too_long);
  }
  EXPECT_EQ(policy.budget().active_retries(), 0u);
  o.retry_after = 10s;
  EXPECT_TRUE(policy.next(so_far, o, replay::safe, duration::max(), random).again);
}

// Survivor R04: the second delay is drawn up to three times the first, not up to three times the base.
TEST(Retry, DecorrelatedDelaysGrowFromOneAnother) {
  duration longest{};
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    rng random{seed};
    retry_core policy{{.max_attempts = 10,
                       .base_delay = 100ms,
                       .max_delay = 10s,
                       .jitter = jitter::decorrelated,
                       .budget = {.kind = budget_kind::none}}};
    retry_core::progress so_far;
    const outcome_view o{.verdict = verdict::failure, .code = errc::unavailable};
    const auto first = policy.next(so_far, o, replay::safe, duration::max(), random).delay;
    const auto second = policy.next(so_far, o, replay::safe, duration::max(), random).delay;
    EXPECT_LE(first, 300ms);
    EXPECT_LE(second, 3 * first);
    longest = std::max(longest, second);
  }
  EXPECT_GT(longest, 300ms);
}

// Survivor: an outcome that says nothing gives its place back and leaves the limit as it was.
TEST(Pipeline, ACancelledCallLeavesTheAdaptiveLimitAlone) {
  fixture f;
  auto limit = std::make_shared<adaptive_limit_core>(
      adaptive_concurrency{.initial_limit = 20, .min_limit = 1, .max_limit = 100});
  pipeline<int> guard{f.loop, "posts", limit};
  for (int i = 0; i < 15; ++i) EXPECT_TRUE(f.call(guard));
  const auto before = limit->limit();
  f.callee.takes = 1h;
  for (int i = 0; i < 20; ++i) {
    cancel_source giving_up;
    task_group others{f.loop};
    others.spawn([](loop& l, cancel_source& s) -> task<void> {
      static_cast<void>(co_await sleep(l, {}, 30min));
      s.cancel();
    }(f.loop, giving_up));
    EXPECT_EQ(f.call(guard, context{}.with_cancellation(giving_up.token())).error().code(), errc::cancelled);
  }
  EXPECT_EQ(limit->in_flight(), 0u);
  EXPECT_EQ(limit->limit(), before);
}

// Survivor: a call that is destroyed between the grant of its permit and its resumption gives the permit back.
TEST(Pipeline, APermitGrantedToADestroyedCallComesBack) {
  fixture f;
  auto cabins = std::make_shared<bulkhead_core>(bulkhead{.max_concurrent = 1, .max_queued = 1, .queue_timeout = 1h});
  pipeline<int> guard{f.loop, "posts", cabins};
  ASSERT_TRUE(cabins->try_enter());
  {
    task_group calls{f.loop};
    calls.spawn([](fixture& x, pipeline<int>& g) -> task<void> {
      static_cast<void>(co_await g.run({}, [&x](const context& c, attempt& a) { return x.callee(c, a); }));
    }(f, guard));
    f.loop.advance(1ms);
    ASSERT_EQ(cabins->queued(), 1u);
    cabins->leave(f.loop.now());  // granted, and not yet resumed
    EXPECT_EQ(cabins->in_flight(), 1u);
    EXPECT_EQ(f.callee.calls, 0);
  }
  EXPECT_EQ(cabins->in_flight(), 0u);
}

}  // namespace
}  // namespace weft::resilience
