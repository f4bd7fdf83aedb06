#include <weft/base/saturating.hpp>
#include <weft/resilience/core/retry.hpp>
#include <weft/resilience/lint.hpp>
#include <weft/runtime/backoff.hpp>

#include <algorithm>
#include <charconv>
#include <cmath>

namespace weft::resilience {

namespace {
constexpr errc all_codes[] = {
    errc::cancelled,      errc::unknown,           errc::invalid_argument,   errc::deadline_exceeded,   errc::not_found,
    errc::already_exists, errc::permission_denied, errc::resource_exhausted, errc::failed_precondition, errc::aborted,
    errc::out_of_range,   errc::unimplemented,     errc::internal,           errc::unavailable,         errc::data_loss,
    errc::unauthenticated};
}

retry_conditions::retry_conditions(const std::vector<std::string>& words) {
  for (const auto& word : words) static_cast<void>(add(word));
}

bool retry_conditions::known(std::string_view word) { return retry_conditions{{}}.add(word); }

bool retry_conditions::add(std::string_view word) {
  for (const auto code : all_codes)
    if (to_string(code) == word) return codes_ |= 1U << static_cast<unsigned>(code), true;
  if (word.size() != 3) return false;
  if (word.ends_with("xx") && word[0] >= '1' && word[0] <= '5') {
    const int from = (word[0] - '0') * 100;
    for (int status = from; status < from + 100; ++status) statuses_.set(static_cast<std::size_t>(status));
    return true;
  }
  int status = 0;
  const auto parsed = std::from_chars(word.data(), word.data() + word.size(), status);
  if (parsed.ec != std::errc{} || parsed.ptr != word.data() + word.size()) return false;
  if (status < first_status || status > last_status) return false;
  statuses_.set(static_cast<std::size_t>(status));
  return true;
}

bool retry_conditions::match(const outcome_view& o) const noexcept {
  if (o.status >= first_status && o.status <= last_status && statuses_[static_cast<std::size_t>(o.status)]) return true;
  return o.code && (codes_ >> static_cast<unsigned>(*o.code) & 1) != 0;
}

namespace {

duration scaled(duration base, double factor, duration cap) { return std::min(saturating_multiply(base, factor), cap); }

duration below(duration bound, rng& random) {
  if (bound <= duration::zero()) return duration::zero();
  return duration{static_cast<duration::rep>(random.below(static_cast<std::uint64_t>(bound.count())))};
}

duration grown(const retry& o, std::uint32_t n, duration cap) {
  switch (o.growth) {
    case backoff::constant:
      return std::min(o.base_delay, cap);
    case backoff::linear:
      return scaled(o.base_delay, n, cap);
    case backoff::exponential:
      return weft::backoff_delay({.initial = o.base_delay, .max = cap, .multiplier = o.multiplier, .jitter = 0}, n,
                                 1.0);
    case backoff::envoy:
      return scaled(o.base_delay, std::exp2(static_cast<double>(n)) - 1, cap);
  }
  return cap;
}

}  // namespace

duration backoff_delay(const retry& o, std::uint32_t retry_number, duration previous, rng& random) {
  // Jitter is taken of the uncapped delay, and the cap after it; but a delay a hundred times the cap is as good as any.
  const auto ceiling = duration{duration::max().count() / 4};
  const auto d = grown(o, retry_number, o.jitter == jitter::none ? o.max_delay : ceiling);
  switch (o.jitter) {
    case jitter::none:
      return std::min(d, o.max_delay);
    case jitter::full:
      return std::min(below(d, random), o.max_delay);
    case jitter::equal:
      return std::min(d / 2 + below(d - d / 2, random), o.max_delay);
    case jitter::decorrelated: {
      const auto high = scaled(std::max(previous, o.base_delay), 3, ceiling);
      return std::min(duration{random.between(o.base_delay.count(), high.count())}, o.max_delay);
    }
    case jitter::around:
      return std::min(d - d / 5 + below(d / 5 * 2 + duration{1}, random), o.max_delay);
  }
  return o.max_delay;
}

retry_core::retry_core(const retry& options, std::shared_ptr<retry_budget_core> budget)
    : options_{checked(options, "retry")},
      conditions_{options.on},
      budget_{budget ? std::move(budget) : std::make_shared<retry_budget_core>(options.budget)} {}

reason retry_core::forbidden(const progress& so_far, const outcome_view& o, replay may_repeat) const noexcept {
  if (o.verdict == verdict::success && !conditions_.match(o)) return o.code ? reason::not_retriable : reason::succeeded;
  if (o.local || o.code == errc::cancelled) return reason::not_retriable;
  if (!o.not_processed && !conditions_.match(o)) return reason::not_retriable;
  if (o.committed) return reason::committed;
  if (o.push_back) return reason::pushed_back;
  if (!may_send_again(may_repeat, o.not_processed ? prior_effect::none : prior_effect::possible))
    return reason::not_idempotent;
  if (so_far.attempts >= options_.max_attempts) return reason::attempts_exhausted;
  return reason::retried;
}

retry_core::decision retry_core::next(progress& so_far, const outcome_view& o, replay may_repeat, duration remaining,
                                      rng& random) const {
  if (const auto why = forbidden(so_far, o, may_repeat); why != reason::retried) return {false, why, {}};
  auto delay = backoff_delay(options_, so_far.attempts, so_far.previous, random);
  so_far.previous = delay;
  if (o.retry_after && *o.retry_after > delay) {
    delay = *o.retry_after;
    if (delay >= remaining || delay > options_.max_retry_after) return {false, reason::retry_after_too_long, delay};
  }
  if (delay >= remaining) return {false, reason::deadline_too_close, delay};
  if (o.peer_fault)
    budget_->retry_elsewhere();
  else if (!budget_->try_retry())
    return {false, reason::budget_exhausted, {}};
  ++so_far.attempts;
  return {true, reason::retried, delay};
}

}  // namespace weft::resilience
