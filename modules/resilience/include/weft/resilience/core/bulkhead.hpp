#pragma once
// So many calls at once, so many waiting, and a limit on the wait.
//
//     bulkhead_core cabins{{.max_concurrent = 64, .max_queued = 16}};
//     switch (cabins.enter(waiter, now)) {
//       case bulkhead_core::entry::admitted: break;      // it may go on
//       case bulkhead_core::entry::queued: break;        // the waiter is told
//       case bulkhead_core::entry::full: break;          // refused
//     }
//     ...
//     cabins.leave(now);
//
// Waiters are served in the order of arrival. One whose time has passed is dropped before a permit is granted, so that
// no permit goes to a call that nobody waits for. From any thread: admission and leaving cost one compare-and-swap
// while nobody waits; the queue is under a spin lock.
#include <weft/resilience/core/spin_lock.hpp>
#include <weft/resilience/policies.hpp>

#include <atomic>

namespace weft::resilience {

// A place in the queue. Told once, under the bulkhead's lock and on the thread of whoever left: it may only take note
// and wake its owner.
class bulkhead_waiter {
 public:
  bulkhead_waiter() = default;
  bulkhead_waiter(const bulkhead_waiter&) = delete;
  bulkhead_waiter& operator=(const bulkhead_waiter&) = delete;
  virtual void granted() = 0;  // it holds a permit from now on
  virtual void dropped() = 0;  // its time had passed

  steady_time deadline = steady_time::max();  // set before it enters; at this time it is too late

 protected:
  ~bulkhead_waiter() = default;  // not while it waits: call bulkhead_core::give_up() before

 private:
  friend class bulkhead_core;
  bulkhead_waiter *next_ = nullptr, *previous_ = nullptr;
  bool waiting_ = false;
};

class bulkhead_core {
 public:
  enum class entry : std::uint8_t { admitted, queued, full };

  explicit bulkhead_core(const bulkhead& options);
  bulkhead_core(const bulkhead_core&) = delete;
  bulkhead_core& operator=(const bulkhead_core&) = delete;

  [[nodiscard]] bool try_enter() noexcept;
  // When queued, `waiter` stays in place until it is told, or gives up.
  [[nodiscard]] entry enter(bulkhead_waiter& waiter, steady_time now);
  void leave(steady_time now);
  // Leaves the queue; false when it had been granted or dropped meanwhile.
  bool give_up(bulkhead_waiter& waiter);

  [[nodiscard]] std::uint32_t in_flight() const noexcept { return in_flight_of(state_.load()); }
  [[nodiscard]] std::uint32_t queued() const noexcept { return queued_of(state_.load()); }
  [[nodiscard]] std::uint32_t max_concurrent() const noexcept {
    return max_concurrent_.load(std::memory_order_relaxed);
  }
  [[nodiscard]] std::uint32_t max_queued() const noexcept { return max_queued_.load(std::memory_order_relaxed); }
  [[nodiscard]] duration queue_timeout() const noexcept {
    return duration{queue_timeout_.load(std::memory_order_relaxed)};
  }
  // Calls that are inside stay inside; a higher limit admits waiters as calls leave.
  void configure(const bulkhead& options);

 private:
  static constexpr std::uint64_t one_queued = std::uint64_t{1} << 32;
  static std::uint32_t in_flight_of(std::uint64_t s) noexcept { return static_cast<std::uint32_t>(s); }
  static std::uint32_t queued_of(std::uint64_t s) noexcept { return static_cast<std::uint32_t>(s >> 32); }
  void push(bulkhead_waiter& w) noexcept;
  void remove(bulkhead_waiter& w) noexcept;
  void drop_expired(steady_time now);

  std::atomic<std::uint32_t> max_concurrent_, max_queued_;
  std::atomic<duration::rep> queue_timeout_;
  alignas(64) std::atomic<std::uint64_t> state_{0};  // waiting above, inside below
  spin_lock lock_;                                   // the list
  bulkhead_waiter *first_ = nullptr, *last_ = nullptr;
};

}  // namespace weft::resilience
