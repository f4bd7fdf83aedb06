// Which host is picked: fair by weight, never one that was tried, the same whatever the order of the list.
#include <weft/discovery/balancer.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "hosts.hpp"

namespace weft::discovery {
namespace {

const std::vector<algorithm> all_algorithms{algorithm::round_robin, algorithm::random,    algorithm::least_request,
                                            algorithm::peak_ewma,   algorithm::ring_hash, algorithm::maglev};

counts pick_many(balancer& b, int times, steady_time now = start) {
  counts seen;
  for (int i = 0; i < times; ++i) ++seen[b.pick({.now = now})->info.id];
  return seen;
}

// The 99.9th percentiles of chi-square for 9 and 3 degrees of freedom: a fair balancer exceeds them once in a thousand
// seeds, and this seed is fixed.
constexpr double limit_9 = 27.88, limit_3 = 16.27;

class EveryBalancer : public testing::TestWithParam<algorithm> {
 protected:
  rng random_{7};
  std::unique_ptr<balancer> b_ = make_balancer({.kind = GetParam()}, random_);
};
INSTANTIATE_TEST_SUITE_P(Algorithms, EveryBalancer, testing::ValuesIn(all_algorithms),
                         [](const auto& info) { return std::string{to_string(info.param)}; });

TEST_P(EveryBalancer, PicksNothingWithoutHosts) {
  EXPECT_EQ(b_->pick({.now = start}), nullptr);
  b_->assign({}, start);
  EXPECT_EQ(b_->pick({.now = start}), nullptr);
}

TEST_P(EveryBalancer, PicksTheOnlyHost) {
  const auto hosts = make_hosts(1);
  b_->assign(hosts, start);
  EXPECT_EQ(b_->pick({.now = start}), hosts[0].get());
}

TEST_P(EveryBalancer, AvoidsWhatWasTriedUntilNothingIsLeft) {
  const auto hosts = make_hosts(5);
  b_->assign(hosts, start);
  std::vector<host_ptr> tried;
  for (int i = 0; i < 5; ++i) {
    auto* h = b_->pick({.now = start, .key = 42, .tried = tried});
    ASSERT_NE(h, nullptr);
    EXPECT_FALSE(std::ranges::any_of(tried, [&](const auto& t) { return t.get() == h; }));
    tried.emplace_back(h);
  }
  EXPECT_EQ(b_->pick({.now = start, .key = 42, .tried = tried}), nullptr);
}

TEST_P(EveryBalancer, NeverPicksWeightZero) {
  const auto hosts = make_hosts({1, 0, 1});
  b_->assign(hosts, start);
  EXPECT_FALSE(pick_many(*b_, 1000).contains("h01"));
  b_->assign(make_hosts({0, 0}), start);
  EXPECT_EQ(b_->pick({.now = start}), nullptr);
}

TEST_P(EveryBalancer, DoesNotDependOnTheOrderOfTheList) {
  auto hosts = make_hosts({1, 2, 3, 4, 5, 6, 7});
  const auto run = [&](const std::vector<host_ptr>& list) {
    rng random{99};
    const auto b = make_balancer({.kind = GetParam()}, random);
    b->assign(list, start);
    std::vector<std::string> ids;
    for (std::uint64_t i = 0; i < 200; ++i) ids.push_back(b->pick({.now = start, .key = mix(i)})->info.id);
    return ids;
  };
  const auto in_order = run(hosts);
  std::ranges::reverse(hosts);
  EXPECT_EQ(run(hosts), in_order);
  std::swap(hosts[1], hosts[4]);
  EXPECT_EQ(run(hosts), in_order);
}

class FairBalancer : public EveryBalancer {};
INSTANTIATE_TEST_SUITE_P(Algorithms, FairBalancer,
                         testing::Values(algorithm::round_robin, algorithm::random, algorithm::least_request),
                         [](const auto& info) { return std::string{to_string(info.param)}; });

TEST_P(FairBalancer, SharesEquallyAmongEqualHosts) {
  const auto hosts = make_hosts(10);
  b_->assign(hosts, start);
  EXPECT_LT(chi_square(pick_many(*b_, 100'000), hosts), limit_9);
}

TEST_P(FairBalancer, SharesByWeightWhenIdle) {
  const auto hosts = make_hosts({1, 2, 3, 10});
  b_->assign(hosts, start);
  EXPECT_LT(chi_square(pick_many(*b_, 100'000), hosts), limit_3);
}

TEST(RoundRobin, EveryWindowHoldsEachHostsShare) {
  rng random{3};
  const auto b = make_balancer({.kind = algorithm::round_robin}, random);
  const auto hosts = make_hosts({5, 1, 2});
  b->assign(hosts, start);
  std::vector<std::string> ids;
  for (int i = 0; i < 800; ++i) ids.push_back(b->pick({.now = start})->info.id);
  for (std::size_t from = 0; from + 8 <= ids.size(); ++from) {
    const auto window = std::span{ids}.subspan(from, 8);
    EXPECT_NEAR(static_cast<double>(std::ranges::count(window, "h00")), 5, 1.01) << from;
    EXPECT_NEAR(static_cast<double>(std::ranges::count(window, "h01")), 1, 1.01) << from;
    EXPECT_NEAR(static_cast<double>(std::ranges::count(window, "h02")), 2, 1.01) << from;
  }
}

TEST(RoundRobin, LoopsDoNotStartAtTheSameHost) {
  std::set<std::string> first;
  for (std::uint64_t seed = 0; seed < 40; ++seed) {
    rng random{seed};
    const auto b = make_balancer({.kind = algorithm::round_robin}, random);
    b->assign(make_hosts(4), start);
    first.insert(b->pick({.now = start})->info.id);
  }
  EXPECT_EQ(first.size(), 4u);
}

TEST(LeastRequest, OfTwoHostsTheIdleOneAlwaysTakesTheCall) {
  rng random{1};
  const auto b = make_balancer({.kind = algorithm::least_request}, random);
  const auto hosts = make_hosts(2);
  b->assign(hosts, start);
  hosts[0]->active = 1;
  for (int i = 0; i < 100; ++i) EXPECT_EQ(b->pick({.now = start}), hosts[1].get());
}

TEST(LeastRequest, CountsCallsPerWeight) {
  rng random{1};
  const auto b = make_balancer({.kind = algorithm::least_request}, random);
  const auto hosts = make_hosts({1, 4});
  b->assign(hosts, start);
  hosts[0]->active = 1;
  hosts[1]->active = 3;  // 0.75 for each unit of weight
  for (int i = 0; i < 100; ++i) EXPECT_EQ(b->pick({.now = start}), hosts[1].get());
  hosts[1]->active = 5;
  for (int i = 0; i < 100; ++i) EXPECT_EQ(b->pick({.now = start}), hosts[0].get());
}

TEST(LeastRequest, TheFullestOfManyIsNeverPicked) {
  rng random{5};
  const auto b = make_balancer({.kind = algorithm::least_request}, random);
  const auto hosts = make_hosts(10);
  b->assign(hosts, start);
  hosts[3]->active = 1;  // two distinct hosts are compared, so it always loses
  EXPECT_FALSE(pick_many(*b, 10'000).contains("h03"));
}

TEST(PeakEwma, PrefersTheFastHostAndForgetsWithTime) {
  rng random{1};
  const auto b = make_balancer({.kind = algorithm::peak_ewma}, random);
  const auto hosts = make_hosts(2);
  b->assign(hosts, start);
  hosts[0]->latency.record(100ms, 10s, start);
  hosts[1]->latency.record(10ms, 10s, start);
  for (int i = 0; i < 50; ++i) EXPECT_EQ(b->pick({.now = start}), hosts[1].get());
  hosts[1]->active = 9;  // 10 ms * 10 is as much as 100 ms * 1; one more tips it
  hosts[1]->active = 10;
  for (int i = 0; i < 50; ++i) EXPECT_EQ(b->pick({.now = start}), hosts[0].get());
  hosts[1]->active = 0;
  // The fast host is asked all the time; the slow one is forgiven and tried again.
  hosts[1]->latency.record(10ms, 10s, start + 30s);
  for (int i = 0; i < 50; ++i) EXPECT_EQ(b->pick({.now = start + 30s}), hosts[0].get());
}

TEST(PeakEwma, LatencyRisesAtOnceAndFallsWithTheDecay) {
  peak_latency latency;
  latency.record(10ms, 10s, start);
  latency.record(500ms, 10s, start + 1s);
  EXPECT_DOUBLE_EQ(latency.seconds(10s, start + 1s), 0.5);
  EXPECT_NEAR(latency.seconds(10s, start + 11s), 0.5 / std::exp(1.0), 1e-9);
  latency.record(10ms, 10s, start + 11s);
  EXPECT_NEAR(latency.seconds(10s, start + 11s), 0.5 / std::exp(1.0) + 0.01 * (1 - 1 / std::exp(1.0)), 1e-9);
}

TEST(PeakEwma, ANewHostGetsOneCallAtATimeUntilItHasAnswered) {
  rng random{1};
  const auto b = make_balancer({.kind = algorithm::peak_ewma}, random);
  const auto hosts = make_hosts(2);
  b->assign(hosts, start);
  hosts[0]->latency.record(10ms, 10s, start);
  EXPECT_EQ(b->pick({.now = start}), hosts[1].get());
  hosts[1]->active = 1;
  for (int i = 0; i < 50; ++i) EXPECT_EQ(b->pick({.now = start}), hosts[0].get());
}

class SlowStart : public testing::TestWithParam<algorithm> {};
INSTANTIATE_TEST_SUITE_P(Algorithms, SlowStart,
                         testing::Values(algorithm::round_robin, algorithm::random, algorithm::least_request),
                         [](const auto& info) { return std::string{to_string(info.param)}; });

TEST_P(SlowStart, ANewHostsShareGrowsToItsWeight) {
  rng random{11};
  const auto b = make_balancer({.kind = GetParam(), .warm_up = {.window = 100s}}, random);
  auto hosts = make_hosts(3);
  const auto later = start + 1h;
  hosts.push_back(new host{make_instance("new"), later});
  b->assign(hosts, later);
  const auto share = [&](duration age) {
    auto seen = pick_many(*b, 40'000, later + age);
    return seen["new"] / 40'000;
  };
  EXPECT_NEAR(share(0s), 0.1 / 3.1, 0.01);
  EXPECT_NEAR(share(20s), 0.2 / 3.2, 0.01);
  EXPECT_NEAR(share(50s), 0.5 / 3.5, 0.01);
  EXPECT_NEAR(share(100s), 0.25, 0.01);
  EXPECT_NEAR(share(1000s), 0.25, 0.01);
}

TEST(SlowStart, AggressionBendsTheCurve) {
  const host h{make_instance("a", 10), start};
  const slow_start linear{.window = 100s}, fast{.window = 100s, .aggression = 2};
  EXPECT_DOUBLE_EQ(effective_weight(h, linear, start + 25s), 2.5);
  EXPECT_DOUBLE_EQ(effective_weight(h, fast, start + 25s), 5);
  EXPECT_DOUBLE_EQ(effective_weight(h, linear, start + 9s), 1);  // the least
  EXPECT_DOUBLE_EQ(effective_weight(h, linear, start + 100s), 10);
  EXPECT_DOUBLE_EQ(effective_weight(h, {}, start), 10);
}

TEST(Balancing, OptionsAreCheckedByName) {
  EXPECT_TRUE(balancing{}.validate());
  EXPECT_NE(balancing{.maglev_table = 65'536}.validate().error().message().find("maglev_table"), std::string::npos);
  EXPECT_NE(balancing{.load_bound = 1}.validate().error().message().find("load_bound"), std::string::npos);
  EXPECT_NE(balancing{.ring_points = 0}.validate().error().message().find("ring_points"), std::string::npos);
  EXPECT_NE((balancing{.warm_up = {.least = 0}}).validate().error().message().find("warm_up.least"), std::string::npos);
}

}  // namespace
}  // namespace weft::discovery
