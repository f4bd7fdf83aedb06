#include <weft/base/saturating.hpp>
#include <weft/resilience/core/breaker.hpp>
#include <weft/resilience/lint.hpp>
#include <weft/runtime/backoff.hpp>
#include <weft/runtime/guarded.hpp>

#include "text.hpp"

#include <algorithm>
#include <cmath>

namespace weft::resilience {

namespace {
// Whether part/whole >= ratio, exactly for ratios that are written with up to six digits.
bool reaches(std::uint32_t part, std::uint32_t whole, double ratio) {
  constexpr double millionths = 1e6;
  const auto wanted = static_cast<std::uint64_t>(std::llround(ratio * millionths));
  return std::uint64_t{part} * static_cast<std::uint64_t>(millionths) >= wanted * whole;
}
}  // namespace

std::string_view to_string(breaker_state s) noexcept {
  switch (s) {
    case breaker_state::closed:
      return "closed";
    case breaker_state::open:
      return "open";
    case breaker_state::half_open:
      return "half_open";
    case breaker_state::isolated:
      return "isolated";
  }
  return "unknown";
}

std::string breaker_cause::describe() const {
  const auto share = std::to_string(part) + " of " + std::to_string(whole);
  const auto where = [&] { return window == duration::zero() ? std::string{" calls"} : " in " + text::of(window); };
  switch (why) {
    case kind::none:
      return {};
    case kind::failure_ratio:
      return window == duration::zero() ? share + " calls failed" : share + " failed" + where();
    case kind::slow_ratio:
      return (window == duration::zero() ? share + " calls" : share) + " took " + text::of(slow_after) + " or more" +
             (window == duration::zero() ? "" : where());
    case kind::consecutive:
      return std::to_string(part) + " failed in a row";
    case kind::probes_failed:
      return share + " probes failed";
    case kind::probes_passed:
      return share + " probes passed";
    case kind::break_over:
      return "its break of " + text::of(window) + " is over";
    case kind::by_hand:
      return "by hand";
  }
  return {};
}

breaker_core::window::window(const circuit_breaker& options)
    : width{options.window_calls > 0 ? duration::zero() : options.window} {
  if (options.window_calls > 0)
    by_count = std::make_unique<count_window>(options.window_calls);
  else
    by_time = std::make_unique<time_window>(options.window);
}

call_totals breaker_core::window::totals(steady_time now) const {
  return by_count ? by_count->totals() : by_time->totals(by_time->slot_of(now));
}

breaker_core::breaker_core(const circuit_breaker& options, std::string name)
    : name_{std::move(name)}, options_{checked(options, "circuit_breaker")} {
  windows_.push_back(std::make_unique<window>(options));
  window_.store(windows_.back().get());
  slow_after_.store(options.slow_after.count());
  consecutive_limit_.store(options.consecutive_failures);
  minimum_.store(options.minimum_throughput);
}

void breaker_core::configure(const circuit_breaker& options) {
  static_cast<void>(checked(options, "circuit_breaker"));
  const spin_lock::guard held{lock_};
  if (options.window != options_.window || options.window_calls != options_.window_calls) {
    windows_.push_back(std::make_unique<window>(options));
    window_.store(windows_.back().get(), std::memory_order_release);
    last_bad_slot_.store(no_slot);
    last_judged_slot_.store(no_slot);
  }
  options_ = options;
  slow_after_.store(options.slow_after.count());
  consecutive_limit_.store(options.consecutive_failures);
  minimum_.store(options.minimum_throughput);
}

void breaker_core::record(permit p, verdict v, duration latency, steady_time now, rng& random) {
  if (p.kind == permit_kind::counted) [[likely]] {
    if (v != verdict::ignored) record_counted(p.epoch, v, latency, now, random);
  } else if (p.kind == permit_kind::probe) {
    record_probe(p, v, latency, now, &random);
  }
}

void breaker_core::record_counted(std::uint32_t epoch, verdict v, duration latency, steady_time now, rng& random) {
  if (epoch_of(word_.load(std::memory_order_acquire)) != epoch) return;
  const auto slow_after = slow_after_.load(std::memory_order_relaxed);
  const bool failed = v == verdict::failure, slow = slow_after > 0 && latency.count() >= slow_after;
  auto& w = *window_.load(std::memory_order_acquire);
  std::uint64_t slot = 0;
  if (w.by_time) {
    slot = w.by_time->slot_of(now);
    w.by_time->add(slot, failed, slow);
  } else {
    w.by_count->add(failed, slow);
  }
  std::uint32_t in_a_row = 0;
  if (failed)
    in_a_row = in_a_row_.fetch_add(1, std::memory_order_relaxed) + 1;
  else if (in_a_row_.load(std::memory_order_relaxed) != 0)
    in_a_row_.store(0, std::memory_order_relaxed);
  if (failed || slow) last_bad_slot_.store(slot, std::memory_order_relaxed);
  if (worth_judging(failed || slow, slot)) judge(epoch, in_a_row, now, random);
}

// A good call can only trip a breaker that lacked calls to judge by, or whose older good calls have just left the
// window, and only while there are bad calls in it.
bool breaker_core::worth_judging(bool bad, std::uint64_t slot) const noexcept {
  if (bad) return true;
  const auto last_bad = last_bad_slot_.load(std::memory_order_relaxed);
  if (last_bad == no_slot || slot - last_bad >= time_window::steps) [[likely]]
    return false;
  return last_judged_slot_.load(std::memory_order_relaxed) != slot ||
         last_total_.load(std::memory_order_relaxed) < minimum_.load(std::memory_order_relaxed) ||
         window_.load(std::memory_order_relaxed)->by_count;
}

void breaker_core::judge(std::uint32_t epoch, std::uint32_t in_a_row, steady_time now, rng& random) {
  auto& w = *window_.load(std::memory_order_acquire);
  const auto seen = w.totals(now);
  if (w.by_time) last_judged_slot_.store(w.by_time->slot_of(now), std::memory_order_relaxed);
  last_total_.store(seen.calls, std::memory_order_relaxed);
  const auto limit = consecutive_limit_.load(std::memory_order_relaxed);
  const bool row_is_full = limit > 0 && in_a_row >= limit;
  if (!row_is_full && seen.calls < minimum_.load(std::memory_order_relaxed)) return;
  std::optional<breaker_event> told;
  {
    const spin_lock::guard held{lock_};
    const auto word = word_.load(std::memory_order_relaxed);
    if (epoch_of(word) != epoch || state_of(word) != breaker_state::closed) return;
    const auto why = verdict_on(seen, in_a_row, w);
    if (why.why == breaker_cause::kind::none) return;
    trip(why, now, &random, told);
  }
  tell(told);
}

breaker_cause breaker_core::verdict_on(const call_totals& seen, std::uint32_t in_a_row, const window& w) const {
  using kind = breaker_cause::kind;
  const auto& o = options_;
  if (o.consecutive_failures > 0 && in_a_row >= o.consecutive_failures)
    return {.why = kind::consecutive, .part = in_a_row, .whole = in_a_row};
  if (seen.calls < o.minimum_throughput) return {};
  if (o.failure_ratio > 0 && reaches(seen.failed, seen.calls, o.failure_ratio))
    return {.why = kind::failure_ratio, .part = seen.failed, .whole = seen.calls, .window = w.width};
  if (o.slow_after > duration::zero() && reaches(seen.slow, seen.calls, o.slow_ratio))
    return {
        .why = kind::slow_ratio, .part = seen.slow, .whole = seen.calls, .window = w.width, .slow_after = o.slow_after};
  return {};
}

breaker_core::permit breaker_core::acquire_slowly(steady_time now) {
  if (state() == breaker_state::open && now.time_since_epoch().count() < open_until_.load(std::memory_order_relaxed))
    return {};
  std::optional<breaker_event> told, concluded;
  permit given;
  {
    const spin_lock::guard held{lock_};
    auto word = word_.load(std::memory_order_relaxed);
    if (state_of(word) == breaker_state::open && now.time_since_epoch().count() >= open_until_.load()) {
      enter(breaker_state::half_open, {.why = breaker_cause::kind::break_over, .window = options_.break_for}, now,
            told);
    }
    if (state_of(word_.load()) == breaker_state::half_open) {
      fail_overdue_probes(now);
      conclude_probes(now, nullptr, concluded);
    }
    word = word_.load(std::memory_order_relaxed);
    if (state_of(word) == breaker_state::closed) {
      given = {epoch_of(word), permit_kind::counted, 0};
    } else if (state_of(word) == breaker_state::half_open && probes_counted_ + probes_under_way_ < options_.probes) {
      for (std::uint8_t slot = 0; slot < most_probes; ++slot) {
        if (probes_[slot].phase != probe::phase::unused) continue;
        probes_[slot] = {probe::phase::under_way, later(now, options_.probe_timeout)};
        ++probes_under_way_;
        given = {epoch_of(word), permit_kind::probe, slot};
        break;
      }
    }
  }
  tell(told);
  tell(concluded);
  return given;
}

void breaker_core::record_probe(permit p, verdict v, duration latency, steady_time now, rng* random) {
  std::optional<breaker_event> told;
  {
    const spin_lock::guard held{lock_};
    const auto word = word_.load(std::memory_order_relaxed);
    if (epoch_of(word) != p.epoch || state_of(word) != breaker_state::half_open) return;
    fail_overdue_probes(now);
    auto& mine = probes_[p.slot];
    if (mine.phase == probe::phase::under_way) {
      --probes_under_way_;
      if (v == verdict::ignored) {
        mine.phase = probe::phase::unused;
      } else {
        mine.phase = probe::phase::counted;
        ++probes_counted_;
        if (v == verdict::failure) ++probe_failures_;
        if (options_.slow_after > duration::zero() && latency >= options_.slow_after) ++probe_slows_;
      }
    }
    conclude_probes(now, random, told);
  }
  tell(told);
}

void breaker_core::fail_overdue_probes(steady_time now) {
  for (auto& p : probes_) {
    if (p.phase != probe::phase::under_way || now <= p.deadline) continue;
    p.phase = probe::phase::counted;
    --probes_under_way_;
    ++probes_counted_;
    ++probe_failures_;
  }
}

// Opens again as soon as the probes that are still to come cannot save it.
void breaker_core::conclude_probes(steady_time now, rng* random, std::optional<breaker_event>& told) {
  if (state_of(word_.load(std::memory_order_relaxed)) != breaker_state::half_open) return;
  const auto& o = options_;
  const bool failed =
      probe_failures_ > 0 && (o.failure_ratio <= 0 || reaches(probe_failures_, o.probes, o.failure_ratio));
  const bool slow = probe_slows_ > 0 && reaches(probe_slows_, o.probes, o.slow_ratio);
  if (failed)
    trip({.why = breaker_cause::kind::probes_failed, .part = probe_failures_, .whole = o.probes}, now, random, told);
  else if (slow)
    trip({.why = breaker_cause::kind::slow_ratio, .part = probe_slows_, .whole = o.probes, .slow_after = o.slow_after},
         now, random, told);
  else if (probes_counted_ >= o.probes)
    enter(breaker_state::closed,
          {.why = breaker_cause::kind::probes_passed, .part = o.probes - probe_failures_, .whole = o.probes}, now,
          told);
}

void breaker_core::trip(breaker_cause why, steady_time now, rng* random, std::optional<breaker_event>& told) {
  const auto longest = std::max(options_.max_break_for, options_.break_for);
  auto pause = weft::backoff_delay(
      {.initial = options_.break_for, .max = longest, .multiplier = options_.break_multiplier, .jitter = 0}, ++trips_,
      1.0);
  if (options_.break_jitter > 0 && random != nullptr)
    pause = std::min(saturating_multiply(pause, 1 + options_.break_jitter * (2 * random->uniform() - 1)), longest);
  open_until_.store(later(now, pause).time_since_epoch().count(), std::memory_order_relaxed);
  enter(breaker_state::open, why, now, told);
  told->until_probe = pause;
}

void breaker_core::enter(breaker_state next, breaker_cause why, steady_time now, std::optional<breaker_event>& told) {
  const auto word = word_.load(std::memory_order_relaxed);
  told = breaker_event{.name = name_, .from = state_of(word), .to = next, .cause = why, .at = now};
  // While half-open, cause_ keeps saying why it had opened.
  if (next != breaker_state::half_open) cause_ = why;
  if (next == breaker_state::closed) trips_ = 0;
  probes_.fill({});
  probe_failures_ = probe_slows_ = probes_counted_ = probes_under_way_ = 0;
  auto& w = *windows_.back();
  w.by_time ? w.by_time->clear() : w.by_count->clear();
  in_a_row_.store(0, std::memory_order_relaxed);
  last_bad_slot_.store(no_slot, std::memory_order_relaxed);
  last_judged_slot_.store(no_slot, std::memory_order_relaxed);
  last_total_.store(0, std::memory_order_relaxed);
  const auto epoch = std::uint64_t{epoch_of(word)} + 1;
  word_.store(epoch << 32 | static_cast<std::uint64_t>(next), std::memory_order_release);
}

void breaker_core::tell(const std::optional<breaker_event>& told) const {
  if (!told) return;
  std::vector<std::shared_ptr<const std::function<void(const breaker_event&)>>> watchers;
  {
    const spin_lock::guard held{lock_};
    for (const auto& w : watchers_) watchers.push_back(w.second);
  }
  // Code of others, and whoever gives a permit back cannot do anything about what it throws.
  if (listener_) static_cast<void>(guarded_call([&] { listener_(*told); }));
  for (const auto& w : watchers) static_cast<void>(guarded_call([&] { (*w)(*told); }));
}

bool breaker_core::watch(const void* who, std::function<void(const breaker_event&)> watcher) {
  auto shared = std::make_shared<const std::function<void(const breaker_event&)>>(std::move(watcher));
  const spin_lock::guard held{lock_};
  for (const auto& w : watchers_)
    if (w.first == who) return false;
  watchers_.emplace_back(who, std::move(shared));
  return true;
}

void breaker_core::unwatch(const void* who) {
  const spin_lock::guard held{lock_};
  std::erase_if(watchers_, [&](const auto& w) { return w.first == who; });
}

void breaker_core::open(steady_time now, rng& random) {
  std::optional<breaker_event> told;
  {
    const spin_lock::guard held{lock_};
    trip({.why = breaker_cause::kind::by_hand}, now, &random, told);
  }
  tell(told);
}

void breaker_core::close(steady_time now) {
  std::optional<breaker_event> told;
  {
    const spin_lock::guard held{lock_};
    enter(breaker_state::closed, {.why = breaker_cause::kind::by_hand}, now, told);
  }
  tell(told);
}

void breaker_core::isolate(steady_time now) {
  std::optional<breaker_event> told;
  {
    const spin_lock::guard held{lock_};
    enter(breaker_state::isolated, {.why = breaker_cause::kind::by_hand}, now, told);
  }
  tell(told);
}

breaker_cause breaker_core::cause() const {
  const spin_lock::guard held{lock_};
  return cause_;
}

duration breaker_core::retry_after(steady_time now) const noexcept {
  switch (state()) {
    case breaker_state::open:
      return std::max(time_between(now, steady_time{duration{open_until_.load(std::memory_order_relaxed)}}),
                      duration::zero());
    case breaker_state::isolated:
      return duration::max();
    default:
      return duration::zero();
  }
}

call_totals breaker_core::totals(steady_time now) const { return window_.load()->totals(now); }
duration breaker_core::probe_timeout() const {
  const spin_lock::guard held{lock_};
  return options_.probe_timeout;
}
circuit_breaker breaker_core::options() const {
  const spin_lock::guard held{lock_};
  return options_;
}

}  // namespace weft::resilience
