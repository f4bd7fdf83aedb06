#include <weft/resilience/core/retry_budget.hpp>

#include <algorithm>
#include <cmath>

namespace weft::resilience {

namespace {
constexpr std::int64_t milli = 1000;
constexpr std::uint64_t million = 1'000'000;
std::int64_t to_milli(double value) { return std::llround(value * static_cast<double>(milli)); }
}  // namespace

void retry_budget_core::configure(const retry_budget& options) noexcept {
  ratio_millionths_.store(static_cast<std::uint64_t>(std::llround(options.ratio * million)));
  min_concurrent_.store(options.min_concurrent);
  const auto most = to_milli(options.max_tokens);
  max_millitokens_.store(most);
  millitokens_per_success_.store(to_milli(options.token_ratio));
  const auto left = millitokens_.load();
  if (left < 0 || left > most) millitokens_.store(most);
  kind_.store(options.kind);
}

void retry_budget_core::give_back() noexcept {
  const auto most = max_millitokens_.load(std::memory_order_relaxed);
  auto left = millitokens_.load(std::memory_order_relaxed);
  while (left < most) {
    const auto next = std::min(most, left + millitokens_per_success_.load(std::memory_order_relaxed));
    if (millitokens_.compare_exchange_weak(left, next, std::memory_order_relaxed)) return;
  }
}

void retry_budget_core::attempt_failed() noexcept {
  if (kind() != budget_kind::tokens) return;
  auto left = millitokens_.load(std::memory_order_relaxed);
  while (left > 0)
    if (millitokens_.compare_exchange_weak(left, std::max<std::int64_t>(0, left - milli), std::memory_order_relaxed))
      return;
}

std::uint32_t retry_budget_core::active_requests() const noexcept {
  return static_cast<std::uint32_t>(std::max<std::int64_t>(0, active_.sum()));
}

// The most retries R for which R <= ratio * (requests - R): a request that is retried is no first attempt any more.
std::uint32_t retry_budget_core::allowed_retries() const noexcept {
  const auto ratio = ratio_millionths_.load(std::memory_order_relaxed);
  const auto part = static_cast<std::uint32_t>(active_requests() * ratio / (million + ratio));
  return std::max(part, min_concurrent_.load(std::memory_order_relaxed));
}

double retry_budget_core::tokens() const noexcept {
  return static_cast<double>(millitokens_.load(std::memory_order_relaxed)) / static_cast<double>(milli);
}

bool retry_budget_core::try_retry() noexcept {
  switch (kind()) {
    case budget_kind::tokens:
      if (millitokens_.load(std::memory_order_relaxed) * 2 <= max_millitokens_.load(std::memory_order_relaxed))
        return false;
      break;
    case budget_kind::active: {
      const auto allowed = allowed_retries();
      auto under_way = retries_.load(std::memory_order_relaxed);
      do {
        if (under_way >= allowed) return false;
      } while (!retries_.compare_exchange_weak(under_way, under_way + 1, std::memory_order_relaxed));
      return true;
    }
    case budget_kind::none:
      break;
  }
  retries_.fetch_add(1, std::memory_order_relaxed);
  return true;
}

void retry_budget_core::retry_ended() noexcept { retries_.fetch_sub(1, std::memory_order_relaxed); }

}  // namespace weft::resilience
