#include <weft/resilience/core/adaptive_limit.hpp>
#include <weft/resilience/lint.hpp>

#include <algorithm>

namespace weft::resilience {

adaptive_limit_core::adaptive_limit_core(const adaptive_concurrency& options)
    : limit_{checked(options, "adaptive_concurrency").initial_limit},
      options_{options},
      estimate_{static_cast<double>(options.initial_limit)} {}

void adaptive_limit_core::configure(const adaptive_concurrency& options) {
  static_cast<void>(checked(options, "adaptive_concurrency"));
  const spin_lock::guard held{lock_};
  options_ = options;
  estimate_ = std::clamp(estimate_, static_cast<double>(options.min_limit), static_cast<double>(options.max_limit));
  limit_.store(static_cast<std::uint32_t>(estimate_));
}

bool adaptive_limit_core::try_enter() noexcept {
  auto inside = in_flight_.load(std::memory_order_relaxed);
  const auto most = limit();
  while (inside < most)
    if (in_flight_.compare_exchange_weak(inside, inside + 1, std::memory_order_relaxed)) return true;
  return false;
}

void adaptive_limit_core::leave(duration latency) noexcept {
  const auto inside = in_flight_.fetch_sub(1, std::memory_order_relaxed);
  if (latency <= duration::zero() || !lock_.try_acquire()) return;
  sample(static_cast<double>(latency.count()), inside);
  lock_.release();
}

void adaptive_limit_core::sample(double latency, double in_flight) noexcept {
  constexpr std::uint32_t warm_up = 10;
  // A plain average at first, exponentially weighted after.
  ++samples_;
  if (samples_ <= warm_up) {
    long_latency_ += (latency - long_latency_) / samples_;
  } else {
    const auto weight = 2.0 / (options_.long_window + 1);
    long_latency_ += (latency - long_latency_) * weight;
  }
  // After an overload the average comes down faster than its window alone would let it.
  if (long_latency_ / latency > 2) long_latency_ *= 0.95;
  if (in_flight < estimate_ / 2) return;
  const auto gradient = std::clamp(options_.tolerance * long_latency_ / latency, 0.5, 1.0);
  const auto wanted = estimate_ * gradient + options_.queue_size;
  estimate_ = std::clamp(estimate_ * (1 - options_.smoothing) + wanted * options_.smoothing,
                         static_cast<double>(options_.min_limit), static_cast<double>(options_.max_limit));
  limit_.store(static_cast<std::uint32_t>(estimate_), std::memory_order_relaxed);
}

}  // namespace weft::resilience
