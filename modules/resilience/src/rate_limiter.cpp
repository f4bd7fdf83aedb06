#include <weft/resilience/core/rate_limiter.hpp>
#include <weft/resilience/lint.hpp>

#include <algorithm>
#include <stdexcept>

namespace weft::resilience {

namespace {

__extension__ using wide = __int128;
constexpr auto never = duration::max();

constexpr std::int64_t round_up(std::int64_t a, std::int64_t b) { return a / b + (a % b != 0 ? 1 : 0); }

duration to_duration(wide n) {
  return duration{static_cast<duration::rep>(std::clamp<wide>(n, 0, duration::max().count()))};
}
std::uint32_t to_count(wide n) { return static_cast<std::uint32_t>(std::clamp<wide>(n, 0, ~std::uint32_t{0})); }

// A negative clock never happens but in tests; it counts as its start.
std::uint64_t periods(std::int64_t now, std::int64_t per) {
  return static_cast<std::uint64_t>(std::max<std::int64_t>(now, 0) / per);
}

// The sliding window's state as of the window of that number.
rate_window window_at(const rate_window& w, std::uint64_t window) {
  if (window <= w.index) return w;  // a clock a moment behind another thread's
  if (window == w.index + 1) return {window, w.current, 0};
  return {window, 0, 0};
}

struct verdict_and_state {
  rate_decision decision;
  std::uint64_t next;
};

// The state is the theoretical arrival time.
verdict_and_state gcra(std::uint64_t state, std::int64_t interval, std::uint32_t burst, std::uint32_t cost,
                       std::int64_t now) {
  const auto tolerance = wide{interval} * burst;
  const auto arrival = std::max(static_cast<std::int64_t>(state), now);
  const auto next = wide{arrival} + wide{interval} * cost;
  const auto left = [&](wide from) { return to_count((wide{now} + tolerance - from) / interval); };
  if (next - now <= tolerance) return {{true, left(next), {}}, static_cast<std::uint64_t>(next)};
  const auto wait = cost > burst ? never : to_duration(next - now - tolerance);
  return {{false, left(arrival), wait}, state};
}

// Allowed when last * (per - elapsed) + (current + cost) * per <= limit * per, in whole numbers.
duration window_wait(const rate_window& w, std::int64_t elapsed, std::int64_t per, std::uint32_t limit,
                     std::uint32_t cost) {
  const auto fits_from = [&](std::uint32_t last, std::int64_t free) {  // elapsed time from which `last` leaves room
    const auto reach = wide{free} * per / wide{last};
    return reach >= per ? std::int64_t{0} : static_cast<std::int64_t>(per - reach);
  };
  const auto free_now = std::int64_t{limit} - std::int64_t{w.current} - std::int64_t{cost};
  if (free_now >= 0 && w.last > 0) return duration{fits_from(w.last, free_now) - elapsed};
  const auto free_next = std::int64_t{limit} - std::int64_t{cost};
  const auto in_next = w.current == 0 ? 0 : fits_from(w.current, free_next);
  return duration{per - elapsed + in_next};
}

// Changes `w` when it is allowed.
rate_decision sliding(rate_window& w, std::int64_t per, std::uint32_t limit, std::uint32_t cost, std::int64_t now) {
  auto next = window_at(w, periods(now, per));
  const auto elapsed = std::max<std::int64_t>(now, 0) % per;
  const auto used = wide{next.last} * (per - elapsed) + wide{next.current} * per;
  const auto room = wide{limit} * per - used;
  if (wide{cost} * per > room)
    return {false, to_count(room / per), cost > limit ? never : window_wait(next, elapsed, per, limit, cost)};
  next.current += cost;
  w = next;
  return {true, to_count((room - wide{cost} * per) / per), {}};
}

// The state is the number of tokens that the clock must have given out until the bucket is full again. lint() holds
// that no more than one a nanosecond are given out, so that it never leaves the word.
std::uint64_t used_of(std::uint64_t state, std::uint64_t given) { return state > given ? state - given : 0; }

verdict_and_state bucket(std::uint64_t state, std::int64_t per, std::uint32_t limit, std::uint32_t burst,
                         std::uint32_t cost, std::int64_t now) {
  const auto given = periods(now, per) * limit;
  const auto used = used_of(state, given);
  const auto left = used < burst ? static_cast<std::uint32_t>(burst - used) : 0;
  if (cost <= left) return {{true, left - cost, {}}, given + used + cost};
  if (cost > burst) return {{false, left, never}, state};
  const auto missing = wide{used} + cost - burst;
  const auto fills = (missing + limit - 1) / limit;
  return {{false, left, to_duration(fills * per - std::max<std::int64_t>(now, 0) % per)}, state};
}

}  // namespace

rate_limiter_core::rate_limiter_core(const rate_limit& options)
    : algorithm_{checked(options, "rate_limit").algorithm}, state_{0} {
  set(options);
}

void rate_limiter_core::set(const rate_limit& options) noexcept {
  per_.store(options.per.count());
  interval_.store(round_up(options.per.count(), options.limit));
  limit_.store(options.limit);
  burst_.store(options.burst == 0 ? options.limit : options.burst);
}

rate_limiter_core::settings rate_limiter_core::current() const noexcept {
  constexpr auto relaxed = std::memory_order_relaxed;
  return {per_.load(relaxed), interval_.load(relaxed), limit_.load(relaxed), burst_.load(relaxed)};
}

rate_limiter_core::step rate_limiter_core::decide(std::uint64_t state, std::uint32_t cost,
                                                  std::int64_t now) const noexcept {
  const auto s = current();
  const auto to_step = [](const verdict_and_state& v) { return step{v.decision, v.next}; };
  switch (algorithm_) {
    case rate_algorithm::gcra:
      return to_step(gcra(state, s.interval, s.burst, cost, now));
    case rate_algorithm::sliding_window:
      break;  // has more state than a word: see take()
    case rate_algorithm::token_bucket:
      return to_step(bucket(state, s.per, s.limit, s.burst, cost, now));
  }
  return {};
}

rate_decision rate_limiter_core::take(std::uint32_t cost, steady_time now) noexcept {
  const auto at = now.time_since_epoch().count();
  if (algorithm_ == rate_algorithm::sliding_window) {
    const auto s = current();
    const spin_lock::guard held{lock_};
    return sliding(window_, s.per, s.limit, cost, at);
  }
  auto state = state_.load(std::memory_order_relaxed);
  for (;;) {
    const auto s = decide(state, cost, at);
    if (!s.decision.allowed || state_.compare_exchange_weak(state, s.next, std::memory_order_relaxed))
      return s.decision;
  }
}

rate_decision rate_limiter_core::look(std::uint32_t cost, steady_time now) const noexcept {
  const auto at = now.time_since_epoch().count();
  if (algorithm_ != rate_algorithm::sliding_window)
    return decide(state_.load(std::memory_order_relaxed), cost, at).decision;
  const auto s = current();
  const spin_lock::guard held{lock_};
  auto copy = window_;
  return sliding(copy, s.per, s.limit, cost, at);
}

bool rate_limiter_core::idle(steady_time now) const noexcept {
  const auto s = current();
  const auto at = now.time_since_epoch().count();
  const auto state = state_.load(std::memory_order_relaxed);
  switch (algorithm_) {
    case rate_algorithm::gcra:
      return static_cast<std::int64_t>(state) <= at;
    case rate_algorithm::sliding_window: {
      const spin_lock::guard held{lock_};
      const auto w = window_at(window_, periods(at, s.per));
      return w.last == 0 && w.current == 0;
    }
    case rate_algorithm::token_bucket:
      return used_of(state, periods(at, s.per) * s.limit) == 0;
  }
  return true;
}

void rate_limiter_core::configure(const rate_limit& options, steady_time now) {
  static_cast<void>(checked(options, "rate_limit"));
  if (options.algorithm != algorithm_) throw std::invalid_argument{"a rate limiter cannot change its algorithm"};
  const auto at = now.time_since_epoch().count();
  const auto old = current();
  set(options);
  const auto fresh = current();
  if (algorithm_ == rate_algorithm::sliding_window) {
    if (fresh.per == old.per) return;
    const spin_lock::guard held{lock_};
    window_ = window_at(window_, periods(at, old.per));
    window_.index = periods(at, fresh.per);
    return;
  }
  auto state = state_.load();
  for (;;) {
    auto next = state;
    if (algorithm_ == rate_algorithm::gcra) {  // the same number of requests ahead of time, at the new pace
      const auto ahead = std::max<std::int64_t>(0, static_cast<std::int64_t>(state) - at);
      next = static_cast<std::uint64_t>(wide{at} + to_duration(wide{ahead} * fresh.interval / old.interval).count());
    } else {
      next = periods(at, fresh.per) * fresh.limit + used_of(state, periods(at, old.per) * old.limit);
    }
    if (state_.compare_exchange_weak(state, next)) return;
  }
}

}  // namespace weft::resilience
