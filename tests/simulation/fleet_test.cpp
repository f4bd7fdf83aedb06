// A fleet under everything at once keeps its promises, under each seed; and without a retry budget and a breaker it
// does not, so that the check is known to see a storm.
// weft-style: allow thread in this file: seeds are explored on two threads, and the totals are of all of them
#include "fleet_scenario.hpp"

#include <gtest/gtest.h>

#include <iostream>
#include <mutex>

namespace fleet {
namespace {

using namespace weft;
using namespace weft::testkit;

// Of all seeds together; they run on two threads.
class totals {
 public:
  void add(const run_summary& s) {
    const std::lock_guard guard{lock_};
    sum_.offered += s.offered, sum_.sent += s.sent, sum_.arrived += s.arrived;
    sum_.succeeded += s.succeeded, sum_.retries += s.retries;
    worst_ = std::max(worst_, s.amplification());
    storms_ += s.is_storm() ? 1 : 0;
  }
  [[nodiscard]] const run_summary& sum() const { return sum_; }
  [[nodiscard]] double worst() const { return worst_; }
  [[nodiscard]] std::uint64_t storms() const { return storms_; }

  friend std::ostream& operator<<(std::ostream& out, const totals& t) {
    return out << t.sum_.offered << " calls offered, " << t.sum_.sent << " sent, " << t.sum_.succeeded << " succeeded; "
               << t.sum_.arrived << " requests reached instances, " << t.sum_.retries
               << " retries; requests for a call sent: " << t.sum_.amplification() << ", at most " << t.worst_
               << "; storms: " << t.storms_ << "\n";
  }

 private:
  std::mutex lock_;
  run_summary sum_;
  double worst_ = 0;
  std::uint64_t storms_ = 0;
};

TEST(Fleet, KeepsItsPromises) {
  totals all;
  const auto report = explore({.name = "Fleet.KeepsItsPromises", .seeds = 500, .threads = 2},
                              [&](simulation& sim) { all.add(run_fleet(sim, protection::full)); });
  EXPECT_TRUE(report.passed()) << report;
  std::cout << report << all;
}

TEST(Fleet, ABudgetAloneHoldsRetriesBack) {
  totals all;
  const auto report = explore({.name = "Fleet.ABudgetAloneHoldsRetriesBack", .seeds = 150, .threads = 2},
                              [&](simulation& sim) { all.add(run_fleet(sim, protection::budget_alone)); });
  EXPECT_TRUE(report.passed()) << report;
  std::cout << report << all;
}

TEST(Fleet, StormsWithoutBudgetAndBreaker) {
  totals all;
  const auto report = explore({.name = "Fleet.StormsWithoutBudgetAndBreaker", .seeds = 100, .threads = 2},
                              [&](simulation& sim) { all.add(run_fleet(sim, protection::none)); });
  EXPECT_TRUE(report.passed()) << report;
  if (report.seeds_run >= 100) {
    EXPECT_GT(all.sum().amplification(), 1.2) << all;
    EXPECT_GT(all.worst(), 1.6) << all;
    EXPECT_GT(all.storms(), report.seeds_run / 4) << all;
  }
  std::cout << report << all;
}

double percentile(const std::vector<duration>& sorted, double p) {
  const auto at = static_cast<std::size_t>(p / 100 * static_cast<double>(sorted.size() - 1));
  return std::chrono::duration<double, std::milli>{sorted.at(at)}.count();
}

TEST(Fleet, TwoChoicesKeepASlowInstanceFromTheTail) {
  using discovery::algorithm;
  std::map<algorithm, std::vector<duration>> took;
  for (const auto kind : {algorithm::round_robin, algorithm::random, algorithm::least_request, algorithm::peak_ewma}) {
    simulation sim{1};
    took[kind] = run_with_one_slow_instance(sim, kind);
    std::cout << to_string(kind) << ": " << took[kind].size() << " calls, median " << percentile(took[kind], 50)
              << " ms, 95 % " << percentile(took[kind], 95) << " ms, 99 % " << percentile(took[kind], 99) << " ms\n";
  }
  EXPECT_GT(percentile(took[algorithm::round_robin], 95), 10 * percentile(took[algorithm::least_request], 95));
  EXPECT_LT(percentile(took[algorithm::least_request], 95), 1000);
  EXPECT_LT(percentile(took[algorithm::peak_ewma], 95), 1000);
}

TEST(Fleet, NoticesABreakerThatStaysOpen) {
  const auto report = explore({.name = "Fleet.NoticesABreakerThatStaysOpen", .seeds = 50},
                              [](simulation& sim) { run_fleet(sim, protection::wedged_breaker); });
  ASSERT_EQ(report.failures.size(), 1u) << report;
  EXPECT_TRUE(report.failures.front().replayed_exactly) << report;
  EXPECT_NE(report.failures.front().message.find("breaker open"), std::string::npos) << report;
}

}  // namespace
}  // namespace fleet
