#pragma once
// Waiting for one another on one loop: event, semaphore, channel. None of them is for several threads; all of them
// wake in the order of arrival, through the loop's ready queue, and let a waiter leave when its context ends.
#include <weft/runtime/wait_queue.hpp>

#include <deque>
#include <optional>
#include <utility>

namespace weft {

// Waits for an event.
class [[nodiscard]] wait_operation final : public detail::waiting_operation {
 public:
  wait_operation(loop& l, const context& ctx, detail::waiting_list& list, bool ready) noexcept
      : detail::waiting_operation{l, ctx, list}, ready_{ready} {}
  bool await_ready() { return ready_ || context_ended(); }
  WEFT_NODISCARD_RESULT result<> await_resume() { return std::move(outcome_); }

 private:
  friend class event;
  bool ready_;
};

// Set once or often; waiters pass while it is set.
class event {
 public:
  explicit event(loop& l) : loop_{l} {}
  [[nodiscard]] bool is_set() const noexcept { return set_; }
  void set() noexcept {
    set_ = true;
    pulse();
  }
  void reset() noexcept { set_ = false; }
  // Wakes who waits now, and leaves the event as it is.
  void pulse() noexcept {
    for (auto waiting = waiters_.size(); waiting > 0; --waiting) static_cast<wait_operation*>(waiters_.front())->wake();
  }
  wait_operation wait(const context& ctx) noexcept { return {loop_, ctx, waiters_, set_}; }

 private:
  loop& loop_;
  detail::waiting_list waiters_;
  bool set_ = false;
};

class semaphore;
namespace detail {
class semaphore_permit {
 public:
  explicit semaphore_permit(semaphore& s) noexcept : of_{&s} {}
  semaphore_permit(semaphore_permit&& other) noexcept : of_{std::exchange(other.of_, nullptr)} {}
  semaphore_permit& operator=(semaphore_permit&&) = delete;
  ~semaphore_permit();
  void keep() noexcept { of_ = nullptr; }

 private:
  semaphore* of_;
};
}  // namespace detail

// A number of permits; acquire() takes one, in the order of arrival. A permit that was granted to a waiter which is
// then destroyed before it ran goes to the next. Nobody overtakes who waits.
//
//     WEFT_CO_TRY_VOID(co_await places.acquire(ctx));
//     ...
//     places.release();
class semaphore {
 public:
  semaphore(loop& l, std::size_t permits) : permits_{permits}, waiters_{l} {}
  [[nodiscard]] std::size_t available() const noexcept { return permits_; }
  [[nodiscard]] std::size_t waiting() const noexcept { return waiters_.size(); }
  [[nodiscard]] bool try_acquire() noexcept {
    if (permits_ == 0) return false;
    --permits_;
    return true;
  }

  class [[nodiscard]] acquire_operation final : public wait_queue<detail::semaphore_permit>::operation {
   public:
    acquire_operation(semaphore& s, const context& ctx) noexcept
        : operation{s.waiters_, ctx, s.try_acquire() ? std::optional<detail::semaphore_permit>{s} : std::nullopt} {}
    WEFT_NODISCARD_RESULT result<> await_resume() {
      auto got = operation::await_resume();
      if (!got) return fail(std::move(got).error());
      got->keep();
      return {};
    }
  };
  acquire_operation acquire(const context& ctx) noexcept { return {*this, ctx}; }
  void release() noexcept {
    detail::semaphore_permit free{*this};
    if (waiters_.grant(free)) return;
    free.keep();
    ++permits_;
  }

 private:
  std::size_t permits_;  // none while anyone waits
  wait_queue<detail::semaphore_permit> waiters_;
};

inline detail::semaphore_permit::~semaphore_permit() {
  if (of_ != nullptr) of_->release();
}

// A bounded queue of values between tasks. Values go to those who wait in the order in which they came.
template <class T>
class channel {
 public:
  channel(loop& l, std::size_t capacity) : room_{l, capacity}, values_{l, 0} {}

  // errc::failed_precondition once the channel is closed.
  task<result<>> push(context ctx, T value) {
    if (closed_) co_return closed_already();
    WEFT_CO_TRY_VOID(co_await room_.acquire(ctx));
    if (closed_) co_return closed_already();
    put(std::move(value));
    co_return result<>{};
  }
  [[nodiscard]] bool try_push(T value) {
    if (closed_ || !room_.try_acquire()) return false;
    put(std::move(value));
    return true;
  }
  // The oldest value; nullopt once the channel is closed and empty.
  task<result<std::optional<T>>> pop(context ctx) {
    if (!values_.try_acquire()) {
      if (closed_) co_return std::nullopt;
      WEFT_CO_TRY_VOID(co_await values_.acquire(ctx));
    }
    co_return take();
  }
  [[nodiscard]] std::optional<T> try_pop() {
    if (!values_.try_acquire()) return std::nullopt;
    return take();
  }
  // What is in it can still be taken.
  void close() noexcept {
    closed_ = true;
    while (values_.waiting() > 0) values_.release();
    while (room_.waiting() > 0) room_.release();
  }
  [[nodiscard]] std::size_t size() const noexcept { return queue_.size(); }
  [[nodiscard]] bool closed() const noexcept { return closed_; }

 private:
  static std::unexpected<error> closed_already() { return fail(errc::failed_precondition, "the channel is closed"); }
  void put(T value) {
    queue_.push_back(std::move(value));
    values_.release();
  }
  // Empty only for whom close() woke.
  std::optional<T> take() {
    if (queue_.empty()) return std::nullopt;
    std::optional<T> value{std::move(queue_.front())};
    queue_.pop_front();
    room_.release();
    return value;
  }

  std::deque<T> queue_;
  semaphore room_, values_;
  bool closed_ = false;
};

}  // namespace weft
