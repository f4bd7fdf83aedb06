#pragma once
// Waiting for one another on one loop: event, semaphore, channel. None of them is for several threads; all of them
// wake in the order of arrival, through the loop's ready queue, and let a waiter leave when its context ends.
#include <weft/runtime/loop.hpp>

#include <deque>
#include <limits>
#include <optional>

namespace weft {

namespace detail {

// A list of waiting operations; each leaves it when it is destroyed.
class waiter_list;
class waiter {
 public:
  waiter() = default;
  waiter(const waiter&) = delete;
  waiter& operator=(const waiter&) = delete;
  [[nodiscard]] bool linked() const noexcept { return list_ != nullptr; }
  void unlink() noexcept;

 protected:
  ~waiter() { unlink(); }

 private:
  friend class waiter_list;
  waiter_list* list_ = nullptr;
  waiter *next_ = nullptr, *previous_ = nullptr;
};

class waiter_list {
 public:
  waiter_list() = default;
  waiter_list(const waiter_list&) = delete;
  waiter_list& operator=(const waiter_list&) = delete;
  ~waiter_list() {
    while (first_ != nullptr) remove(*first_);
  }
  [[nodiscard]] bool empty() const noexcept { return first_ == nullptr; }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] waiter* front() const noexcept { return first_; }
  void push(waiter& w) noexcept {
    w.list_ = this;
    w.next_ = nullptr;
    w.previous_ = last_;
    (last_ != nullptr ? last_->next_ : first_) = &w;
    last_ = &w;
    ++size_;
  }
  void remove(waiter& w) noexcept {
    (w.previous_ != nullptr ? w.previous_->next_ : first_) = w.next_;
    (w.next_ != nullptr ? w.next_->previous_ : last_) = w.previous_;
    w.list_ = nullptr;
    --size_;
  }

 private:
  waiter *first_ = nullptr, *last_ = nullptr;
  std::size_t size_ = 0;
};

inline void waiter::unlink() noexcept {
  if (list_ != nullptr) list_->remove(*this);
}

}  // namespace detail

// An operation that waits in a list until it is granted, or its context ends.
class [[nodiscard]] wait_operation final : public detail::waiter, timer_node, cancel_callback {
 public:
  wait_operation(loop& l, const context& ctx, detail::waiter_list& list, bool granted) noexcept
      : loop_{l}, context_{ctx}, list_{list}, granted_{granted} {}

  bool await_ready() {
    if (granted_) return true;
    outcome_ = context_.check(loop_.now());
    return !outcome_.has_value();
  }
  void await_suspend(std::coroutine_handle<> frame) {
    resume_.set(frame);
    list_.push(*this);
    if (context_.has_deadline()) loop_.arm(*this, context_.deadline());
    watch(context_.cancellation());
  }
  result<> await_resume() { return std::move(outcome_); }

  // For the owner of the list: ends the wait with success. The waiter has left the list.
  void grant() noexcept {
    unlink();
    disarm();
    unwatch();
    loop_.schedule(resume_);
  }
  [[nodiscard]] const context& waiting_context() const noexcept { return context_; }

 private:
  void give_up(errc reason, std::string_view why) {
    unlink();
    disarm();
    unwatch();
    outcome_ = fail(reason, why);
    loop_.schedule(resume_);
  }
  void expire() override { give_up(errc::deadline_exceeded, "the deadline passed while waiting"); }
  void cancelled(errc reason) override { give_up(reason, "cancelled while waiting"); }

  loop& loop_;
  context context_;
  detail::waiter_list& list_;
  bool granted_;
  result<> outcome_;
  resume_node resume_;
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
    for (auto waiting = waiters_.size(); waiting > 0; --waiting)
      static_cast<wait_operation*>(waiters_.front())->grant();
  }
  wait_operation wait(const context& ctx) noexcept { return {loop_, ctx, waiters_, set_}; }

 private:
  loop& loop_;
  detail::waiter_list waiters_;
  bool set_ = false;
};

// A number of permits; acquire() takes one, in the order of arrival.
class semaphore {
 public:
  semaphore(loop& l, std::size_t permits) : loop_{l}, permits_{permits} {}
  [[nodiscard]] std::size_t available() const noexcept { return permits_; }
  [[nodiscard]] std::size_t waiting() const noexcept { return waiters_.size(); }
  [[nodiscard]] bool try_acquire() noexcept {
    if (permits_ == 0 || !waiters_.empty()) return false;
    --permits_;
    return true;
  }
  // A permit that was granted to an operation which is then destroyed before it ran is lost with it: destroy waiting
  // tasks by cancelling them.
  wait_operation acquire(const context& ctx) noexcept { return {loop_, ctx, waiters_, try_acquire()}; }
  void release() noexcept {
    if (waiters_.empty())
      ++permits_;
    else
      static_cast<wait_operation*>(waiters_.front())->grant();
  }

 private:
  loop& loop_;
  std::size_t permits_;
  detail::waiter_list waiters_;
};

// A bounded queue of values between tasks.
template <class T>
class channel {
 public:
  channel(loop& l, std::size_t capacity) : capacity_{capacity}, readable_{l}, writable_{l} { writable_.set(); }

  // errc::failed_precondition once the channel is closed.
  task<result<>> push(context ctx, T value) {
    for (;;) {
      if (closed_) co_return fail(errc::failed_precondition, "the channel is closed");
      if (queue_.size() < capacity_) break;
      writable_.reset();
      WEFT_CO_TRY_VOID(co_await writable_.wait(ctx));
    }
    queue_.push_back(std::move(value));
    readable_.set();
    co_return result<>{};
  }
  [[nodiscard]] bool try_push(T value) {
    if (closed_ || queue_.size() >= capacity_) return false;
    queue_.push_back(std::move(value));
    readable_.set();
    return true;
  }
  // The oldest value; nullopt once the channel is closed and empty.
  task<result<std::optional<T>>> pop(context ctx) {
    while (queue_.empty()) {
      if (closed_) co_return std::nullopt;
      readable_.reset();
      WEFT_CO_TRY_VOID(co_await readable_.wait(ctx));
    }
    co_return try_pop();
  }
  [[nodiscard]] std::optional<T> try_pop() {
    if (queue_.empty()) return std::nullopt;
    std::optional<T> value{std::move(queue_.front())};
    queue_.pop_front();
    writable_.set();
    return value;
  }
  // What is in it can still be taken.
  void close() noexcept {
    closed_ = true;
    readable_.set();
    writable_.set();
  }
  [[nodiscard]] std::size_t size() const noexcept { return queue_.size(); }
  [[nodiscard]] bool closed() const noexcept { return closed_; }

 private:
  std::size_t capacity_;
  std::deque<T> queue_;
  event readable_, writable_;
  bool closed_ = false;
};

}  // namespace weft
