#include <weft/runtime/rng.hpp>
#include <weft/runtime/timer.hpp>

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <array>
#include <cmath>
#include <map>
#include <memory>
#include <set>

namespace weft {
namespace {

struct noted final : timer_node {
  void expire() override {}
};
constexpr steady_time at(int n) { return steady_time{std::chrono::nanoseconds{n}}; }

// A11: what is due never is not kept.
TEST(TimerQueue, NeverIsNoTime) {
  timer_queue queue;
  noted node;
  queue.arm(node, steady_time::max());
  EXPECT_FALSE(node.armed());
  EXPECT_TRUE(queue.empty());
  queue.arm(node, at(5));
  EXPECT_EQ(queue.next(), at(5));
  queue.arm(node, steady_time::max());
  EXPECT_FALSE(node.armed());
  EXPECT_EQ(queue.next(), std::nullopt);
  EXPECT_EQ(queue.pop_due(at(10)), nullptr);
}

// Any mix of arming, moving, disarming, destroying and expiring agrees with a sorted map: earlier first, and at one
// time in the order of arming.
RC_GTEST_PROP(TimerQueue, AgreesWithAModel, ()) {
  timer_queue queue;
  std::map<int, std::unique_ptr<noted>> nodes;
  std::map<std::pair<int, int>, int> model;  // due, order of arming -> node
  std::map<int, std::pair<int, int>> key_of;
  int order = 0;
  const auto forget = [&](int node) {
    if (const auto found = key_of.find(node); found != key_of.end()) {
      model.erase(found->second);
      key_of.erase(found);
    }
  };
  const auto steps = *rc::gen::container<std::vector<std::tuple<int, int, int>>>(
      rc::gen::tuple(rc::gen::inRange(0, 10), rc::gen::inRange(0, 30), rc::gen::inRange(0, 50)));
  for (const auto& [what, node, time] : steps) {
    if (what < 6) {
      auto& timer = nodes[node];
      if (!timer) timer = std::make_unique<noted>();
      forget(node);
      queue.arm(*timer, at(time));
      key_of[node] = {time, order++};
      model[key_of[node]] = node;
      RC_ASSERT(timer->armed());
    } else if (what == 6 && nodes.contains(node)) {
      forget(node);
      nodes[node]->disarm();
      RC_ASSERT(!nodes[node]->armed());
    } else if (what == 7) {
      forget(node);
      nodes.erase(node);
    } else {
      while (auto* due = queue.pop_due(at(time))) {
        RC_ASSERT(!model.empty());
        RC_ASSERT(due == nodes[model.begin()->second].get());
        RC_ASSERT(!due->armed());
        forget(model.begin()->second);
      }
      RC_ASSERT(model.empty() || model.begin()->first.first > time);
    }
    RC_ASSERT(queue.size() == model.size());
    RC_ASSERT(queue.next() == (model.empty() ? std::nullopt : std::optional{at(model.begin()->first.first)}));
  }
}

TEST(TimerQueue, MayEndBeforeItsNodes) {
  noted node;
  {
    timer_queue queue;
    queue.arm(node, at(1));
  }
  EXPECT_FALSE(node.armed());
  timer_queue first, second;
  first.arm(node, at(1));
  second.arm(node, at(2));
  EXPECT_TRUE(first.empty()) << "a node is in one queue at a time";
}

TEST(Rng, TheSameSeedGivesTheSameNumbersEverywhere) {
  rng a{42}, b{42}, c{43};
  EXPECT_EQ(a(), b());
  EXPECT_NE(a(), c());
  rng fixed{0};  // splitmix64 of 0 into xoshiro256**: as the authors' reference code gives them
  EXPECT_EQ(fixed(), 11091344671253066420ULL);
  EXPECT_EQ(fixed(), 13793997310169335082ULL);
}

// Chi squared against even odds; with a fixed seed there is nothing left to chance.
double unevenness(const std::vector<int>& counts) {
  double total = 0, sum = 0;
  for (const auto n : counts) total += n;
  const auto expected = total / static_cast<double>(counts.size());
  for (const auto n : counts) sum += (n - expected) * (n - expected) / expected;
  return sum;
}
TEST(Rng, IsEven) {
  rng r{7};
  for (const std::uint64_t bound : {2u, 3u, 10u, 100u}) {
    std::vector<int> counts(bound);
    for (int i = 0; i < 100'000; ++i) ++counts.at(r.below(bound));
    const auto freedom = static_cast<double>(bound - 1);
    EXPECT_LT(unevenness(counts), freedom + 4 * std::sqrt(2 * freedom) + 4) << bound;
  }
  std::vector<int> tenths(10);
  for (int i = 0; i < 100'000; ++i) ++tenths.at(static_cast<std::size_t>(r.uniform() * 10));
  EXPECT_LT(unevenness(tenths), 30);
  int hits = 0;
  for (int i = 0; i < 100'000; ++i) hits += r.chance(0.25) ? 1 : 0;
  EXPECT_NEAR(hits, 25'000, 600);
}
TEST(Rng, RangesIncludeBothEnds) {
  rng r{1};
  std::set<std::int64_t> seen;
  for (int i = 0; i < 200; ++i) seen.insert(r.between(-2, 2));
  EXPECT_EQ(seen, (std::set<std::int64_t>{-2, -1, 0, 1, 2}));
  EXPECT_EQ(r.between(5, 5), 5);
  static_cast<void>(r.between(std::numeric_limits<std::int64_t>::min(), std::numeric_limits<std::int64_t>::max()));
  EXPECT_EQ(r.below(1), 0u);
}

}  // namespace
}  // namespace weft
