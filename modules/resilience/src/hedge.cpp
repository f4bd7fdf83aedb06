#include <weft/resilience/core/hedge.hpp>
#include <weft/resilience/lint.hpp>

#include <algorithm>
#include <bit>
#include <cmath>

namespace weft::resilience {

namespace {
constexpr std::int64_t thousand = 1000;
constexpr unsigned step_bits = 3;
constexpr std::uint32_t recompute_every = 64;  // a percentile reads every bucket
constexpr std::uint32_t fade_at = 1 << 16;
}  // namespace

std::size_t latency_histogram::bucket_of(duration latency) noexcept {
  const auto us = std::chrono::duration_cast<std::chrono::microseconds>(latency).count();
  const auto n = static_cast<std::uint64_t>(std::max<std::int64_t>(us, 0)) + steps;
  const auto power = static_cast<unsigned>(std::bit_width(n)) - step_bits - 1;
  const auto bucket = power * steps + ((n >> power) & (steps - 1));
  return std::min<std::size_t>(bucket, steps * powers - 1);
}

duration latency_histogram::upper_end(std::size_t bucket) noexcept {
  const auto power = bucket / steps;
  const auto n = ((steps + bucket % steps + 1) << power) - steps;
  return std::chrono::microseconds{n};
}

void latency_histogram::add(duration latency) noexcept {
  buckets_[bucket_of(latency)].fetch_add(1, std::memory_order_relaxed);
  if (count_.fetch_add(1, std::memory_order_relaxed) + 1 == fade_at) fade();
}

void latency_histogram::fade() noexcept {
  std::uint32_t left = 0;
  for (auto& b : buckets_) {
    const auto half = b.load(std::memory_order_relaxed) / 2;
    b.fetch_sub(half, std::memory_order_relaxed);
    left += half;
  }
  count_.fetch_sub(left, std::memory_order_relaxed);
}

std::optional<duration> latency_histogram::percentile(double part, std::uint32_t least) const noexcept {
  std::uint64_t total = 0;
  for (const auto& b : buckets_) total += b.load(std::memory_order_relaxed);
  if (total < least) return std::nullopt;
  const auto wanted = static_cast<std::uint64_t>(std::ceil(part * static_cast<double>(total)));
  std::uint64_t seen = 0;
  for (std::size_t i = 0; i < buckets_.size(); ++i)
    if ((seen += buckets_[i].load(std::memory_order_relaxed)) >= wanted) return upper_end(i);
  return upper_end(buckets_.size() - 1);
}

hedge_core::hedge_core(const hedge& options)
    : options_{checked(options, "hedge")},
      earned_{std::llround(options.budget_ratio * thousand)},
      most_{options.budget_burst * thousand},
      saved_{thousand} {}

std::optional<duration> hedge_core::request_started() noexcept {
  auto saved = saved_.load(std::memory_order_relaxed);
  while (saved < most_ && !saved_.compare_exchange_weak(saved, std::min(most_, saved + earned_))) {
  }
  if (options_.delay > duration::zero()) return options_.delay;
  if (started_.fetch_add(1, std::memory_order_relaxed) % recompute_every == 0 || pause_.load() < 0) {
    const auto slow = latencies_.percentile(options_.percentile, least_samples);
    pause_.store(slow ? std::max(*slow, options_.min_delay).count() : -1, std::memory_order_relaxed);
  }
  const auto pause = pause_.load(std::memory_order_relaxed);
  if (pause < 0) return std::nullopt;
  return duration{pause};
}

bool hedge_core::try_hedge() noexcept {
  auto saved = saved_.load(std::memory_order_relaxed);
  while (saved >= thousand)
    if (saved_.compare_exchange_weak(saved, saved - thousand, std::memory_order_relaxed)) return true;
  return false;
}

double hedge_core::budget() const noexcept {
  return static_cast<double>(saved_.load(std::memory_order_relaxed)) / static_cast<double>(thousand);
}

}  // namespace weft::resilience
