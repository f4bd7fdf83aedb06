#pragma once
// How many calls at once the callee bears, learnt from latency: Gradient2 of Netflix' concurrency-limits. While latency
// stays within `tolerance` of its long-term average the limit grows, by about `queue_size` a sample and never while
// less than half of it is in use; beyond that it falls, at most by half a sample before smoothing.
//
// Any thread. A sample that arrives while another is being worked in is left out.
#include <weft/resilience/core/spin_lock.hpp>
#include <weft/resilience/policies.hpp>

#include <atomic>

namespace weft::resilience {

class adaptive_limit_core {
 public:
  explicit adaptive_limit_core(const adaptive_concurrency& options);

  [[nodiscard]] bool try_enter() noexcept;
  // What the call took, without waits in queues.
  void leave(duration latency) noexcept;
  // For a call that says nothing about latency.
  void leave_ignored() noexcept { in_flight_.fetch_sub(1, std::memory_order_relaxed); }

  [[nodiscard]] std::uint32_t limit() const noexcept { return limit_.load(std::memory_order_relaxed); }
  [[nodiscard]] std::uint32_t in_flight() const noexcept { return in_flight_.load(std::memory_order_relaxed); }
  void configure(const adaptive_concurrency& options);

 private:
  void sample(double latency, double in_flight) noexcept;

  std::atomic<std::uint32_t> limit_;
  alignas(64) std::atomic<std::uint32_t> in_flight_{0};
  alignas(64) spin_lock lock_;  // what follows
  adaptive_concurrency options_;
  double estimate_;
  double long_latency_ = 0;
  std::uint32_t samples_ = 0;
};

}  // namespace weft::resilience
