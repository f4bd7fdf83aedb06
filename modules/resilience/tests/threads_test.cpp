// weft-style: allow thread in this file: what is shared between loops must hold when threads use it at once
#include <weft/resilience/core/breaker.hpp>
#include <weft/resilience/core/hedge.hpp>
#include <weft/resilience/core/load_shedder.hpp>
#include <weft/resilience/core/rate_limiter.hpp>
#include <weft/resilience/pipeline.hpp>
#include <weft/runtime/epoll_loop.hpp>
#include <weft/runtime/sleep.hpp>

#include <gtest/gtest.h>

#include <thread>

namespace weft::resilience {
namespace {

constexpr steady_time start{1'000'000s};
constexpr int threads = 4;
constexpr int rounds = 5000;

template <class Work>
void at_once(Work work) {
  std::vector<std::thread> running;
  for (int i = 0; i < threads; ++i) running.emplace_back([work, i] { work(i); });
  for (auto& t : running) t.join();
}

TEST(Threads, ALimiterAdmitsExactlyItsLimit) {
  for (const auto a : {rate_algorithm::gcra, rate_algorithm::sliding_window, rate_algorithm::token_bucket}) {
    rate_limiter_core limiter{{.algorithm = a, .limit = 7777, .per = 1h}};
    std::atomic<int> admitted{0};
    at_once([&](int) {
      for (int i = 0; i < rounds; ++i)
        if (limiter.take(1, start).allowed) ++admitted;
    });
    EXPECT_EQ(admitted, 7777);
  }
}

TEST(Threads, ABreakerCountsEveryCall) {
  for (const std::uint32_t calls : {0u, 1'000'000u}) {
    breaker_core breaker{{.failure_ratio = 1, .minimum_throughput = 1'000'000, .window_calls = calls}};
    at_once([&](int me) {
      rng random{static_cast<std::uint64_t>(me)};
      for (int i = 0; i < rounds; ++i)
        breaker.record(breaker.try_acquire(start), i % 2 == 0 ? verdict::success : verdict::failure, 1ms, start,
                       random);
    });
    const auto seen = breaker.totals(start);
    EXPECT_EQ(seen.calls, threads * rounds);
    EXPECT_EQ(seen.failed, threads * rounds / 2);
  }
}

TEST(Threads, OneProbeIsAdmittedWhoeverAsks) {
  breaker_core breaker{{.consecutive_failures = 1, .break_for = 1s}};
  rng random{1};
  for (int round = 0; round < 50; ++round) {
    breaker.record(breaker.try_acquire(start), verdict::failure, 1ms, start, random);
    std::atomic<int> probes{0};
    at_once([&](int) {
      if (breaker.try_acquire(start + 1s).admitted()) ++probes;
    });
    EXPECT_EQ(probes, 1);
    breaker.close(start);
  }
}

TEST(Threads, ABudgetAndASheddersPlacesComeBack) {
  retry_budget_core budget{{}};
  load_shedder_core shed{{.max_in_flight = 3}};
  std::atomic<int> most{0};
  at_once([&](int) {
    for (int i = 0; i < rounds; ++i) {
      budget.request_started();
      if (budget.try_retry()) budget.retry_ended();
      if (shed.try_enter(priority::critical)) {
        most = std::max<int>(most, static_cast<int>(shed.in_flight()));
        shed.leave();
      }
      budget.request_ended();
    }
  });
  EXPECT_EQ(budget.active_requests(), 0u);
  EXPECT_EQ(budget.active_retries(), 0u);
  EXPECT_EQ(shed.in_flight(), 0u);
  EXPECT_LE(most, 3);
}

task<result<int>> inside(loop& l, context ctx, std::atomic<int>& now_inside, std::atomic<int>& most) {
  const auto n = ++now_inside;
  auto seen = most.load();
  while (seen < n && !most.compare_exchange_weak(seen, n)) {
  }
  co_await yield(l);
  static_cast<void>(ctx);
  --now_inside;
  co_return 1;
}
task<void> caller(pipeline<int>& guard, loop& l, std::atomic<int>& now_inside, std::atomic<int>& most, int calls,
                  std::atomic<int>& answered) {
  for (int i = 0; i < calls; ++i) {
    const auto got = co_await guard.run({}, [&](const context& ctx) { return inside(l, ctx, now_inside, most); });
    if (got) ++answered;
  }
}
task<int> callers(pipeline<int>& guard, loop& l, std::atomic<int>& now_inside, std::atomic<int>& most,
                  std::atomic<int>& answered) {
  task_group group{l};
  for (int i = 0; i < 8; ++i) group.spawn(caller(guard, l, now_inside, most, 100, answered));
  co_await group.join();
  co_return 0;
}

TEST(Threads, ABulkheadIsSharedByLoops) {
  auto cabins = std::make_shared<bulkhead_core>(bulkhead{.max_concurrent = 3, .max_queued = 100, .queue_timeout = 1h});
  auto breaker = std::make_shared<breaker_core>(circuit_breaker{});
  std::atomic<int> now_inside{0}, most{0}, answered{0};
  at_once([&](int) {
    epoll_loop loop;
    pipeline<int> guard{loop, "shared", breaker, cabins};
    loop.run(callers(guard, loop, now_inside, most, answered));
  });
  EXPECT_EQ(answered, threads * 800);
  EXPECT_EQ(most, 3);
  EXPECT_EQ(cabins->in_flight(), 0u);
  EXPECT_EQ(cabins->queued(), 0u);
}

}  // namespace
}  // namespace weft::resilience
