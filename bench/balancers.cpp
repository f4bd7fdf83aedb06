// Picks per second of each load balancer with 10, 100 and 1000 hosts: the balancer alone, and with all that a service's
// pick has (health, zones, a call that is counted and ended). Unequal weights are where round robin and the random ones
// do more work; the keys of ring hash and Maglev are new each time.
#include <weft/discovery/host_set.hpp>

#include <benchmark/benchmark.h>

#include <string>
#include <vector>

namespace {

using namespace weft;
using namespace weft::discovery;

const steady_time start{std::chrono::hours{1}};

enum class weights { equal, unequal };

instance numbered(std::int64_t i, weights w) {
  instance it;
  it.id = "posts-" + std::to_string(i);
  it.service = "posts";
  it.where = {.host = "10.0.0." + std::to_string(i), .port = 8080};
  it.weight = w == weights::equal ? 1 : static_cast<std::uint32_t>(1 + i % 5);
  return it;
}

void pick(benchmark::State& state, algorithm kind, weights w, double load_bound = 0) {
  rng random{1};
  std::vector<host_ptr> hosts;
  for (std::int64_t i = 0; i < state.range(0); ++i) {
    hosts.push_back(new host{numbered(i, w), start});
    hosts.back()->latency.record(std::chrono::milliseconds{1 + i % 7}, std::chrono::seconds{10}, start);
    hosts.back()->active = static_cast<std::uint32_t>(random.below(4));
  }
  const auto b = make_balancer({.kind = kind, .load_bound = load_bound}, random);
  b->assign(hosts, start);
  std::uint64_t key = 0;
  auto now = start;
  for (auto _ : state) {
    now += std::chrono::microseconds{1};
    benchmark::DoNotOptimize(b->pick({.now = now, .key = ++key}));
  }
  state.SetItemsProcessed(state.iterations());
}

void pick_and_end(benchmark::State& state, algorithm kind) {
  rng random{1};
  host_set posts{"posts", {.balance = {.kind = kind}}, random};
  std::vector<instance> instances;
  for (std::int64_t i = 0; i < state.range(0); ++i) instances.push_back(numbered(i, weights::equal));
  posts.update(make_snapshot(std::move(instances)), start);
  std::uint64_t key = 0;
  auto now = start;
  for (auto _ : state) {
    now += std::chrono::microseconds{1};
    auto p = posts.pick({.key = ++key}, now);
    p->end({}, now, std::chrono::milliseconds{1});
  }
  state.SetItemsProcessed(state.iterations());
}

// What a change of the set costs.
void assign(benchmark::State& state, algorithm kind) {
  rng random{1};
  std::vector<host_ptr> hosts;
  for (std::int64_t i = 0; i < state.range(0); ++i) hosts.push_back(new host{numbered(i, weights::equal), start});
  const auto b = make_balancer({.kind = kind}, random);
  for (auto _ : state) b->assign(hosts, start);
}

#define WEFT_SIZES ->Arg(10)->Arg(100)->Arg(1000)
BENCHMARK_CAPTURE(pick, round_robin, algorithm::round_robin, weights::equal) WEFT_SIZES;
BENCHMARK_CAPTURE(pick, round_robin_weighted, algorithm::round_robin, weights::unequal) WEFT_SIZES;
BENCHMARK_CAPTURE(pick, random, algorithm::random, weights::equal) WEFT_SIZES;
BENCHMARK_CAPTURE(pick, random_weighted, algorithm::random, weights::unequal) WEFT_SIZES;
BENCHMARK_CAPTURE(pick, least_request, algorithm::least_request, weights::equal) WEFT_SIZES;
BENCHMARK_CAPTURE(pick, least_request_weighted, algorithm::least_request, weights::unequal) WEFT_SIZES;
BENCHMARK_CAPTURE(pick, peak_ewma, algorithm::peak_ewma, weights::equal) WEFT_SIZES;
BENCHMARK_CAPTURE(pick, ring_hash, algorithm::ring_hash, weights::equal) WEFT_SIZES;
BENCHMARK_CAPTURE(pick, ring_hash_bounded, algorithm::ring_hash, weights::equal, 1.25) WEFT_SIZES;
BENCHMARK_CAPTURE(pick, maglev, algorithm::maglev, weights::equal) WEFT_SIZES;
BENCHMARK_CAPTURE(pick, maglev_bounded, algorithm::maglev, weights::equal, 1.25) WEFT_SIZES;
BENCHMARK_CAPTURE(pick_and_end, least_request, algorithm::least_request) WEFT_SIZES;
BENCHMARK_CAPTURE(pick_and_end, peak_ewma, algorithm::peak_ewma) WEFT_SIZES;
BENCHMARK_CAPTURE(pick_and_end, maglev, algorithm::maglev) WEFT_SIZES;
BENCHMARK_CAPTURE(assign, ring_hash, algorithm::ring_hash) WEFT_SIZES;
BENCHMARK_CAPTURE(assign, maglev, algorithm::maglev) WEFT_SIZES;

}  // namespace
