#pragma once
// When a second request goes out for a first that is slow (Dean and Barroso, "The Tail at Scale"; Finagle's backup
// requests), and how many of them in all: each request earns `budget_ratio` of a hedge, and
// one is there from the start. Any thread.
#include <weft/resilience/policies.hpp>

#include <array>
#include <atomic>
#include <optional>

namespace weft::resilience {

// Latencies in buckets of at most 1/8 of their size, from 1 us to about 19 hours; older ones fade.
class latency_histogram {
 public:
  void add(duration latency) noexcept;
  // The latency that this part of the calls did not exceed; nothing while there are fewer than `least` of them.
  [[nodiscard]] std::optional<duration> percentile(double part, std::uint32_t least) const noexcept;
  [[nodiscard]] std::uint32_t count() const noexcept { return count_.load(std::memory_order_relaxed); }

 private:
  static constexpr std::size_t steps = 8, powers = 36;
  static std::size_t bucket_of(duration latency) noexcept;
  static duration upper_end(std::size_t bucket) noexcept;
  void fade() noexcept;

  std::array<std::atomic<std::uint32_t>, steps * powers> buckets_{};
  std::atomic<std::uint32_t> count_{0};
};

class hedge_core {
 public:
  static constexpr std::uint32_t least_samples = 20;  // before a percentile means something

  explicit hedge_core(const hedge& options);

  // One first request; earns its part of a hedge. The pause after which a hedge starts; nothing: not enough is known.
  [[nodiscard]] std::optional<duration> request_started() noexcept;
  [[nodiscard]] bool try_hedge() noexcept;
  // Of requests that were answered; never of a loser that was cancelled.
  void record(duration latency) noexcept { latencies_.add(latency); }

  [[nodiscard]] const hedge& options() const noexcept { return options_; }
  [[nodiscard]] double budget() const noexcept;
  [[nodiscard]] const latency_histogram& latencies() const noexcept { return latencies_; }

 private:
  const hedge options_;
  const std::int64_t earned_;  // thousandths of a hedge
  const std::int64_t most_;
  alignas(64) std::atomic<std::int64_t> saved_;
  std::atomic<std::uint32_t> started_{0};
  std::atomic<duration::rep> pause_{-1};  // the percentile, as last computed; below zero: not known
  latency_histogram latencies_;
};

}  // namespace weft::resilience
