#pragma once
// Arithmetic on times and durations that knows "never": duration::max() and time_point::max() mean "without limit" all
// over weft, and adding to them must not wrap round into the past.
//
//     loop.arm(timer, later(loop.now(), options.idle_timeout));   // idle_timeout may be duration::max()
//
// A style test holds that times of clocks are added up with these functions only.
#include <chrono>
#include <limits>

namespace weft {

// a + b; what does not fit is the type's max() or min().
template <class Rep, class Period>
[[nodiscard]] constexpr std::chrono::duration<Rep, Period> saturating_add(
    std::chrono::duration<Rep, Period> a, std::chrono::duration<Rep, Period> b) noexcept {
  using unit = std::chrono::duration<Rep, Period>;
  if (b.count() > 0 && a.count() > unit::max().count() - b.count()) return unit::max();
  if (b.count() < 0 && a.count() < unit::min().count() - b.count()) return unit::min();
  return unit{a.count() + b.count()};
}

// d * factor, for any factor, in the type's range. Not a number counts as 0.
template <class Rep, class Period>
[[nodiscard]] constexpr std::chrono::duration<Rep, Period> saturating_multiply(std::chrono::duration<Rep, Period> d,
                                                                               double factor) noexcept {
  using unit = std::chrono::duration<Rep, Period>;
  const auto product = static_cast<double>(d.count()) * factor;
  if (product != product) return unit::zero();
  if (product >= static_cast<double>(unit::max().count())) return unit::max();
  if (product <= static_cast<double>(unit::min().count())) return unit::min();
  return unit{static_cast<Rep>(product)};
}

// `d` in another unit, rounded towards zero; a value beyond the unit's range is its max() or min().
template <class To, class Rep, class Period>
[[nodiscard]] constexpr To saturating_cast(std::chrono::duration<Rep, Period> d) noexcept {
  using ratio = std::ratio_divide<Period, typename To::period>;
  const auto whole = static_cast<__int128>(d.count()) * ratio::num / ratio::den;
  if (whole > static_cast<__int128>(To::max().count())) return To::max();
  if (whole < static_cast<__int128>(To::min().count())) return To::min();
  return To{static_cast<typename To::rep>(whole)};
}

// `after` from `now`. A time that is "never" already stays so, and so does what would lie beyond it.
template <class Clock, class Duration, class Rep, class Period>
[[nodiscard]] constexpr std::chrono::time_point<Clock, Duration> later(
    std::chrono::time_point<Clock, Duration> now, std::chrono::duration<Rep, Period> after) noexcept {
  using time_point = std::chrono::time_point<Clock, Duration>;
  if (now == time_point::max() || now == time_point::min()) return now;
  return time_point{saturating_add(now.time_since_epoch(), saturating_cast<Duration>(after))};
}

// The time from `from` to `to`: duration::max() to "never", duration::min() from it.
template <class Clock, class Duration>
[[nodiscard]] constexpr Duration time_between(std::chrono::time_point<Clock, Duration> from,
                                              std::chrono::time_point<Clock, Duration> to) noexcept {
  using time_point = std::chrono::time_point<Clock, Duration>;
  if (to == time_point::max() || from == time_point::min()) return Duration::max();
  if (from == time_point::max() || to == time_point::min()) return Duration::min();
  return saturating_add(to.time_since_epoch(), -from.time_since_epoch());
}

}  // namespace weft
