// A fleet in the simulator: one slow host, and one that dies under load.
#include <weft/discovery/cluster.hpp>
#include <weft/http/client.hpp>
#include <weft/http/server.hpp>
#include <weft/runtime/sleep.hpp>
#include <weft/runtime/task_group.hpp>
#include <weft/testkit/simulation.hpp>

#include <gtest/gtest.h>

#include <algorithm>

#include "hosts.hpp"

namespace weft::discovery {
namespace {

// Answers after a time; as many at once as come.
struct worker {
  duration takes;
  task<result<http::response>> operator()(http::request& r) const { return answer(*r.home(), takes); }
  static task<result<http::response>> answer(loop& l, duration takes) {
    static_cast<void>(co_await sleep(l, {}, takes));
    co_return http::response::text("done");
  }
};

task<void> serve(testkit::host& h, duration takes) {
  http::server server{h.loop(), worker{takes}};
  EXPECT_TRUE(server.listen(address::any(80)));
  co_await sleep(h.loop(), {}, duration::max());
}

struct fleet {
  // Hosts "w0", "w1", ...: each its own time.
  fleet(std::uint64_t seed, const std::vector<duration>& takes) : sim{seed} {
    std::string url = "static:work=";
    for (std::size_t i = 0; i < takes.size(); ++i) {
      auto& h = sim.add_host("w" + std::to_string(i));
      h.on_boot([t = takes[i]](testkit::host& self) { return serve(self, t); });
      url += (i == 0 ? "http://" : ",http://") + h.address(80).to_string();
    }
    registry = make_registry(caller.loop(), url);
  }
  testkit::simulation sim;
  testkit::host& caller = sim.add_host("caller");
  std::unique_ptr<discovery::registry> registry;
};

struct statistics {
  std::vector<duration> took;
  int failed = 0, tries = 0;
  [[nodiscard]] duration percentile(double p) {
    std::ranges::sort(took);
    return took.at(static_cast<std::size_t>(p / 100 * static_cast<double>(took.size() - 1)));
  }
};

resilience::outcome_view seen(const result<http::response>& answer) {
  if (!answer) return {.verdict = resilience::verdict_of(answer.error().code()), .code = answer.error().code()};
  const auto status = http::to_int(answer->status);
  return {.verdict = resilience::verdict_of_status(status), .status = status};
}

// One call with up to three tries, none at a host tried before.
task<void> call(loop& l, cluster& work, http::client& client, statistics& all) {
  const auto began = l.now();
  std::vector<host_ptr> tried;
  for (int i = 0; i < 3; ++i) {
    auto p = work.pick({.tried = tried});
    if (!p) break;
    ++all.tries;
    const auto tried_at = l.now();
    auto answer = co_await client.send_to(context{}.with_timeout(l, 1s), p->target().where, {http::method::get, "/"});
    p->end(seen(answer), l.now(), l.now() - tried_at);
    if (answer) {
      all.took.push_back(l.now() - began);
      co_return;
    }
    tried.push_back(p->where());
  }
  ++all.failed;
}

task<void> load(loop& l, cluster& work, statistics& all, int calls, duration every) {
  http::client client{l, {.max_connections = 1000}};
  task_group group{l};
  static_cast<void>(co_await work.ready({}));
  for (int i = 0; i < calls; ++i) {
    group.spawn(call(l, work, client, all));
    co_await sleep(l, {}, every);
  }
  co_await group.join();
}

statistics one_slow_host(algorithm kind) {
  std::vector<duration> takes(10, 10ms);
  takes[3] = 300ms;
  fleet f{7, takes};
  auto& l = f.caller.loop();
  cluster work{l, f.registry->watch("work"), {.service = "work", .hosts = {.balance = {.kind = kind}}}};
  statistics all;
  f.sim.run(f.caller, load(l, work, all, 3000, 1ms));
  EXPECT_EQ(all.failed, 0);
  EXPECT_EQ(all.took.size(), 3000u);
  return all;
}

TEST(Fleet, TwoChoicesKeepASlowHostFromTheTail) {
  auto in_turn = one_slow_host(algorithm::round_robin);
  auto least = one_slow_host(algorithm::least_request);
  auto ewma = one_slow_host(algorithm::peak_ewma);
  const auto ms = [](duration d) { return std::to_string(std::chrono::duration<double, std::milli>(d).count()); };
  RecordProperty("round_robin_p95_ms", ms(in_turn.percentile(95)));
  RecordProperty("least_request_p95_ms", ms(least.percentile(95)));
  RecordProperty("peak_ewma_p99_ms", ms(ewma.percentile(99)));
  EXPECT_GE(in_turn.percentile(95), 300ms);  // a tenth of the calls
  EXPECT_LT(least.percentile(95), 20ms);
  EXPECT_LT(ewma.percentile(99), 20ms);
}

TEST(Fleet, AHostThatDiesIsEjectedAndNoCallFails) {
  fleet f{11, std::vector<duration>(5, 10ms)};
  auto& l = f.caller.loop();
  std::vector<std::string> events;
  cluster work{l,
               f.registry->watch("work"),
               {.service = "work",
                .hosts = {.balance = {.kind = algorithm::round_robin}},
                .on_event = [&](const host_event& e) { events.push_back(std::string{to_string(e.what)}); }}};
  statistics all;
  const auto scenario = [](fleet& fl, cluster& c, statistics& s) -> task<void> {
    co_await load(fl.caller.loop(), c, s, 500, 10ms);
    fl.sim.at("w2").crash();
    co_await load(fl.caller.loop(), c, s, 2000, 10ms);  // 20 s
  };
  f.sim.run(f.caller, scenario(f, work, all));
  EXPECT_EQ(all.failed, 0);
  EXPECT_EQ(all.took.size(), 2500u);
  EXPECT_EQ(events.back(), "ejected");
  // Five failures eject it; what was under way to it by then is tried again as well.
  EXPECT_GE(all.tries, 2505);
  EXPECT_LE(all.tries, 2540);
  f.sim.at("w2").restart();
  f.sim.run_for(40s);
  EXPECT_EQ(events.back(), "returned");
  EXPECT_EQ(work.hosts().count().healthy, 5u);
}

}  // namespace
}  // namespace weft::discovery
