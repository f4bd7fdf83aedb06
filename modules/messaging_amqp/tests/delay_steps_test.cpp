#include <gtest/gtest.h>

#include <set>

#include "sansio/delay_steps.hpp"

namespace weft::messaging {
namespace {
using namespace std::chrono_literals;

TEST(DelaySteps, AreNeverShorterThanTheDelayAndAtMostSixPercentLonger) {
  for (std::int64_t ms = 1; ms < 5'000'000'000; ms += 1 + ms / 97) {
    const auto step = delay_step(std::chrono::milliseconds{ms});
    ASSERT_GE(step, static_cast<std::uint64_t>(ms));
    ASSERT_LE(static_cast<double>(step), static_cast<double>(ms) * 1.0625 + 1e-9) << ms;
  }
  EXPECT_EQ(delay_step(0ms), 1u);
  EXPECT_EQ(delay_step(1ns), 1u);
  EXPECT_EQ(delay_step(15500us), 16u);
}

TEST(DelaySteps, AreFew) {
  std::set<std::uint64_t> all;
  for (std::int64_t ms = 1; ms <= std::chrono::duration_cast<std::chrono::milliseconds>(max_amqp_delay).count();
       ms += 1 + ms / 200)
    all.insert(delay_step(std::chrono::milliseconds{ms}));
  EXPECT_LE(all.size(), 464u);
  // The broker takes no times of 2^32 ms and more.
  EXPECT_LT(*all.rbegin() + declared_for_ms, 1ULL << 32);
}

TEST(DelaySteps, AQueueOutlivesWhatIsPutIntoItLast) {
  const auto last_use = std::chrono::duration_cast<std::chrono::milliseconds>(declare_again).count();
  constexpr std::uint64_t tried_again_after_ms = 180'000;  // dead_letter_worker_publisher_confirm_timeout
  EXPECT_GT(declared_for_ms, static_cast<std::uint64_t>(last_use) + 3 * tried_again_after_ms);
}

}  // namespace
}  // namespace weft::messaging
