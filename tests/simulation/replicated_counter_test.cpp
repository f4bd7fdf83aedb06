// A replicated counter over HTTP survives crashes, partitions and bad links; the explorer finds each bug that is
// planted in it, and replays it.
#include "replica.hpp"

#include <weft/json.hpp>
#include <weft/runtime/sleep.hpp>
#include <weft/testkit.hpp>

#include <gtest/gtest.h>

#include <algorithm>

namespace counter {
namespace {

using namespace weft;
using namespace weft::testkit;
using namespace std::chrono_literals;

const std::vector<std::string> replicas{"r1", "r2", "r3"};

// What the clients know to be true, whatever happens.
struct ledger {
  std::int64_t attempted = 0;  // by anyone, answered or not
  std::int64_t acknowledged = 0;
  std::int64_t seen = 0;  // the most that a finished read has returned
  int clients_done = 0;
};

class client {
 public:
  client(host& h, ledger& book) : host_{h}, loop_{h.loop()}, book_{book} {
    for (const auto& name : replicas)
      http_.push_back(std::make_unique<http::client>(
          loop_, http::client_options{.base_url = "http://" + name, .connect_timeout = 500ms, .response_timeout = 1s}));
  }

  // Each increment is repeated, at whichever replica, until one acknowledges it.
  task<void> increment(int count) {
    for (int i = 1; i <= count; ++i) {
      const operation o{host_.name() + "-" + std::to_string(i), loop_.random().between(1, 2000)};
      book_.attempted += o.amount;
      while (!co_await acknowledged(o)) static_cast<void>(co_await weft::sleep(loop_, {}, 50ms));
      book_.acknowledged += o.amount;
      static_cast<void>(co_await weft::sleep(loop_, {}, duration{loop_.random().between(0, 200'000'000)}));
    }
    ++book_.clients_done;
  }

  task<void> read(int count) {
    for (int i = 0; i < count; ++i) {
      static_cast<void>(co_await read_checked(any()));
      static_cast<void>(co_await weft::sleep(loop_, {}, duration{loop_.random().between(0, 200'000'000)}));
    }
    ++book_.clients_done;
  }

  // The value at that replica, once it answers.
  task<std::int64_t> settled(std::size_t replica) {
    for (;;) {
      if (auto value = co_await read_checked(replica)) co_return *value;
      static_cast<void>(co_await weft::sleep(loop_, {}, 100ms));
    }
  }

 private:
  std::size_t any() { return static_cast<std::size_t>(loop_.random().below(http_.size())); }

  task<bool> acknowledged(operation o) {
    http::request r{http::method::post, "/increments", json::encode(o)};
    r.headers.set("content-type", "application/json");
    const auto answer = co_await http_[any()]->send(context{}.with_timeout(loop_, 1s), std::move(r));
    co_return answer && answer->ok();
  }

  task<std::optional<std::int64_t>> read_checked(std::size_t replica) {
    const auto least = std::max(book_.acknowledged, book_.seen);
    const auto answer = co_await http_[replica]->get<reading>(context{}.with_timeout(loop_, 1s), "/counter");
    if (!answer) co_return std::nullopt;
    auto& sim = host_.simulation();
    const auto value = std::to_string(answer->value);
    sim.check(answer->value >= least,
              "a read returned " + value + ", less than what was certain before it began: " + std::to_string(least));
    sim.check(answer->value <= book_.attempted,
              "a read returned " + value + ", more than was ever added: " + std::to_string(book_.attempted));
    book_.seen = std::max(book_.seen, answer->value);
    co_return answer->value;
  }

  host& host_;
  loop& loop_;
  ledger& book_;
  std::vector<std::unique_ptr<http::client>> http_;
};

task<void> run_replica(host& h, flaw planted) {
  std::vector<std::string> peers;
  std::ranges::copy_if(replicas, std::back_inserter(peers), [&h](const std::string& name) { return name != h.name(); });
  replica self{h.loop(), h.disk(), peers, planted};
  co_await self.run();
}

// A client is kept for the whole run: its host is never crashed.
task<void> run_increments(client& c) { co_await c.increment(25); }
task<void> run_reads(client& c) { co_await c.read(50); }

constexpr auto faulty = 10s;

// All replicas at the same instant, as when a rack loses its power.
fault_plan power_cuts(rng& random) {
  fault_plan plan;
  for (duration at{}; at < faulty; at += duration{random.between(0, 2'000'000'000)}) {
    plan.at(at);
    for (const auto& name : replicas) plan.crash(name);
    plan.at(at + 100ms);
    for (const auto& name : replicas) plan.restart(name);
  }
  return plan;
}

void scenario_with(simulation& sim, flaw planted) {
  auto& book = sim.make<ledger>();
  for (const auto& name : replicas) sim.add_host(name).on_boot([planted](host& h) { return run_replica(h, planted); });
  auto& first = sim.make<client>(sim.add_host("c1"), book);
  auto& second = sim.make<client>(sim.add_host("c2"), book);
  auto& reader = sim.make<client>(sim.add_host("c3"), book);
  sim.apply(power_cuts(sim.random()));
  // Every replica may be down at once, and anyone may be cut off from anyone.
  sim.apply(fault_plan::random(sim.random(), {.hosts = replicas,
                                              .until = faulty,
                                              .down_at_once = 3,
                                              .crash_every = 600ms,
                                              .down_most = 1s,
                                              .pause_every = 3s,
                                              .pause_most = 1s,
                                              .partition_every = {},
                                              .slow_every = {},
                                              .reset_every = {}}));
  sim.apply(fault_plan::random(sim.random(), {.hosts = sim.hosts(),
                                              .until = faulty,
                                              .crash_every = {},
                                              .pause_every = {},
                                              .partition_every = 1s,
                                              .partition_most = 2s,
                                              .slow_every = 1s,
                                              .slow_most = 2s,
                                              .reset_every = 2s}));
  sim.at("c1").spawn(run_increments(first));
  sim.at("c2").spawn(run_increments(second));
  sim.at("c3").spawn(run_reads(reader));

  if (!sim.check(sim.run_until([&] { return book.clients_done == 3; }, faulty + 60s),
                 "every client gets done once the faults are over"))
    return;
  if (sim.elapsed() < faulty) sim.run_for(faulty - sim.elapsed());
  for (std::size_t i = 0; i < replicas.size(); ++i) {
    const auto value = sim.run(sim.at("c1"), first.settled(i));
    sim.check(value == book.attempted,
              replicas[i] + " has " + std::to_string(value) + " in the end, not " + std::to_string(book.attempted));
  }
}

TEST(ReplicatedCounter, SurvivesCrashesAndPartitions) {
  const auto report = explore({.name = "ReplicatedCounter.SurvivesCrashesAndPartitions",
                               .seeds = 500,
                               .simulation = {.disk = {.sync_latency = 3ms, .sync_jitter = 10ms}}},
                              [](simulation& sim) { scenario_with(sim, flaw::none); });
  EXPECT_TRUE(report.passed()) << report;
  RecordProperty("virtual_seconds",
                 static_cast<int>(std::chrono::duration_cast<std::chrono::seconds>(report.virtual_time).count()));
}

class PlantedBug : public testing::TestWithParam<flaw> {};

TEST_P(PlantedBug, IsFoundAndReplays) {
  const auto report = explore(
      {.name = "ReplicatedCounter/PlantedBug.IsFoundAndReplays/" + std::to_string(static_cast<int>(GetParam()) - 1),
       .seeds = 3000,
       .simulation = {.disk = {.sync_latency = 3ms, .sync_jitter = 10ms}}},
      [](simulation& sim) { scenario_with(sim, GetParam()); });
  ASSERT_EQ(report.failures.size(), 1u) << report;
  EXPECT_TRUE(report.failures.front().replayed_exactly) << report;
  EXPECT_NE(report.failures.front().trace_tail.find("FAILED: "), std::string::npos);
  std::cout << "seed " << report.failures.front().seed << ": " << report.failures.front().message << "\n";
}
INSTANTIATE_TEST_SUITE_P(ReplicatedCounter, PlantedBug,
                         testing::Values(flaw::acknowledges_before_sync, flaw::minority_is_enough,
                                         flaw::reads_without_write_back, flaw::trusts_torn_records));

}  // namespace
}  // namespace counter
