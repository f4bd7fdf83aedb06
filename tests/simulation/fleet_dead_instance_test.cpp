// B1: one dead instance of a service costs its share of first tries, and no call its answer. 2, 3 and 10 instances, of
// which one at a time dies in some way, comes back and dies in another; every call that may be repeated has its answer,
// and the service's breaker never opens. docs/decisions/0006 says why. WEFT_SEEDS=10000 is the long run.
// weft-style: allow thread in this file: seeds are explored on two threads, and the totals are of all of them
#include <weft/discovery/service_client.hpp>
#include <weft/http/server.hpp>
#include <weft/runtime/sleep.hpp>
#include <weft/testkit.hpp>

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <iostream>
#include <mutex>

namespace fleet {
namespace {

using namespace weft;
using namespace std::chrono_literals;
using testkit::simulation;

constexpr duration lasts = 12s, quiet_at_first = 500ms;

enum class death : std::uint8_t { power, process, pause, partition, unavailable, hangs, slow };
constexpr std::array all_deaths{death::power,       death::process, death::pause, death::partition,
                                death::unavailable, death::hangs,   death::slow};

struct figures {
  std::uint64_t calls = 0, repeatable = 0, first_tries_lost = 0, tries = 0, unrepeatable_lost = 0, deaths = 0;
  void add(const figures& o) {
    calls += o.calls, repeatable += o.repeatable, first_tries_lost += o.first_tries_lost, tries += o.tries;
    unrepeatable_lost += o.unrepeatable_lost, deaths += o.deaths;
  }
};

class world {
 public:
  world(simulation& s, std::size_t instances) : sim{s}, count{instances}, calls{sim.add_host("users").loop()} {
    auto& random = sim.random();
    std::string url = "static:posts=";
    for (std::size_t i = 0; i < instances; ++i) {
      names.push_back("posts-" + std::to_string(i + 1));
      auto& h = sim.add_host(names.back());
      h.on_boot([this](testkit::host& me) { return serve(*this, me); });
      url += (i > 0 ? "," : "") + h.address(80).to_string();
    }
    registry = discovery::make_registry(home(), url);
    constexpr std::array kinds{discovery::algorithm::least_request, discovery::algorithm::round_robin,
                               discovery::algorithm::random, discovery::algorithm::peak_ewma};
    resilience::circuit_breaker breaker{.minimum_throughput = static_cast<std::uint32_t>(random.between(1, 20)),
                                        .break_for = 5s};
    if (random.chance(0.3)) breaker.consecutive_failures = static_cast<std::uint32_t>(random.between(1, 5));
    if (random.chance(0.3)) breaker.window_calls = 20;
    breaker.minimum_throughput = std::min(breaker.minimum_throughput, 20u);
    auto core = std::make_shared<resilience::breaker_core>(breaker, "posts");
    core->on_change([this](const resilience::breaker_event& e) {
      sim.fail("the breaker is " + std::string{to_string(e.to)} + ": " + e.cause.describe());
    });
    resilience::retry again{.max_attempts = 3, .base_delay = 50ms};
    if (random.chance(0.5)) again.budget.kind = resilience::budget_kind::tokens;
    client = std::make_unique<discovery::service_client>(
        home(), *registry,
        discovery::service_client_options{.service = "posts",
                                          .caller = "users",
                                          .hosts = {.balance = {.kind = kinds[random.below(kinds.size())]}},
                                          .http = {.max_connections = 256}},
        resilience::timeout{.after = 2s}, again, core, resilience::timeout{.after = 300ms});
  }

  loop& home() { return sim.at("users").loop(); }

  static task<void> load(world& w, double per_second) {
    auto& l = w.home();
    const auto end = l.now() + lasts;
    while (l.now() < end) {
      const auto pause = -std::log(1 - l.random().uniform()) * 1e9 / per_second;
      static_cast<void>(co_await weft::sleep(l, {}, duration{static_cast<duration::rep>(pause)}));
      w.calls.spawn(call(w));
    }
  }

  // One after another dies and comes back.
  static task<void> reap(world& w) {
    auto& random = w.sim.random();
    auto& l = w.home();
    static_cast<void>(co_await weft::sleep(l, {}, quiet_at_first + duration{random.between(0, 2'000'000'000)}));
    for (int times = 0; times < 2; ++times) {
      const auto victim = w.names[random.below(w.names.size())];
      const auto how = all_deaths[random.below(all_deaths.size())];
      ++w.seen.deaths;
      w.kill(victim, how);
      static_cast<void>(co_await weft::sleep(l, {}, 1s + duration{random.between(0, 3'000'000'000)}));
      w.revive(victim, how);
      // One at a time. Longer than its failures are remembered, though it may still be ejected, and connections from
      // before its death may still be there.
      static_cast<void>(co_await weft::sleep(l, {}, 2s));
    }
  }

  simulation& sim;
  std::size_t count;
  task_group calls;
  std::vector<std::string> names;
  std::unique_ptr<discovery::registry> registry;
  std::unique_ptr<discovery::service_client> client;
  std::map<std::string, death> ill;
  figures seen;

 private:
  void kill(const std::string& name, death how) {
    sim.at(name).trace("dies: " + std::to_string(static_cast<int>(how)));
    ill[name] = how;
    if (how == death::power) sim.at(name).crash();
    if (how == death::process) sim.at(name).crash(testkit::crash_kind::process);
    if (how == death::pause) sim.at(name).pause();
    if (how == death::partition) sim.partition({name}, {"users"});
  }
  void revive(const std::string& name, death how) {
    ill.erase(name);
    if (how == death::power || how == death::process) sim.at(name).restart();
    if (how == death::pause || how == death::partition) sim.heal_everything();
  }

  static task<void> serve(world& w, testkit::host& me) {
    http::server server{me.loop(), [&w, &me](http::request&) { return answer(w, me); }};
    if (!server.listen(me.address(80))) w.sim.fail(me.name() + " cannot listen");
    static_cast<void>(co_await weft::sleep(me.loop(), {}, 24h));
  }
  static task<result<http::response>> answer(world& w, testkit::host& me) {
    const auto at = w.ill.find(me.name());
    if (at != w.ill.end() && at->second == death::unavailable) co_return fail(errc::unavailable, "about to end");
    if (at != w.ill.end() && at->second == death::hangs) static_cast<void>(co_await weft::sleep(me.loop(), {}, 24h));
    const auto takes = 2ms + duration{me.loop().random().between(0, 10'000'000)};
    const bool slow = at != w.ill.end() && at->second == death::slow;
    static_cast<void>(co_await weft::sleep(me.loop(), {}, slow ? takes + 1s : takes));
    co_return http::response::json_text("{}");
  }

  static task<void> call(world& w) {
    auto& random = w.home().random();
    const auto kind = random.below(4);  // two of four GET, one a POST with a key, one without
    http::request r{kind < 2 ? http::method::get : http::method::post, "/x", "{}"};
    if (kind == 2) r.headers.set("Idempotency-Key", "17");
    resilience::decision_record record;
    const auto got = co_await w.client->send({}, std::move(r), {.record = &record});
    std::uint64_t tries = 1;
    bool first_failed = false;
    for (const auto& d : record.entries()) {
      if (d.attempt > tries) tries = d.attempt;
      if (d.attempt == 1 && (d.why == resilience::reason::failed || d.why == resilience::reason::timed_out))
        first_failed = true;
    }
    auto& f = w.seen;
    ++f.calls;
    f.tries += tries;
    f.first_tries_lost += first_failed;
    const bool answered = got && got->ok();
    if (kind == 3) {
      // What may have been done is not done again: that is the only answer that a dead instance can cost.
      f.unrepeatable_lost += !answered;
      if (!answered) w.sim.check(tries == 1, "a POST without a key was sent again: " + record.describe());
    } else {
      ++f.repeatable;
      w.sim.check(answered, "a call has no answer: " + (got ? record.describe() : got.error().describe()));
    }
    w.sim.check(tries <= 2, "one dead instance cost more than a first try: " + record.describe());
  }
};

figures run_with_a_dead_instance(simulation& sim, std::size_t instances) {
  auto& w = sim.make<world>(sim, instances);
  const auto per_second = 20.0 + static_cast<double>(sim.random().between(0, 130));
  sim.at("users").spawn(world::load(w, per_second));
  sim.at("users").spawn(world::reap(w));
  sim.run_for(lasts);
  sim.check(sim.run_until([&] { return w.calls.empty(); }, 5s), "calls are still under way");
  // The share of first tries: an instance takes part until it is ejected, and while what was sent to it is still on its
  // way. (least_request and those that weigh latency send less to one that hangs, more to one that refuses at once.)
  const auto share = static_cast<double>(w.seen.calls) / static_cast<double>(instances);
  sim.check(static_cast<double>(w.seen.first_tries_lost) <= share + 30,
            std::to_string(w.seen.first_tries_lost) + " of " + std::to_string(w.seen.calls) + " first tries are lost");
  return w.seen;
}

class DeadInstance : public testing::TestWithParam<std::size_t> {};

TEST_P(DeadInstance, CostsNoCallItsAnswer) {
  const auto instances = GetParam();
  std::mutex lock;
  figures all;
  const auto report = testkit::explore(
      {.name = "Instances/DeadInstance.CostsNoCallItsAnswer/" + std::to_string(instances), .seeds = 60, .threads = 2},
      [&](simulation& sim) {
        const auto seen = run_with_a_dead_instance(sim, instances);
        const std::lock_guard guard{lock};
        all.add(seen);
      });
  EXPECT_TRUE(report.passed()) << report;
  std::cout << report << all.calls << " calls, " << all.deaths << " deaths; first tries lost: " << all.first_tries_lost
            << "; tries: " << all.tries << "; repeatable calls: " << all.repeatable
            << ", all answered; POSTs without a key lost: " << all.unrepeatable_lost << "\n";
}

INSTANTIATE_TEST_SUITE_P(Instances, DeadInstance, testing::Values(2, 3, 10), testing::PrintToStringParamName());

}  // namespace
}  // namespace fleet
