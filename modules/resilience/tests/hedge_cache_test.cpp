#include <weft/resilience/core/cache.hpp>
#include <weft/resilience/core/hedge.hpp>

#include <gtest/gtest.h>
#include <rapidcheck.h>

namespace weft::resilience {
namespace {

constexpr steady_time start{1'000'000s};

TEST(Histogram, APercentileIsWithinAnEighth) {
  EXPECT_TRUE(rc::check([] {
    const auto truth = std::chrono::microseconds{*rc::gen::inRange<std::int64_t>(1, 10'000'000'000)};
    latency_histogram h;
    for (int i = 0; i < 100; ++i) h.add(truth);
    const auto seen = *h.percentile(0.95, 1);
    RC_ASSERT(seen >= truth);
    RC_ASSERT(seen <= truth + truth / 8 + std::chrono::microseconds{1});
  }));
}

TEST(Hedge, WaitsForThePercentile) {
  hedge_core h{{.percentile = 0.9}};
  EXPECT_EQ(h.request_started(), std::nullopt);  // nothing is known yet
  for (int i = 0; i < 90; ++i) h.record(10ms);
  for (int i = 0; i < 10; ++i) h.record(500ms);
  const auto pause = h.request_started();
  ASSERT_TRUE(pause);
  EXPECT_GE(*pause, 10ms);
  EXPECT_LT(*pause, 13ms);
}

TEST(Hedge, HedgesAreAPartOfRequests) {
  hedge_core h{{.delay = 5ms, .budget_ratio = 0.1, .budget_burst = 2}};
  int hedges = 0;
  for (int i = 0; i < 100; ++i) {
    static_cast<void>(h.request_started());
    if (h.try_hedge()) ++hedges;
  }
  EXPECT_EQ(hedges, 11);  // a tenth, and the one it starts with
  for (int i = 0; i < 1000; ++i) static_cast<void>(h.request_started());
  EXPECT_EQ(h.budget(), 2);
}

TEST(Cache, AnswersByAge) {
  cache_core<int> c{{.ttl = 10s, .stale_if_error = 60s, .stale_while_revalidate = 5s}};
  c.store("a", 1, 8, start);
  const auto at = [&](duration age) { return c.find("a", start + age).state; };
  EXPECT_EQ(at(10s - 1ns), freshness::fresh);
  EXPECT_EQ(at(10s), freshness::revalidate);
  EXPECT_EQ(at(15s - 1ns), freshness::revalidate);
  EXPECT_EQ(at(15s), freshness::stale);
  EXPECT_EQ(at(70s - 1ns), freshness::stale);
  EXPECT_EQ(at(70s), freshness::absent);
  EXPECT_EQ(c.size(), 0u);
}

TEST(Cache, WithoutTimeToLiveKeepsForThoseOfTheSameTurn) {
  cache_core<int> c{{.ttl = 0s}};
  c.store("a", 1, 8, start);
  EXPECT_EQ(c.find("a", start).state, freshness::fresh);
  EXPECT_EQ(c.find("a", start + 1ns).state, freshness::absent);
  EXPECT_EQ(c.size(), 0u);
}

TEST(Cache, IsBoundedByEntriesAndBytes) {
  cache_core<int> c{{.max_entries = 3, .max_bytes = 100}};
  for (const auto* key : {"a", "b", "c"}) c.store(key, 1, 9, start);
  static_cast<void>(c.find("a", start));  // b is the least recently used now
  c.store("d", 1, 9, start);
  EXPECT_EQ(c.find("b", start).state, freshness::absent);
  EXPECT_EQ(c.find("a", start).state, freshness::fresh);
  c.store("big", 1, 90, start);
  EXPECT_EQ(c.size(), 1u);
  c.store("too big", 1, 100, start);
  EXPECT_EQ(c.find("too big", start).state, freshness::absent);
  EXPECT_EQ(c.size(), 1u);
  EXPECT_EQ(c.bytes(), 93u);
}

}  // namespace
}  // namespace weft::resilience
