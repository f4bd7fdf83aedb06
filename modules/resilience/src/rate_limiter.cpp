#include <weft/resilience/core/rate_limiter.hpp>
#include <weft/resilience/lint.hpp>

#include <algorithm>
#include <stdexcept>

namespace weft::resilience {

namespace {

__extension__ using wide = __int128;
constexpr auto never = duration::max();

constexpr std::int64_t round_up(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

std::uint32_t to_count(wide n) { return static_cast<std::uint32_t>(std::clamp<wide>(n, 0, ~std::uint32_t{0})); }

// The sliding window's state: the number of the window, and the counts of the last one and of this one.
struct window_state {
  static constexpr unsigned count_bits = 22, index_bits = 64 - 2 * count_bits;
  static constexpr std::uint64_t count_mask = (std::uint64_t{1} << count_bits) - 1;
  static constexpr std::uint64_t index_mask = (std::uint64_t{1} << index_bits) - 1;
  std::uint64_t index, last, current;

  static window_state unpack(std::uint64_t s) {
    return {s >> 2 * count_bits, s >> count_bits & count_mask, s & count_mask};
  }
  [[nodiscard]] std::uint64_t pack() const { return index << 2 * count_bits | last << count_bits | current; }
  [[nodiscard]] window_state at(std::uint64_t window) const {
    window &= index_mask;
    if (window == index) return *this;
    if (window == ((index + 1) & index_mask)) return {window, current, 0};
    if (((index - window) & index_mask) < 2) return *this;  // a clock a moment behind another thread's
    return {window, 0, 0};
  }
};

struct bucket_state {  // the number of the last fill, and the tokens that are gone
  std::uint32_t fill, used;
  static bucket_state unpack(std::uint64_t s) {
    return {static_cast<std::uint32_t>(s >> 32), static_cast<std::uint32_t>(s)};
  }
  [[nodiscard]] std::uint64_t pack() const { return std::uint64_t{fill} << 32 | used; }
  [[nodiscard]] bucket_state at(std::uint32_t now, std::uint32_t per_fill) const {
    const auto fills = static_cast<std::int32_t>(now - fill);
    if (fills <= 0) return *this;
    const auto back = std::uint64_t{static_cast<std::uint32_t>(fills)} * per_fill;
    return {now, back >= used ? 0 : static_cast<std::uint32_t>(used - back)};
  }
};

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
  const auto wait = cost > burst ? never : duration{static_cast<std::int64_t>(next - now - tolerance)};
  return {{false, left(arrival), wait}, state};
}

// Allowed when last * (per - elapsed) + (current + cost) * per <= limit * per, in whole numbers.
duration window_wait(const window_state& w, std::int64_t elapsed, std::int64_t per, std::uint32_t limit,
                     std::uint32_t cost) {
  const auto fits_from = [&](std::uint64_t last, std::int64_t free) {  // elapsed time from which `last` leaves room
    const auto reach = wide{free} * per / static_cast<wide>(last);
    return reach >= per ? std::int64_t{0} : static_cast<std::int64_t>(per - reach);
  };
  const auto free_now = std::int64_t{limit} - static_cast<std::int64_t>(w.current) - std::int64_t{cost};
  if (free_now >= 0 && w.last > 0) return duration{fits_from(w.last, free_now) - elapsed};
  const auto free_next = std::int64_t{limit} - std::int64_t{cost};
  const auto in_next = w.current == 0 ? 0 : fits_from(w.current, free_next);
  return duration{per - elapsed + in_next};
}

verdict_and_state sliding(std::uint64_t state, std::int64_t per, std::uint32_t limit, std::uint32_t cost,
                          std::int64_t now) {
  auto w = window_state::unpack(state).at(static_cast<std::uint64_t>(now / per));
  const auto elapsed = now % per;
  const auto used =
      wide{static_cast<std::int64_t>(w.last)} * (per - elapsed) + wide{static_cast<std::int64_t>(w.current)} * per;
  const auto room = wide{limit} * per - used;
  if (wide{cost} * per <= room) {
    w.current += cost;
    return {{true, to_count((room - wide{cost} * per) / per), {}}, w.pack()};
  }
  return {{false, to_count(room / per), cost > limit ? never : window_wait(w, elapsed, per, limit, cost)}, state};
}

verdict_and_state bucket(std::uint64_t state, std::int64_t per, std::uint32_t limit, std::uint32_t burst,
                         std::uint32_t cost, std::int64_t now) {
  auto b = bucket_state::unpack(state).at(static_cast<std::uint32_t>(now / per), limit);
  const auto left = burst > b.used ? burst - b.used : 0;
  if (cost <= left) {
    b.used += cost;
    return {{true, left - cost, {}}, b.pack()};
  }
  if (cost > burst) return {{false, left, never}, state};
  const auto fills = round_up(std::int64_t{cost} - left, limit);
  return {{false, left, duration{fills * per - now % per}}, state};
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
      return to_step(sliding(state, s.per, s.limit, cost, now));
    case rate_algorithm::token_bucket:
      return to_step(bucket(state, s.per, s.limit, s.burst, cost, now));
  }
  return {};
}

rate_decision rate_limiter_core::take(std::uint32_t cost, steady_time now) noexcept {
  auto state = state_.load(std::memory_order_relaxed);
  for (;;) {
    const auto s = decide(state, cost, now.time_since_epoch().count());
    if (!s.decision.allowed || state_.compare_exchange_weak(state, s.next, std::memory_order_relaxed))
      return s.decision;
  }
}

rate_decision rate_limiter_core::look(std::uint32_t cost, steady_time now) const noexcept {
  return decide(state_.load(std::memory_order_relaxed), cost, now.time_since_epoch().count()).decision;
}

bool rate_limiter_core::idle(steady_time now) const noexcept {
  const auto s = current();
  const auto at = now.time_since_epoch().count();
  const auto state = state_.load(std::memory_order_relaxed);
  switch (algorithm_) {
    case rate_algorithm::gcra:
      return static_cast<std::int64_t>(state) <= at;
    case rate_algorithm::sliding_window: {
      const auto w = window_state::unpack(state).at(static_cast<std::uint64_t>(at / s.per));
      return w.last == 0 && w.current == 0;
    }
    case rate_algorithm::token_bucket:
      return bucket_state::unpack(state).at(static_cast<std::uint32_t>(at / s.per), s.limit).used == 0;
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
  auto state = state_.load();
  for (;;) {
    auto next = state;
    if (algorithm_ == rate_algorithm::gcra) {  // the same number of requests ahead of time, at the new pace
      const auto ahead = std::max<std::int64_t>(0, static_cast<std::int64_t>(state) - at);
      next = static_cast<std::uint64_t>(at + static_cast<std::int64_t>(wide{ahead} * fresh.interval / old.interval));
    } else if (algorithm_ == rate_algorithm::sliding_window && fresh.per != old.per) {
      auto w = window_state::unpack(state).at(static_cast<std::uint64_t>(at / old.per));
      w.index = static_cast<std::uint64_t>(at / fresh.per) & window_state::index_mask;
      next = w.pack();
    } else if (algorithm_ == rate_algorithm::token_bucket) {
      auto b = bucket_state::unpack(state).at(static_cast<std::uint32_t>(at / old.per), old.limit);
      b.fill = static_cast<std::uint32_t>(at / fresh.per);
      next = b.pack();
    }
    if (state_.compare_exchange_weak(state, next)) return;
  }
}

}  // namespace weft::resilience
