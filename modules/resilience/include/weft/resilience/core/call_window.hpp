#pragma once
// The calls that a breaker looks back on: those of the last while, or the last so many.
//
// By time: ten buckets a window, in shards, one compare-and-swap for each call and no cache line shared by two threads.
// By count: a ring of outcomes behind one atomic cursor, exact, at the price of a line that all threads write.
#include <weft/resilience/core/shard.hpp>
#include <weft/runtime/timer.hpp>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <vector>

namespace weft::resilience {

struct call_totals {
  std::uint32_t calls = 0, failed = 0, slow = 0;
};

class time_window {
 public:
  static constexpr std::size_t steps = 10;
  explicit time_window(duration width) noexcept : step_{std::max(duration{width / steps}, duration{1})} {}

  [[nodiscard]] std::uint64_t slot_of(steady_time at) const noexcept {
    return static_cast<std::uint64_t>(at.time_since_epoch().count() / step_.count());
  }
  void add(std::uint64_t slot, bool failed, bool slow) noexcept;
  [[nodiscard]] call_totals totals(std::uint64_t slot) const noexcept;
  void clear() noexcept;

 private:
  // The upper 32 bits of each say which slot of time the count in the lower 32 belongs to; a writer that finds another
  // one starts it afresh. Counts stop at their end.
  struct bucket {
    std::atomic<std::uint64_t> calls{0}, failed{0}, slow{0};
  };
  struct alignas(cache_line) shard {
    std::array<bucket, steps> buckets;
  };
  duration step_;
  std::array<shard, shard_count> shards_;
  alignas(cache_line) std::atomic<std::uint64_t> newest_{0};  // slot that was written
};

class count_window {
 public:
  explicit count_window(std::uint32_t calls) : ring_(calls) {}

  void add(bool failed, bool slow) noexcept;
  [[nodiscard]] call_totals totals() const noexcept;
  void clear() noexcept;

 private:
  std::atomic<std::uint64_t> cursor_{0};
  std::atomic<std::int32_t> failed_{0}, slow_{0};
  std::vector<std::atomic<std::uint8_t>> ring_;
};

}  // namespace weft::resilience
