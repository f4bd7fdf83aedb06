#pragma once
// Every reason for which a policy does something other than letting a call pass, one counter each.
#include <boost/describe/enum.hpp>
#include <cstdint>
#include <string_view>

namespace weft::resilience {

enum class reason : std::uint8_t {
  succeeded,  // an attempt, after something else had happened
  failed,     // an attempt
  timed_out,  // an attempt, or the whole
  retried,
  hedged,
  // why there was no further attempt
  not_retriable,
  not_idempotent,
  committed,
  pushed_back,
  attempts_exhausted,
  budget_exhausted,
  deadline_too_close,
  retry_after_too_long,
  hedge_budget_exhausted,
  // refused before it was sent
  breaker_open,
  bulkhead_full,
  bulkhead_timeout,
  rate_limited,
  limiter_unavailable,  // the shared store of a limiter did not answer; allowed or refused as configured
  concurrency_limited,
  shed,
  cancelled,  // the caller gave up, or its deadline passed, before an attempt began
  // answered otherwise
  cache_hit,
  served_stale,
  fallback_used,
  fallback_failed,
};
BOOST_DESCRIBE_ENUM(reason, succeeded, failed, timed_out, retried, hedged, not_retriable, not_idempotent, committed,
                    pushed_back, attempts_exhausted, budget_exhausted, deadline_too_close, retry_after_too_long,
                    hedge_budget_exhausted, breaker_open, bulkhead_full, bulkhead_timeout, rate_limited,
                    limiter_unavailable, concurrency_limited, shed, cancelled, cache_hit, served_stale, fallback_used,
                    fallback_failed)
inline constexpr std::size_t reason_count = static_cast<std::size_t>(reason::fallback_failed) + 1;

// For metrics: "breaker_open".
[[nodiscard]] std::string_view to_string(reason r) noexcept;

}  // namespace weft::resilience
