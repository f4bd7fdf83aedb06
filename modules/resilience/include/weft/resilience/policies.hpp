#pragma once
// The options of every policy that is not bound to a type (fallback and typed caches are in pipeline.hpp). They are
// plain structs with documented defaults, and described, so that weft::json reads them from configuration: durations as
// "250ms", enumerators by name.
//
//     resilience::retry again{.max_attempts = 3, .base_delay = 50ms};
//     resilience::circuit_breaker breaker{.failure_ratio = 0.5, .break_for = 5s};
//
// Durations are at most a year. duration::max() means "without limit" where that makes sense: timeout::after, a cache's
// ttl and stale times, queue_timeout, max_delay, max_retry_after, max_break_for, slow_after, probe_timeout,
// hedge::delay.
//
// `mode` of each: `shadow` computes and counts what it would have done, and lets the call go on.
#include <weft/runtime/timer.hpp>

#include <boost/describe/class.hpp>
#include <boost/describe/enum.hpp>
#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

namespace weft::resilience {

using namespace std::chrono_literals;

enum class policy_mode : std::uint8_t { enforce, shadow, off };
BOOST_DESCRIBE_ENUM(policy_mode, enforce, shadow, off)

// How the pause grows with the number n of the retry (from 1), before jitter and cap.
enum class backoff : std::uint8_t {
  constant,     // base
  linear,       // base * n
  exponential,  // base * multiplier^(n-1)
  envoy,        // base * (2^n - 1), which Envoy takes as the bound of a uniform delay
};
BOOST_DESCRIBE_ENUM(backoff, constant, linear, exponential, envoy)

enum class jitter : std::uint8_t {
  none,          // d
  full,          // [0, d)
  equal,         // d/2 + [0, d/2)
  decorrelated,  // [base, 3 * previous], whatever `growth` says
  around,        // d +- 20 %, as gRPC (A6)
};
BOOST_DESCRIBE_ENUM(jitter, none, full, equal, decorrelated, around)

enum class budget_kind : std::uint8_t {
  // As Envoy and Finagle: retries under way are at most a part of the first attempts under way. Envoy counts retries
  // among the requests too, so that its 20 % let 1.25 times the load through; here it is 1.2 times.
  active,
  tokens,  // gRPC: failures take a token, successes give a part of one back; below half, no retry
  none,
};
BOOST_DESCRIBE_ENUM(budget_kind, active, tokens, none)

struct retry_budget {
  budget_kind kind = budget_kind::active;
  double ratio = 0.2;                // active: retries for each first attempt under way
  std::uint32_t min_concurrent = 3;  // active: so many retries may always be under way
  double max_tokens = 10;            // tokens
  double token_ratio = 0.1;          // tokens: what a success gives back
};
BOOST_DESCRIBE_STRUCT(retry_budget, (), (kind, ratio, min_concurrent, max_tokens, token_ratio))

struct retry {
  std::uint32_t max_attempts = 3;  // the first one included; 1 to 100
  duration base_delay = 50ms;
  duration max_delay = 2s;         // cap, after jitter
  duration max_retry_after = 10s;  // the longest Retry-After that is waited for; beyond it the call ends at once
  backoff growth = backoff::exponential;
  double multiplier = 2;  // of backoff::exponential
  resilience::jitter jitter = jitter::full;
  // What is retried: names of canonical codes, statuses ("503") and their classes ("5xx"). A call that was provably not
  // processed is retried whatever this says.
  std::vector<std::string> on = {"unavailable", "deadline_exceeded", "429", "502", "503", "504"};
  retry_budget budget{};
  policy_mode mode = policy_mode::enforce;
};
BOOST_DESCRIBE_STRUCT(retry, (),
                      (max_attempts, base_delay, max_delay, max_retry_after, growth, multiplier, jitter, on, budget,
                       mode))

struct circuit_breaker {
  double failure_ratio = 0.5;              // trips when at least this part failed; 0: this rule is off
  std::uint32_t minimum_throughput = 20;   // calls in the window before a ratio may trip it
  duration window = 10s;                   // seen in ten steps: the running tenth and the nine before it
  std::uint32_t window_calls = 0;          // more than 0: the last so many calls, instead of a time
  std::uint32_t consecutive_failures = 0;  // trips after so many in a row; 0: this rule is off
  duration slow_after{};                   // a call that takes as long is slow; 0: this rule is off
  double slow_ratio = 1;                   // trips when at least this part was slow
  duration break_for = 30s;                // open for so long, before it probes
  double break_multiplier = 1;             // longer each time that probes fail, up to max_break_for
  duration max_break_for = 5min;
  double break_jitter = 0;       // part of break_for that is added or taken at random
  std::uint32_t probes = 1;      // admitted while half-open, in all; 1 to 32. More calls fail at once.
  duration probe_timeout = 10s;  // a probe that takes longer has failed, whatever becomes of it
  policy_mode mode = policy_mode::enforce;
};
BOOST_DESCRIBE_STRUCT(circuit_breaker, (),
                      (failure_ratio, minimum_throughput, window, window_calls, consecutive_failures, slow_after,
                       slow_ratio, break_for, break_multiplier, max_break_for, break_jitter, probes, probe_timeout,
                       mode))

// Outside retry: for all attempts and pauses together. Inside: for each attempt, which may then be retried.
struct timeout {
  duration after = 1s;  // duration::max(): no timeout
  policy_mode mode = policy_mode::enforce;
};
BOOST_DESCRIBE_STRUCT(timeout, (), (after, mode))

struct bulkhead {
  std::uint32_t max_concurrent = 1024;  // Envoy's default
  std::uint32_t max_queued = 1024;      // waiting for a permit; 0: fail at once
  duration queue_timeout = 1s;          // for each of them
  policy_mode mode = policy_mode::enforce;
};
BOOST_DESCRIBE_STRUCT(bulkhead, (), (max_concurrent, max_queued, queue_timeout, mode))

enum class rate_algorithm : std::uint8_t {
  gcra,            // evenly spaced, `burst` at once after a pause
  sliding_window,  // at most `limit` in the running window, the last one weighted by how much of it is still in reach
  token_bucket,    // `limit` tokens added at each full `per`, up to `burst`
};
BOOST_DESCRIBE_ENUM(rate_algorithm, gcra, sliding_window, token_bucket)

enum class on_store_failure : std::uint8_t { allow, refuse };
BOOST_DESCRIBE_ENUM(on_store_failure, allow, refuse)

struct rate_limit {
  rate_algorithm algorithm = rate_algorithm::gcra;
  std::uint32_t limit = 100;  // cost admitted per `per`; at most 4,194,303 for a sliding window
  duration per = 1s;
  std::uint32_t burst = 0;                                   // 0: as `limit`
  on_store_failure store_failure = on_store_failure::allow;  // of a shared store that does not answer
  policy_mode mode = policy_mode::enforce;
};
BOOST_DESCRIBE_STRUCT(rate_limit, (), (algorithm, limit, per, burst, store_failure, mode))

struct hedge {
  duration delay{};                 // the second request starts after this time; 0: after the percentile
  double percentile = 0.95;         // of the latencies seen
  duration min_delay = 1ms;         // at least, whatever the percentile
  std::uint32_t max_hedges = 1;     // beside the first request; 1 to 4
  double budget_ratio = 0.05;       // hedges per request
  std::uint32_t budget_burst = 10;  // at most so many saved up
  policy_mode mode = policy_mode::enforce;
};
BOOST_DESCRIBE_STRUCT(hedge, (), (delay, percentile, min_delay, max_hedges, budget_ratio, budget_burst, mode))

// Gradient2 of Netflix' concurrency-limits: the limit follows the ratio of the long-term latency to the last one.
struct adaptive_concurrency {
  std::uint32_t initial_limit = 20;
  std::uint32_t min_limit = 20;
  std::uint32_t max_limit = 200;
  double smoothing = 0.2;
  double tolerance = 1.5;           // latency may grow by this factor before the limit falls
  std::uint32_t queue_size = 4;     // how fast the limit grows
  std::uint32_t long_window = 600;  // samples of the long-term average
  policy_mode mode = policy_mode::enforce;
};
BOOST_DESCRIBE_STRUCT(adaptive_concurrency, (),
                      (initial_limit, min_limit, max_limit, smoothing, tolerance, queue_size, long_window, mode))

// Each priority may fill its part of `max_in_flight`, so that what matters less is refused first.
struct load_shed {
  std::uint32_t max_in_flight = 1000;
  double critical = 1, high = 0.95, normal = 0.85, low = 0.6;
  policy_mode mode = policy_mode::enforce;
};
BOOST_DESCRIBE_STRUCT(load_shed, (), (max_in_flight, critical, high, normal, low, mode))

struct cache_options {
  std::uint32_t max_entries = 10'000;
  std::uint64_t max_bytes = 64 * 1024 * 1024;  // of keys and of what values hold (weight.hpp)
  duration ttl = 60s;                          // 0: asked each time, once for those who ask together
  duration stale_if_error{};                   // beyond ttl, served when the call fails
  duration stale_while_revalidate{};           // beyond ttl, served while one caller fetches anew
  policy_mode mode = policy_mode::enforce;
};
BOOST_DESCRIBE_STRUCT(cache_options, (), (max_entries, max_bytes, ttl, stale_if_error, stale_while_revalidate, mode))

}  // namespace weft::resilience
