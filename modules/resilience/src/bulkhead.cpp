#include <weft/resilience/core/bulkhead.hpp>
#include <weft/resilience/lint.hpp>

namespace weft::resilience {

bulkhead_core::bulkhead_core(const bulkhead& options) { configure(options); }

void bulkhead_core::configure(const bulkhead& options) {
  static_cast<void>(checked(options, "bulkhead"));
  max_concurrent_.store(options.max_concurrent);
  max_queued_.store(options.max_queued);
  queue_timeout_.store(options.queue_timeout.count());
}

bool bulkhead_core::try_enter() noexcept {
  auto s = state_.load(std::memory_order_relaxed);
  const auto most = max_concurrent();
  while (queued_of(s) == 0 && in_flight_of(s) < most)
    if (state_.compare_exchange_weak(s, s + 1, std::memory_order_acquire, std::memory_order_relaxed)) return true;
  return false;
}

bulkhead_core::entry bulkhead_core::enter(bulkhead_waiter& waiter, steady_time now) {
  if (try_enter()) return entry::admitted;
  const spin_lock::guard held{lock_};
  drop_expired(now);
  auto s = state_.load(std::memory_order_relaxed);
  for (;;) {
    if (queued_of(s) == 0 && in_flight_of(s) < max_concurrent()) {
      if (state_.compare_exchange_weak(s, s + 1, std::memory_order_acquire)) return entry::admitted;
    } else if (queued_of(s) >= max_queued()) {
      return entry::full;
    } else if (state_.compare_exchange_weak(s, s + one_queued, std::memory_order_acq_rel)) {
      push(waiter);
      return entry::queued;
    }
  }
}

void bulkhead_core::leave(steady_time now) {
  auto s = state_.load(std::memory_order_relaxed);
  while (queued_of(s) == 0)
    if (state_.compare_exchange_weak(s, s - 1, std::memory_order_release, std::memory_order_relaxed)) return;
  // Whoever counts as waiting is in the list once we have the lock, and only lock holders change both.
  const spin_lock::guard held{lock_};
  drop_expired(now);
  s = state_.load(std::memory_order_relaxed);
  bool first = true;
  // The permit goes to the first in line; a raised limit lets more of them in, a lowered one nobody.
  while (first_ != nullptr && in_flight_of(s) <= max_concurrent() - (first ? 0 : 1)) {
    const auto next = s - one_queued + (first ? 0 : 1);
    if (!state_.compare_exchange_weak(s, next, std::memory_order_acq_rel)) continue;
    s = next;
    first = false;
    auto& w = *first_;
    remove(w);
    w.granted();
  }
  if (!first) return;
  state_.fetch_sub(1, std::memory_order_release);
}

bool bulkhead_core::give_up(bulkhead_waiter& waiter) {
  const spin_lock::guard held{lock_};
  if (!waiter.waiting_) return false;
  remove(waiter);
  state_.fetch_sub(one_queued, std::memory_order_relaxed);
  return true;
}

void bulkhead_core::push(bulkhead_waiter& w) noexcept {
  w.waiting_ = true;
  w.next_ = nullptr;
  w.previous_ = last_;
  (last_ != nullptr ? last_->next_ : first_) = &w;
  last_ = &w;
}

void bulkhead_core::remove(bulkhead_waiter& w) noexcept {
  (w.previous_ != nullptr ? w.previous_->next_ : first_) = w.next_;
  (w.next_ != nullptr ? w.next_->previous_ : last_) = w.previous_;
  w.waiting_ = false;
}

void bulkhead_core::drop_expired(steady_time now) {
  for (auto* w = first_; w != nullptr;) {
    auto* next = w->next_;
    if (w->deadline <= now) {
      remove(*w);
      state_.fetch_sub(one_queued, std::memory_order_relaxed);
      w->dropped();
    }
    w = next;
  }
}

}  // namespace weft::resilience
