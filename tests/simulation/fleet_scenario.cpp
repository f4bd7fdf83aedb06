#include "fleet_scenario.hpp"

namespace fleet {

using namespace weft;
using namespace weft::testkit;
using namespace std::chrono_literals;

namespace {

const std::vector<std::string> instances{"posts-1", "posts-2", "posts-3", "posts-4", "posts-5"};
const std::vector<std::string> callers{"users", "feed"};

// What differs from seed to seed beside the faults.
struct drawn {
  instance_options instance;
  guard_options guards;
  discovery::host_set_options hosts;
  bool registered = false;  // in a registry with heartbeats, instead of a list of addresses
  bool probed = false;      // active health checks
  load load;
};

drawn draw(rng& random, protection how) {
  drawn d;
  d.instance.late = random.chance(0.5) ? late_work::dropped : late_work::done_anyway;
  d.registered = random.chance(0.5);
  d.probed = random.chance(0.25);
  constexpr std::array kinds{discovery::algorithm::least_request, discovery::algorithm::least_request,
                             discovery::algorithm::peak_ewma, discovery::algorithm::round_robin};
  d.hosts = {.balance = {.kind = kinds[random.below(kinds.size())]},
             .outlier = discovery::outlier_options{
                 .interval = 1s, .base_ejection = 2s, .max_ejection = 4s, .max_ejection_percent = 40}};
  auto& g = d.guards;
  g.retry.budget.kind = random.chance(0.5) ? resilience::budget_kind::tokens : resilience::budget_kind::active;
  g.retry.budget.token_ratio = 0.2;
  if (random.chance(0.25)) g.breaker.consecutive_failures = 7;
  if (random.chance(0.25)) g.breaker.window_calls = 50;
  if (random.chance(0.5)) g.adaptive.mode = resilience::policy_mode::enforce;
  const duration spike_from = 2s + duration{random.between(0, 10'000'000'000)};
  d.load = {.spike_from = spike_from,
            .spike_until = spike_from + 2s + duration{random.between(0, 4'000'000'000)},
            .until = load_ends,
            .calm_from = faults_end + recovery};
  if (how == protection::none) g.retry.budget.kind = resilience::budget_kind::none;
  if (how == protection::none || how == protection::budget_alone) g.breaker.mode = resilience::policy_mode::off;
  if (how == protection::wedged_breaker) g.breaker.break_for = g.breaker.max_break_for = 1h;
  return d;
}

std::unique_ptr<discovery::registry> registry_for(simulation& sim, host& h,
                                                  const std::shared_ptr<discovery::memory_hub>& hub) {
  if (hub) return discovery::make_registry(h.loop(), "memory:", {.memory = hub});
  std::string url = "static:posts=";
  for (const auto& name : instances) url += sim.at(name).address(80).to_string() + ",";
  url.pop_back();
  return discovery::make_registry(h.loop(), url);
}

// Instances whose work takes five to twenty times as long for a while: a full disk, a noisy neighbour.
fault_plan slow_instances(rng& random, ledger& book) {
  fault_plan plan;
  for (duration at = duration{random.between(0, 8'000'000'000)}; at < faults_end;
       at += duration{random.between(1'000'000'000, 12'000'000'000)}) {
    const auto name = instances[random.below(instances.size())];
    const auto factor = static_cast<double>(random.between(5, 20));
    const auto end = std::min<duration>(at + duration{random.between(1'000'000'000, 6'000'000'000)}, faults_end);
    plan.at(at).run([&book, name, factor](simulation& sim) {
      sim.at(name).trace("works slower");
      book.slowdown[name] = factor;
    });
    plan.at(end).run([&book, name](simulation&) { book.slowdown.erase(name); });
  }
  return plan;
}

void break_things(simulation& sim, ledger& book) {
  auto& random = sim.random();
  sim.apply(slow_instances(random, book));
  sim.apply(fault_plan::random(random, {.hosts = instances,
                                        .until = faults_end,
                                        .down_at_once = 2,
                                        .crash_every = 4s,
                                        .down_most = 5s,
                                        .pause_every = 8s,
                                        .pause_most = 2s,
                                        .partition_every = {},
                                        .slow_every = {},
                                        .reset_every = {}}));
  sim.apply(fault_plan::random(random, {.hosts = sim.hosts(),
                                        .until = faults_end,
                                        .crash_every = {},
                                        .pause_every = {},
                                        .partition_every = 6s,
                                        .partition_most = 4s,
                                        .slow_every = 8s,
                                        .slow_most = 4s,
                                        .reset_every = 8s}));
}

// What a budget lets through whatever its ratio says. Tokens: half of them may be spent before it says no. Active: so
// many retries may be under way at any time.
double floor_of(const resilience::retry_budget& b) {
  return b.kind == resilience::budget_kind::tokens ? b.max_tokens / 2 : b.min_concurrent;
}

}  // namespace

run_summary run_fleet(simulation& sim, protection how) {
  auto& book = sim.make<ledger>();
  const auto d = draw(sim.random(), how);
  const auto hub = d.registered ? std::make_shared<discovery::memory_hub>() : nullptr;
  for (const auto& name : instances)
    sim.add_host(name).on_boot([&book, o = d.instance, hub](host& h) { return run_instance(h, book, o, hub); });
  std::vector<caller*> all;
  for (const auto& name : callers) {
    auto& h = sim.add_host(name);
    discovery::service_client_options options{
        .service = "posts",
        .caller = name,
        .hosts = d.hosts,
        // An idle connection to a host that lost its power looks alive until it is used, and a POST may not be
        // repeated: so none is kept for longer than recovery may take.
        .http = {.connect_timeout = 300ms, .idle_timeout = recovery - 2s, .max_connections = 48, .max_waiting = 64}};
    if (d.probed) options.check = discovery::health_check{.interval = 1s, .timeout = 500ms};
    all.push_back(&sim.make<caller>(h, book, registry_for(sim, h, hub), options, d.guards));
    h.spawn(all.back()->run(d.load));
  }
  break_things(sim, book);
  sim.run_for(load_ends);
  const bool ended = sim.run_until([&] { return std::ranges::all_of(all, &caller::idle); }, 3s);

  run_summary s{.offered = book.offered, .sent = book.sent, .arrived = book.arrived, .succeeded = book.succeeded};
  for (const auto* c : all) {
    s.retries += c->retries();
    s.floor += floor_of(d.guards.retry.budget);
  }
  sim.check(ended, "calls are still under way long after their deadlines");
  if (how == protection::none) return s;
  for (const auto* c : all) c->check_nothing_is_left(sim);
  sim.check(!s.is_storm(), "a retry storm: " + std::to_string(s.arrived) + " requests reached instances for " +
                               std::to_string(s.sent) + " calls");
  return s;
}

std::vector<duration> run_with_one_slow_instance(simulation& sim, discovery::algorithm balancing) {
  constexpr auto lasts = 30s;
  constexpr auto patience = 10min;  // the queue of the slow one only grows, if it gets its fifth
  auto& book = sim.make<ledger>();
  book.keep_latencies = true;
  book.slowdown[instances.front()] = 10;
  for (const auto& name : instances)
    sim.add_host(name).on_boot([&book](host& h) { return run_instance(h, book, {.queue = 10'000}, nullptr); });
  guard_options guards{
      .overall = {.after = patience}, .retry = {.max_attempts = 1}, .attempt = {.after = patience - 1s}};
  guards.breaker.mode = guards.rate.mode = guards.bulkhead.mode = resilience::policy_mode::off;
  guards.bulkhead.max_concurrent = 10'000;
  auto& h = sim.add_host(callers.front());
  auto& users = sim.make<caller>(
      h, book, registry_for(sim, h, nullptr),
      discovery::service_client_options{.service = "posts",
                                        .hosts = {.balance = {.kind = balancing}, .outlier = std::nullopt},
                                        .http = {.response_timeout = patience, .max_connections = 2000}},
      guards);
  h.spawn(users.run({.per_second = 60, .until = lasts, .own_deadline = 0}));
  sim.run_for(lasts);
  sim.run_until([&] { return users.idle(); }, patience + 1s);
  std::ranges::sort(book.latencies);
  return book.latencies;
}

}  // namespace fleet
