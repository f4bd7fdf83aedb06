#pragma once
// Rate limits: any thread. gcra and token_bucket are one word of state, changed by compare-and-swap; a sliding window
// takes a spin lock.
//
//     rate_limiter_core limiter{{.limit = 100, .per = 1s, .burst = 20}};
//     const auto d = limiter.take(3, now);               // a cost of 3
//     if (!d.allowed) refuse(d.retry_after);             // exact: allowed then, unless others come first, not before
//
// gcra: ATM Forum TM 4.0 section 4.4.2, with the emission interval rounded up to a nanosecond, so never more than
// asked. sliding_window: the current window's count plus the last one's, weighted by how much of it is still in reach.
// token_bucket: `limit` tokens at each full `per` of the clock, at most `burst`.
#include <weft/resilience/core/spin_lock.hpp>
#include <weft/resilience/policies.hpp>

#include <atomic>

namespace weft::resilience {

struct rate_decision {
  bool allowed = false;
  std::uint32_t remaining = 0;  // cost that would be allowed at once after this
  duration retry_after{};       // when refused; duration::max() when the cost can never be allowed
};

// Of a sliding window: its number, and the costs in the one before and in it.
struct rate_window {
  std::uint64_t index = 0;
  std::uint32_t last = 0, current = 0;
};

class rate_limiter_core {
 public:
  explicit rate_limiter_core(const rate_limit& options);

  [[nodiscard]] rate_decision take(std::uint32_t cost, steady_time now) noexcept;
  // The same, without taking.
  [[nodiscard]] rate_decision look(std::uint32_t cost, steady_time now) const noexcept;
  // Whether it is as good as new, so that a store may forget it.
  [[nodiscard]] bool idle(steady_time now) const noexcept;

  // New limits; what was used stays used. The algorithm must be the same.
  void configure(const rate_limit& options, steady_time now);
  [[nodiscard]] rate_algorithm algorithm() const noexcept { return algorithm_; }

 private:
  struct settings {
    std::int64_t per = 1, interval = 1;
    std::uint32_t limit = 1, burst = 1;
  };
  struct step {
    rate_decision decision;
    std::uint64_t next = 0;
  };
  [[nodiscard]] settings current() const noexcept;
  void set(const rate_limit& options) noexcept;
  [[nodiscard]] step decide(std::uint64_t state, std::uint32_t cost, std::int64_t now) const noexcept;

  const rate_algorithm algorithm_;
  std::atomic<std::int64_t> per_, interval_;
  std::atomic<std::uint32_t> limit_, burst_;
  alignas(64) std::atomic<std::uint64_t> state_;
  mutable spin_lock lock_;  // what follows
  rate_window window_;
};

}  // namespace weft::resilience
