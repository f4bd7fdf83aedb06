#pragma once
// Settings that other systems made familiar. Each returns plain options, to be changed as any others.
#include <weft/resilience/policies.hpp>

namespace weft::resilience::presets {

// opossum 8 (Node.js): 50 % errors within 10 s open it for 30 s, one probe; calls time out after 10 s. It trips above
// its threshold, this one at it.
[[nodiscard]] inline circuit_breaker opossum_breaker() {
  return {.failure_ratio = 0.5, .minimum_throughput = 1, .window = 10s, .break_for = 30s, .probe_timeout = 10s};
}
[[nodiscard]] inline timeout opossum_timeout(duration after = 10s) { return {.after = after}; }

// So many failures in a row, however long they took to come.
[[nodiscard]] inline circuit_breaker consecutive_breaker(std::uint32_t failures = 5, duration break_for = 30s) {
  return {.failure_ratio = 0, .consecutive_failures = failures, .break_for = break_for};
}
// Linkerd's failure accrual: 7 in a row, a penalty of 1 s to 60 s with jitter, one probe.
[[nodiscard]] inline circuit_breaker linkerd_breaker() {
  return {.failure_ratio = 0,
          .consecutive_failures = 7,
          .break_for = 1s,
          .break_multiplier = 2,
          .max_break_for = 60s,
          .break_jitter = 0.5};
}

// Retries after 1 s, 2 s, 3 s, ..., of server errors and lost connections.
[[nodiscard]] inline retry linear_retry(std::uint32_t retries = 3, duration step = 1s) {
  return {.max_attempts = retries + 1,
          .base_delay = step,
          .max_delay = 60s,
          .growth = backoff::linear,
          .jitter = jitter::none,
          .on = {"5xx", "unavailable"}};
}
// Retries after 100 ms, 200 ms, 400 ms, ..., each at random up to that.
[[nodiscard]] inline retry exponential_retry(std::uint32_t retries = 3, duration base = 100ms) {
  return {.max_attempts = retries + 1, .base_delay = base, .max_delay = 10s};
}
// Envoy: 25 ms base, ten times that at most, delays at random up to base * (2^n - 1).
[[nodiscard]] inline retry envoy_retry(std::uint32_t retries = 1) {
  return {.max_attempts = retries + 1, .base_delay = 25ms, .max_delay = 250ms, .growth = backoff::envoy};
}
// gRPC A6: delays +- 20 %, and a token bucket for the budget.
[[nodiscard]] inline retry grpc_retry(std::uint32_t attempts = 4, duration base = 100ms) {
  return {.max_attempts = attempts < 5 ? attempts : 5,
          .base_delay = base,
          .max_delay = 1s,
          .jitter = jitter::around,
          .on = {"unavailable"},
          .budget = {.kind = budget_kind::tokens}};
}

}  // namespace weft::resilience::presets
