// What each policy costs a call that succeeds, alone and five composed, on one thread and on two that share the states.
//
// The operation is a coroutine that answers at once; resilience_call_bare is the same without a pipeline, so the
// difference is the pipeline's. Allocations are calls of operator new per call, warm.
#include <weft/resilience.hpp>
#include <weft/runtime/epoll_loop.hpp>

#include <benchmark/benchmark.h>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <new>

namespace {
thread_local std::uint64_t allocations = 0;
}

void* operator new(std::size_t bytes) {
  ++allocations;
  if (void* memory = std::malloc(bytes == 0 ? 1 : bytes)) return memory;
  throw std::bad_alloc{};
}
void* operator new(std::size_t bytes, std::align_val_t alignment) {
  ++allocations;
  const auto to = static_cast<std::size_t>(alignment);
  if (void* memory = std::aligned_alloc(to, (bytes + to - 1) / to * to)) return memory;
  throw std::bad_alloc{};
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::align_val_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept { std::free(memory); }

namespace {

using namespace weft;
using namespace weft::resilience;

task<result<int>> answer(const context&) { co_return 1; }

task<result<int>> answer_later(loop& l, const context&) {
  co_await yield(l);
  co_return 1;
}

void report(benchmark::State& state, std::uint64_t before) {
  state.counters["allocs"] =
      benchmark::Counter(static_cast<double>(allocations - before), benchmark::Counter::kAvgIterations);
}

task<int> call_guarded(benchmark::State& state, pipeline<int>& guard) {
  for (int warm = 0; warm < 64; ++warm) static_cast<void>(co_await guard.run({}, answer));
  const auto before = allocations;
  for (auto _ : state) {
    auto got = co_await guard.run({}, answer);
    if (!got) state.SkipWithError("refused");
    benchmark::DoNotOptimize(got);
  }
  report(state, before);
  co_return 0;
}

task<int> call_bare(benchmark::State& state) {
  const context ctx;
  static_cast<void>(co_await answer(ctx));
  const auto before = allocations;
  for (auto _ : state) {
    auto got = co_await answer(ctx);
    benchmark::DoNotOptimize(got);
  }
  report(state, before);
  co_return 0;
}

task<int> call_suspending(benchmark::State& state, loop& l, pipeline<int>& guard) {
  const auto operation = [&l](const context& ctx) { return answer_later(l, ctx); };
  for (int warm = 0; warm < 64; ++warm) static_cast<void>(co_await guard.run({}, operation));
  const auto before = allocations;
  for (auto _ : state) {
    auto got = co_await guard.run({}, operation);
    benchmark::DoNotOptimize(got);
  }
  report(state, before);
  co_return 0;
}

task<int> call_suspending_bare(benchmark::State& state, loop& l) {
  const context ctx;
  static_cast<void>(co_await answer_later(l, ctx));
  const auto before = allocations;
  for (auto _ : state) {
    auto got = co_await answer_later(l, ctx);
    benchmark::DoNotOptimize(got);
  }
  report(state, before);
  co_return 0;
}

// Shared by the threads of a benchmark, as loops of one process share them.
struct shared_states {
  std::shared_ptr<retry_core> retries = std::make_shared<retry_core>(retry{});
  std::shared_ptr<breaker_core> breaker = std::make_shared<breaker_core>(circuit_breaker{});
  std::shared_ptr<breaker_core> breaker_by_count = std::make_shared<breaker_core>(circuit_breaker{.window_calls = 100});
  std::shared_ptr<bulkhead_core> cabins = std::make_shared<bulkhead_core>(bulkhead{});
  std::shared_ptr<rate_limiter_core> gcra = limiter(rate_algorithm::gcra);
  std::shared_ptr<rate_limiter_core> sliding = limiter(rate_algorithm::sliding_window);
  std::shared_ptr<rate_limiter_core> bucket = limiter(rate_algorithm::token_bucket);
  std::shared_ptr<adaptive_limit_core> adaptive = std::make_shared<adaptive_limit_core>(adaptive_concurrency{});
  std::shared_ptr<load_shedder_core> shedder = std::make_shared<load_shedder_core>(load_shed{});

  // High enough never to refuse: a refusal is another path.
  static std::shared_ptr<rate_limiter_core> limiter(rate_algorithm algorithm) {
    const bool sliding = algorithm == rate_algorithm::sliding_window;
    return std::make_shared<rate_limiter_core>(
        rate_limit{.algorithm = algorithm, .limit = sliding ? 4'000'000u : 1'000'000'000u, .per = sliding ? 10ms : 1s});
  }
};

shared_states& shared() {
  static shared_states states;
  return states;
}

template <class... Policies>
void run(benchmark::State& state, Policies... policies) {
  epoll_loop loop;
  pipeline<int> guard{loop, "bench", std::move(policies)...};
  loop.run(call_guarded(state, guard));
}

void resilience_call_bare(benchmark::State& state) {
  epoll_loop loop;
  loop.run(call_bare(state));
}
void resilience_empty(benchmark::State& state) { run(state); }
void resilience_timeout(benchmark::State& state) { run(state, timeout{.after = 1s}); }
void resilience_retry(benchmark::State& state) { run(state, shared().retries); }
void resilience_breaker(benchmark::State& state) { run(state, shared().breaker); }
void resilience_breaker_by_count(benchmark::State& state) { run(state, shared().breaker_by_count); }
void resilience_bulkhead(benchmark::State& state) { run(state, shared().cabins); }
void resilience_limiter_gcra(benchmark::State& state) { run(state, shared().gcra); }
void resilience_limiter_sliding(benchmark::State& state) { run(state, shared().sliding); }
void resilience_limiter_bucket(benchmark::State& state) { run(state, shared().bucket); }
void resilience_adaptive(benchmark::State& state) { run(state, shared().adaptive); }
void resilience_shed(benchmark::State& state) { run(state, shared().shedder); }
void resilience_breaker_and_timeout(benchmark::State& state) { run(state, shared().breaker, timeout{.after = 1s}); }
void resilience_five(benchmark::State& state) {
  auto& s = shared();
  run(state, timeout{.after = 1s}, s.retries, s.breaker, s.gcra, s.cabins);
}
void resilience_five_suspending(benchmark::State& state) {
  epoll_loop loop;
  auto& s = shared();
  pipeline<int> guard{loop, "bench", timeout{.after = 1s}, s.retries, s.breaker, s.gcra, s.cabins};
  loop.run(call_suspending(state, loop, guard));
}
void resilience_suspending_bare(benchmark::State& state) {
  epoll_loop loop;
  loop.run(call_suspending_bare(state, loop));
}

BENCHMARK(resilience_call_bare);
BENCHMARK(resilience_empty);
BENCHMARK(resilience_timeout)->ThreadRange(1, 2);
BENCHMARK(resilience_retry)->ThreadRange(1, 2);
BENCHMARK(resilience_breaker)->ThreadRange(1, 2);
BENCHMARK(resilience_breaker_by_count)->ThreadRange(1, 2);
BENCHMARK(resilience_bulkhead)->ThreadRange(1, 2);
BENCHMARK(resilience_limiter_gcra)->ThreadRange(1, 2);
BENCHMARK(resilience_limiter_sliding)->ThreadRange(1, 2);
BENCHMARK(resilience_limiter_bucket)->ThreadRange(1, 2);
BENCHMARK(resilience_adaptive)->ThreadRange(1, 2);
BENCHMARK(resilience_shed)->ThreadRange(1, 2);
BENCHMARK(resilience_breaker_and_timeout);
BENCHMARK(resilience_five)->ThreadRange(1, 2);
BENCHMARK(resilience_suspending_bare);
BENCHMARK(resilience_five_suspending);

}  // namespace
