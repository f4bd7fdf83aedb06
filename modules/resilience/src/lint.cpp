#include <weft/base/saturating.hpp>
#include <weft/resilience/core/retry.hpp>
#include <weft/resilience/lint.hpp>

#include "text.hpp"

#include <stdexcept>

namespace weft::resilience {

namespace {

constexpr duration longest_duration = std::chrono::hours{24 * 366};
// Whether duration::max() means something.
enum class unlimited : std::uint8_t { refused, allowed };

class sink {
 public:
  explicit sink(std::string_view path) : path_{path} {}
  void error_if(bool wrong, std::string_view field, std::string what, std::string remedy) {
    if (wrong) add(field, std::move(what), std::move(remedy), severity::error);
  }
  void warn_if(bool odd, std::string_view field, std::string what, std::string remedy) {
    if (odd) add(field, std::move(what), std::move(remedy), severity::warning);
  }
  void positive(duration value, std::string_view field, unlimited max = unlimited::refused) {
    error_if(value <= duration::zero(), field, "is " + text::of(value), "give a duration above zero");
    bounded(value, field, max);
  }
  void not_negative(duration value, std::string_view field, unlimited max = unlimited::refused) {
    error_if(value < duration::zero(), field, "is negative", "give zero or more");
    bounded(value, field, max);
  }
  void between(double value, double low, double high, std::string_view field) {
    error_if(!(value >= low && value <= high), field, "is " + number(value),
             "give " + number(low) + " to " + number(high));
  }
  problems take() { return std::move(found_); }

 private:
  static std::string number(double value) {
    auto text = std::to_string(value);
    while (text.back() == '0') text.pop_back();
    if (text.back() == '.') text.pop_back();
    return text;
  }
  // What nobody means, and what arithmetic on times should not have to bear.
  void bounded(duration value, std::string_view field, unlimited max) {
    if (value <= longest_duration) return;
    if (value == duration::max()) {
      error_if(max == unlimited::refused, field, "is without limit", "give a duration of at most a year");
      return;
    }
    error_if(true, field, "is " + text::of(value) + ", more than a year",
             max == unlimited::allowed ? "give a shorter time, or leave the limit out" : "give a shorter time");
  }
  void add(std::string_view field, std::string what, std::string remedy, severity s) {
    found_.push_back({std::string{path_}.append(".").append(field), std::move(what), std::move(remedy), s});
  }
  std::string_view path_;
  problems found_;
};

}  // namespace

std::string problem::describe() const {
  auto text = path + ": " + what;
  if (!remedy.empty()) text.append("; ").append(remedy);
  return text;
}

void require_sound(const problems& found) {
  for (const auto& p : found)
    if (p.severity == severity::error) throw std::invalid_argument{p.describe()};
}

problems lint(const retry& o, std::string_view path) {
  sink s{path};
  s.between(o.max_attempts, 1, 100, "max_attempts");
  s.warn_if(o.max_attempts == 1, "max_attempts", "is 1, so nothing is ever retried", "give 2 or more, or remove retry");
  s.not_negative(o.base_delay, "base_delay");
  s.not_negative(o.max_delay, "max_delay", unlimited::allowed);
  s.not_negative(o.max_retry_after, "max_retry_after", unlimited::allowed);
  s.warn_if(o.base_delay > o.max_delay, "base_delay", "is longer than max_delay (" + text::of(o.max_delay) + ")",
            "raise max_delay, or lower base_delay");
  s.between(o.multiplier, 1, 100, "multiplier");
  for (std::size_t i = 0; i < o.on.size(); ++i)
    s.error_if(!retry_conditions::known(o.on[i]), "on[" + std::to_string(i) + "]",
               "\"" + o.on[i] + "\" is no condition",
               "write the name of a code such as unavailable, a status such as 503, or a class such as 5xx");
  s.between(o.budget.ratio, 0, 1, "budget.ratio");
  s.between(o.budget.max_tokens, 1, 1000, "budget.max_tokens");
  s.between(o.budget.token_ratio, 0, 1000, "budget.token_ratio");
  s.warn_if(o.budget.kind == budget_kind::none && o.max_attempts > 1, "budget.kind",
            "is none: when the callee fails, retries multiply its load by " + std::to_string(o.max_attempts),
            "use active or tokens");
  return s.take();
}

problems lint(const circuit_breaker& o, std::string_view path) {
  sink s{path};
  s.between(o.failure_ratio, 0, 1, "failure_ratio");
  s.between(o.slow_ratio, 0, 1, "slow_ratio");
  s.error_if(o.slow_after > duration::zero() && o.slow_ratio <= 0, "slow_ratio", "is 0: any call would trip it",
             "give a part above 0, or slow_after 0 to turn the rule off");
  s.error_if(o.minimum_throughput == 0, "minimum_throughput", "is 0", "give 1 or more");
  s.positive(o.window, "window");
  s.error_if(o.window > duration::zero() && o.window < std::chrono::milliseconds{10}, "window",
             "is " + text::of(o.window), "give 10 ms or more");
  s.between(o.window_calls, 0, 1'000'000, "window_calls");
  s.error_if(o.window_calls > 0 && o.minimum_throughput > o.window_calls, "minimum_throughput",
             "is more than window_calls, so no ratio can ever trip it", "give at most window_calls");
  s.not_negative(o.slow_after, "slow_after", unlimited::allowed);
  s.positive(o.break_for, "break_for");
  s.positive(o.max_break_for, "max_break_for", unlimited::allowed);
  s.between(o.break_multiplier, 1, 100, "break_multiplier");
  s.error_if(o.max_break_for < o.break_for, "max_break_for", "is shorter than break_for", "raise it");
  s.between(o.break_jitter, 0, 1, "break_jitter");
  s.between(o.probes, 1, 32, "probes");
  s.positive(o.probe_timeout, "probe_timeout", unlimited::allowed);
  s.warn_if(o.failure_ratio <= 0 && o.consecutive_failures == 0 && o.slow_after <= duration::zero(), "failure_ratio",
            "is 0 and no other rule is on, so it never trips", "set failure_ratio, consecutive_failures or slow_after");
  return s.take();
}

problems lint(const timeout& o, std::string_view path) {
  sink s{path};
  s.positive(o.after, "after", unlimited::allowed);
  return s.take();
}

problems lint(const bulkhead& o, std::string_view path) {
  sink s{path};
  s.error_if(o.max_concurrent == 0, "max_concurrent", "is 0: every call would be refused", "give 1 or more");
  s.error_if(o.max_queued > 0 && o.queue_timeout <= duration::zero(), "queue_timeout", "is not above zero",
             "give a duration, or max_queued 0");
  s.not_negative(o.queue_timeout, "queue_timeout", unlimited::allowed);
  return s.take();
}

problems lint(const rate_limit& o, std::string_view path) {
  sink s{path};
  constexpr std::uint32_t sliding_most = (1U << 22) - 1;
  s.error_if(o.limit == 0, "limit", "is 0: every call would be refused", "give 1 or more");
  s.positive(o.per, "per");
  s.error_if(o.algorithm == rate_algorithm::sliding_window && o.limit > sliding_most, "limit",
             "is more than " + std::to_string(sliding_most), "use gcra, or a shorter window with a lower limit");
  s.error_if(o.algorithm != rate_algorithm::sliding_window && o.per.count() < std::int64_t{o.limit}, "limit",
             "is more than one each nanosecond", "lower it");
  // What a full burst is ahead of its pace; beyond, times would leave the clock.
  s.error_if(o.algorithm == rate_algorithm::gcra && o.limit > 0 &&
                 saturating_multiply(o.per, static_cast<double>(o.burst) / o.limit) > 100 * longest_duration,
             "burst", "takes more than a hundred years to come back", "lower it");
  s.warn_if(o.algorithm == rate_algorithm::sliding_window && o.burst != 0, "burst",
            "means nothing for a sliding window", "remove it");
  return s.take();
}

problems lint(const hedge& o, std::string_view path) {
  sink s{path};
  s.not_negative(o.delay, "delay", unlimited::allowed);
  s.not_negative(o.min_delay, "min_delay");
  s.between(o.percentile, 0.5, 0.9999, "percentile");
  s.between(o.max_hedges, 1, 4, "max_hedges");
  s.between(o.budget_ratio, 0, 1, "budget_ratio");
  s.between(o.budget_burst, 1, 1'000'000, "budget_burst");
  return s.take();
}

problems lint(const adaptive_concurrency& o, std::string_view path) {
  sink s{path};
  s.error_if(o.min_limit == 0, "min_limit", "is 0", "give 1 or more");
  s.error_if(o.max_limit < o.min_limit, "max_limit", "is below min_limit", "raise it");
  s.error_if(o.initial_limit < o.min_limit || o.initial_limit > o.max_limit, "initial_limit",
             "is not between min_limit and max_limit", "move it between them");
  s.between(o.smoothing, 0.01, 1, "smoothing");
  s.between(o.tolerance, 1, 10, "tolerance");
  s.between(o.long_window, 10, 100'000, "long_window");
  return s.take();
}

problems lint(const load_shed& o, std::string_view path) {
  sink s{path};
  s.error_if(o.max_in_flight == 0, "max_in_flight", "is 0: every call would be refused", "give 1 or more");
  s.between(o.critical, 0, 1, "critical");
  s.between(o.high, 0, 1, "high");
  s.between(o.normal, 0, 1, "normal");
  s.between(o.low, 0, 1, "low");
  s.warn_if(o.low > o.normal || o.normal > o.high || o.high > o.critical, "normal",
            "a lower priority may fill more than a higher one", "order them: critical >= high >= normal >= low");
  return s.take();
}

problems lint(const cache_options& o, std::string_view path) {
  sink s{path};
  s.error_if(o.max_entries == 0, "max_entries", "is 0", "give 1 or more, or remove cache");
  s.error_if(o.max_bytes == 0, "max_bytes", "is 0", "give the bytes that it may hold, or remove cache");
  s.not_negative(o.ttl, "ttl", unlimited::allowed);
  s.not_negative(o.stale_if_error, "stale_if_error", unlimited::allowed);
  s.not_negative(o.stale_while_revalidate, "stale_while_revalidate", unlimited::allowed);
  return s.take();
}

}  // namespace weft::resilience
