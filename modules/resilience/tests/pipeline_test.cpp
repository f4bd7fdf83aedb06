#include "virtual_loop.hpp"

#include <weft/resilience/pipeline.hpp>

#include <gtest/gtest.h>

namespace weft::resilience {
namespace {

// A callee that answers as the test says: each step is a value, or an error, after some time.
struct step {
  duration takes{};
  std::optional<errc> fails{};
  bool deaf = false;  // it ignores its context
};
struct callee {
  explicit callee(loop& l) : clock{l} {}
  task<result<int>> operator()(context ctx) {
    const auto me = calls++;
    const auto s = me < script.size() ? script[me] : last;
    deadlines.push_back(ctx.deadline());
    ++under_way;
    const leave l{*this};
    if (s.takes > duration::zero()) {
      WEFT_CO_TRY_VOID(co_await sleep(clock, s.deaf ? context{} : ctx, s.takes));
    }
    if (s.fails) co_return fail(*s.fails, "scripted");
    co_return static_cast<int>(me);
  }
  struct leave {
    callee& c;
    ~leave() { --c.under_way; }
  };
  loop& clock;
  std::vector<step> script;
  step last{};
  std::size_t calls = 0;
  int under_way = 0;
  std::vector<steady_time> deadlines;
};

struct bench {
  virtual_loop loop;
  callee posts{loop};
  decision_record record;
  steady_time began = loop.now();

  result<int> call(pipeline<int>& guard, context ctx = {}, call_options options = {}) {
    options.record = &record;
    record.clear();
    began = loop.now();
    return loop.run(guard.run(ctx, options, [this](const context& c) { return posts(c); }));
  }
  duration took() const { return loop.now() - began; }
};
const retry steady{.max_attempts = 3, .base_delay = 100ms, .growth = backoff::constant, .jitter = jitter::none};

TEST(Pipeline, PassesASuccessAndSaysNothing) {
  bench b;
  pipeline<int> guard{b.loop, "posts", timeout{.after = 1s}, steady, circuit_breaker{}, bulkhead{}, rate_limit{}};
  EXPECT_EQ(b.call(guard), 0);
  EXPECT_TRUE(b.record.empty());
}

TEST(Pipeline, RetriesAndTellsWhatHappened) {
  bench b;
  b.posts.script = {{.takes = 12ms, .fails = errc::unavailable}, {.takes = 1h}, {.takes = 5ms}};
  pipeline<int> guard{b.loop, "posts", steady, timeout{.after = 300ms}};
  EXPECT_EQ(b.call(guard), 2);
  EXPECT_EQ(b.took(), 12ms + 100ms + 300ms + 100ms + 5ms);
  EXPECT_EQ(b.record.describe(),
            "try 1 failed: unavailable after 12 ms; waited 100 ms; try 2 timed out after 300 ms; waited 100 ms; try 3 "
            "succeeded after 5 ms");
  EXPECT_EQ(guard.count(reason::retried), 2u);
}

TEST(Pipeline, TheErrorCarriesTheRecord) {
  bench b;
  b.posts.last = {.fails = errc::unavailable};
  pipeline<int> guard{b.loop, "posts", retry{.max_attempts = 2, .base_delay = 1ms, .jitter = jitter::none}};
  const auto failed = b.call(guard);
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code(), errc::unavailable);
  EXPECT_EQ(
      failed.error().describe(),
      "unavailable: scripted [try 1 failed: unavailable after 0 s; waited 1 ms; try 2 failed: unavailable after 0 "
      "s; no retry: that was the last of 2 attempts] (posts)");
}

TEST(Pipeline, TheOverallTimeoutCoversAttemptsAndPauses) {
  bench b;
  b.posts.last = {.takes = 80ms, .fails = errc::unavailable};
  pipeline<int> guard{b.loop, "posts", timeout{.after = 250ms}, steady};
  EXPECT_FALSE(b.call(guard));
  EXPECT_EQ(b.took(), 250ms);  // 80, pause 100, and 70 of the second attempt: it may not go on
  EXPECT_EQ(b.posts.calls, 2u);
  EXPECT_EQ(b.posts.deadlines, (std::vector{b.began + 250ms, b.began + 250ms}));
  EXPECT_TRUE(b.record.has(reason::deadline_too_close));
}

TEST(Pipeline, APerTryTimeoutIsRetriableTheOverallOneIsNot) {
  bench b;
  b.posts.last = {.takes = 1h};
  pipeline<int> each{b.loop, "posts", steady, timeout{.after = 50ms}};
  EXPECT_EQ(b.call(each).error().code(), errc::deadline_exceeded);
  EXPECT_EQ(b.posts.calls, 3u);
  b.posts.calls = 0;
  pipeline<int> whole{b.loop, "posts", timeout{.after = 50ms}, steady};
  EXPECT_EQ(b.call(whole).error().code(), errc::deadline_exceeded);
  EXPECT_EQ(b.posts.calls, 1u);
}

TEST(Pipeline, AnOperationThatIgnoresItsContextIsDestroyedAtItsDeadline) {
  bench b;
  b.posts.last = {.takes = 1h, .deaf = true};
  pipeline<int> guard{b.loop, "posts", timeout{.after = 50ms}};
  EXPECT_EQ(b.call(guard).error().code(), errc::deadline_exceeded);
  EXPECT_EQ(b.took(), 50ms);
  EXPECT_EQ(b.posts.under_way, 0);
}

TEST(Pipeline, TheCallersDeadlineHoldsToo) {
  bench b;
  b.posts.last = {.takes = 1h, .deaf = true};
  pipeline<int> guard{b.loop, "posts", steady, timeout{.after = 1s}};
  EXPECT_EQ(b.call(guard, context{}.with_timeout(b.loop, 30ms)).error().code(), errc::deadline_exceeded);
  EXPECT_EQ(b.took(), 30ms);
  b.posts.calls = 0;
  EXPECT_FALSE(b.call(guard, context{}.with_timeout(b.loop, 0ms)));
  EXPECT_EQ(b.posts.calls, 0u);  // no attempt starts that cannot finish
}

TEST(Pipeline, AnOpenBreakerFailsFastAndSaysWhy) {
  bench b;
  b.posts.last = {.fails = errc::unavailable};
  pipeline<int> guard{b.loop, "posts", circuit_breaker{.minimum_throughput = 10, .break_for = 5s}};
  for (int i = 0; i < 10; ++i) EXPECT_FALSE(b.call(guard));
  const auto refused = b.call(guard);
  EXPECT_EQ(refused.error().describe(), "unavailable: breaker open: 10 of 10 failed in 10 s (posts)");
  EXPECT_EQ(b.posts.calls, 10u);
  EXPECT_EQ(guard.count(reason::breaker_open), 1u);
  b.loop.advance(5s);
  b.posts.last = {};
  EXPECT_TRUE(b.call(guard));
}

TEST(Pipeline, ALocalRejectionIsNotRetriedAndTripsNothing) {
  bench b;
  pipeline<int> guard{b.loop, "posts", steady, circuit_breaker{.minimum_throughput = 1},
                      rate_limit{.limit = 1, .per = 1h}};
  EXPECT_TRUE(b.call(guard));
  for (int i = 0; i < 20; ++i) {
    const auto refused = b.call(guard);
    EXPECT_EQ(refused.error().code(), errc::resource_exhausted);
    EXPECT_EQ(b.took(), duration::zero());
    EXPECT_FALSE(b.record.has(reason::breaker_open));
  }
}

TEST(Pipeline, AnotherPartysLimitOrACallersMistakeTripsNothing) {
  bench b;
  pipeline<int> guard{b.loop, "posts", circuit_breaker{.failure_ratio = 0.1, .minimum_throughput = 1}};
  for (const auto code : {errc::resource_exhausted, errc::not_found, errc::invalid_argument, errc::cancelled}) {
    b.posts.last = {.fails = code};
    for (int i = 0; i < 20; ++i) EXPECT_EQ(b.call(guard).error().code(), code);
  }
}

TEST(Pipeline, AProbeEndsWithItsOwnDeadline) {
  bench b;
  b.posts.last = {.fails = errc::unavailable};
  pipeline<int> guard{b.loop, "posts",
                      circuit_breaker{.consecutive_failures = 1, .break_for = 5s, .probe_timeout = 2s}};
  EXPECT_FALSE(b.call(guard));
  b.loop.advance(5s);
  b.posts.last = {.takes = 24h, .deaf = true};
  EXPECT_EQ(b.call(guard).error().code(), errc::deadline_exceeded);
  EXPECT_EQ(b.took(), 2s);
  EXPECT_EQ(b.call(guard).error().message(), "breaker open: 1 of 1 probes failed");
}

task<void> run_into(pipeline<int>& guard, context ctx, callee& c, std::vector<result<int>>& into) {
  into.push_back(co_await guard.run(ctx, [&c](const context& inner) { return c(inner); }));
}
task<int> run_many(loop& l, pipeline<int>& guard, callee& c, int n, std::vector<result<int>>& into, context ctx = {}) {
  task_group group{l};
  for (int i = 0; i < n; ++i) group.spawn(run_into(guard, ctx, c, into));
  co_await group.join();
  co_return n;
}

TEST(Pipeline, ABulkheadQueuesAndTimesOut) {
  bench b;
  b.posts.last = {.takes = 100ms};
  pipeline<int> guard{b.loop, "posts", bulkhead{.max_concurrent = 1, .max_queued = 2, .queue_timeout = 150ms}};
  std::vector<result<int>> got;
  b.loop.run(run_many(b.loop, guard, b.posts, 4, got));
  ASSERT_EQ(got.size(), 4u);
  EXPECT_EQ(got[0].error().message(), "bulkhead full: 1 of 1 calls under way and the queue is full");
  EXPECT_EQ(got[1], 0);
  EXPECT_EQ(got[2].error().message(), "bulkhead: no permit within 150 ms");
  EXPECT_EQ(got[3], 1);
  EXPECT_EQ(b.posts.calls, 2u);
  EXPECT_EQ(b.loop.now() - b.began, 200ms);
}

TEST(Pipeline, ACancelledWaiterLeavesTheQueue) {
  bench b;
  b.posts.last = {.takes = 100ms};
  auto cabins = std::make_shared<bulkhead_core>(bulkhead{.max_concurrent = 1});
  pipeline<int> guard{b.loop, "posts", cabins};
  std::vector<result<int>> got;
  cancel_source gives_up;
  b.loop.post([&] { gives_up.cancel(); });
  ASSERT_TRUE(cabins->try_enter());
  b.loop.run(run_many(b.loop, guard, b.posts, 1, got, context{}.with_cancellation(gives_up.token())));
  EXPECT_EQ(got.at(0).error().code(), errc::cancelled);
  EXPECT_EQ(cabins->queued(), 0u);
}

TEST(Pipeline, ACancelledCallGivesItsPermitsBackAndCountsAsNothing) {
  bench b;
  b.posts.last = {.takes = 1h};
  auto cabins = std::make_shared<bulkhead_core>(bulkhead{.max_concurrent = 1, .max_queued = 0});
  auto breaker = std::make_shared<breaker_core>(circuit_breaker{.consecutive_failures = 1});
  pipeline<int> guard{b.loop, "posts", breaker, cabins};
  std::vector<result<int>> got;
  {
    task_group group{b.loop};
    group.spawn(run_into(guard, {}, b.posts, got));
    b.loop.advance(1s);
    EXPECT_EQ(cabins->in_flight(), 1u);
  }  // its frame is destroyed
  EXPECT_EQ(cabins->in_flight(), 0u);
  EXPECT_EQ(breaker->totals(b.loop.now()).calls, 0u);
}

TEST(Pipeline, ACallerWhoGivesUpDuringAPauseGetsNoFurtherAttempt) {
  bench b;
  b.posts.last = {.fails = errc::unavailable};
  pipeline<int> guard{b.loop, "posts", steady};
  cancel_source gives_up;
  b.loop.post([&] { gives_up.cancel(); });
  EXPECT_EQ(b.call(guard, context{}.with_cancellation(gives_up.token())).error().code(), errc::cancelled);
  EXPECT_EQ(b.posts.calls, 1u);
  EXPECT_EQ(b.took(), duration::zero());
}

TEST(Pipeline, TheBudgetBoundsRetries) {
  bench b;
  b.posts.last = {.fails = errc::unavailable};
  auto policy = std::make_shared<retry_core>(retry{
      .max_attempts = 4, .base_delay = 10ms, .jitter = jitter::none, .budget = {.ratio = 0.2, .min_concurrent = 3}});
  pipeline<int> guard{b.loop, "posts", policy};
  std::vector<result<int>> got;
  b.loop.run(run_many(b.loop, guard, b.posts, 100, got));
  EXPECT_EQ(got.size(), 100u);
  // The hundred start in one turn and fail at once, so most find few others under way: never more than the floor.
  EXPECT_LE(b.posts.calls, 100u + 3 * 3);
  EXPECT_GT(guard.count(reason::budget_exhausted), 90u);
  EXPECT_EQ(policy->budget().active_requests(), 0u);
  EXPECT_EQ(policy->budget().active_retries(), 0u);
}

TEST(Pipeline, ANonIdempotentCallIsNotRepeated) {
  bench b;
  b.posts.last = {.fails = errc::unavailable};
  pipeline<int> guard{b.loop, "posts", steady};
  EXPECT_FALSE(b.call(guard, {}, {.repeat = replay::unsafe}));
  EXPECT_EQ(b.posts.calls, 1u);
  EXPECT_TRUE(b.record.has(reason::not_idempotent));
}

task<result<int>> on_hosts(attempt& a, std::vector<std::string>& asked) {
  for (const auto* host : {"10.0.0.3", "10.0.0.4", "10.0.0.5"}) {
    if (a.was_tried(host)) continue;
    a.set_peer(host);
    asked.emplace_back(host);
    if (asked.size() == 2) a.refused_locally();
    if (asked.size() == 3) co_return 7;
    a.not_processed();
    co_return fail(errc::unavailable, "connect");
  }
  co_return fail(errc::unavailable, "no host is left");
}

TEST(Pipeline, ARetryAvoidsHostsAlreadyTriedAndNamesThem) {
  bench b;
  pipeline<int> guard{b.loop, "posts", steady};
  std::vector<std::string> asked;
  const auto got = b.loop.run(guard.run({}, {.repeat = replay::unsafe, .record = &b.record},
                                        [&asked](const context&, attempt& a) { return on_hosts(a, asked); }));
  EXPECT_EQ(got, 7);
  EXPECT_EQ(asked, (std::vector<std::string>{"10.0.0.3", "10.0.0.4", "10.0.0.5"}));
  EXPECT_EQ(b.record.describe(),
            "try 1 to 10.0.0.3 failed: unavailable after 0 s; waited 100 ms; try 2 to 10.0.0.4 failed: unavailable "
            "after 0 s; waited 100 ms; try 3 to 10.0.0.5 succeeded after 0 s");
}

TEST(Pipeline, AHedgeWinsAndTheLoserCountsAsNothing) {
  bench b;
  b.posts.script = {{.takes = 10s, .deaf = true}, {.takes = 5ms}};
  auto breaker = std::make_shared<breaker_core>(circuit_breaker{});
  auto hedges = std::make_shared<hedge_core>(hedge{.delay = 50ms});
  pipeline<int> guard{b.loop, "posts", hedges, breaker};
  EXPECT_EQ(b.call(guard), 1);
  EXPECT_EQ(b.took(), 55ms);
  EXPECT_EQ(b.posts.under_way, 0);
  EXPECT_EQ(breaker->totals(b.loop.now()).calls, 1u);
  EXPECT_EQ(hedges->latencies().count(), 1u);
  EXPECT_EQ(b.record.describe(), "hedged after 50 ms; try 2 succeeded after 5 ms");
}

TEST(Pipeline, AFastAnswerNeedsNoHedgeAndABudgetBoundsThem) {
  bench b;
  pipeline<int> guard{b.loop, "posts", hedge{.delay = 50ms, .budget_ratio = 0}};
  b.posts.last = {.takes = 50ms - 1ns};
  EXPECT_TRUE(b.call(guard));
  EXPECT_EQ(b.posts.calls, 1u);
  b.posts.last = {.takes = 60ms};
  EXPECT_TRUE(b.call(guard));  // spends what it started with
  EXPECT_EQ(b.posts.calls, 3u);
  EXPECT_TRUE(b.call(guard));
  EXPECT_EQ(b.posts.calls, 4u);
  EXPECT_TRUE(b.record.has(reason::hedge_budget_exhausted));
}

TEST(Pipeline, AFailedHedgeWaitsForTheOther) {
  bench b;
  b.posts.script = {{.takes = 100ms}, {.takes = 5ms, .fails = errc::unavailable}};
  pipeline<int> guard{b.loop, "posts", hedge{.delay = 50ms}};
  EXPECT_EQ(b.call(guard), 0);
  EXPECT_EQ(b.took(), 100ms);
}

TEST(Pipeline, ShadowModeCountsAndLetsPass) {
  bench b;
  constexpr auto shadow = policy_mode::shadow;
  pipeline<int> guard{b.loop,
                      "posts",
                      timeout{.after = 10ms, .mode = shadow},
                      retry{.base_delay = 1ms, .jitter = jitter::none, .mode = shadow},
                      circuit_breaker{.minimum_throughput = 2, .mode = shadow},
                      bulkhead{.max_concurrent = 1, .max_queued = 0, .mode = shadow},
                      rate_limit{.limit = 1, .per = 1h, .mode = shadow}};
  b.posts.last = {.takes = 20ms, .fails = errc::unavailable};
  for (int i = 0; i < 3; ++i) EXPECT_EQ(b.call(guard).error().code(), errc::unavailable);
  EXPECT_EQ(b.posts.calls, 3u);
  EXPECT_EQ(guard.shadow_count(reason::timed_out), 3u);
  EXPECT_EQ(guard.shadow_count(reason::retried), 3u);
  EXPECT_EQ(guard.shadow_count(reason::breaker_open), 1u);
  EXPECT_EQ(guard.shadow_count(reason::rate_limited), 2u);
  b.posts.last = {.takes = 20ms};
  std::vector<result<int>> got;
  b.loop.run(run_many(b.loop, guard, b.posts, 3, got));
  EXPECT_EQ(guard.shadow_count(reason::bulkhead_full), 2u);
  EXPECT_EQ(guard.count(reason::rate_limited) + guard.count(reason::bulkhead_full), 0u);
}

TEST(Pipeline, RefusesCompositionsThatMakeNoSense) {
  virtual_loop l;
  const auto refusal = [&](auto... policies) -> std::string {
    try {
      pipeline<int> p{l, "posts", policies...};
    } catch (const std::invalid_argument& e) {
      return e.what();
    }
    return "accepted";
  };
  const auto has = [](const char* text) { return ::testing::HasSubstr(text); };
  EXPECT_THAT(refusal(retry{}, retry{}), has("two retry policies"));
  EXPECT_THAT(refusal(retry{}, cache<int>{}), has("cache stands inside retry"));
  EXPECT_THAT(refusal(timeout{}, fallback<int>::value(1)), has("fallback stands inside timeout"));
  EXPECT_THAT(refusal(bulkhead{}, circuit_breaker{}), has("circuit_breaker stands inside bulkhead"));
  EXPECT_THAT(refusal(hedge{}, retry{}), has("retry stands inside hedge"));
  EXPECT_THAT(refusal(retry{}, load_shed{}), has("load_shed stands inside retry"));
  EXPECT_THAT(refusal(timeout{}, timeout{}), has("two timeout policies on the same side"));
  EXPECT_THAT(refusal(timeout{.after = 1s}, retry{}, timeout{.after = 1s}), has("not shorter"));
  EXPECT_EQ(refusal(fallback<int>::value(1), cache<int>{}, load_shed{}, timeout{.after = 2s}, circuit_breaker{},
                    bulkhead{}, retry{}, hedge{}, circuit_breaker{}, bulkhead{}, rate_limit{}, timeout{}),
            "accepted");
}

}  // namespace
}  // namespace weft::resilience
