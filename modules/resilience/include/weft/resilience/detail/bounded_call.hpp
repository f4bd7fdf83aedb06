#pragma once
// Awaits a task until a deadline. A task that honours its context ends by itself at that moment, and says what it was
// doing; one that is still suspended some turns later is destroyed, so that no operation holds a call beyond its
// deadline. A task that never suspends costs no timer.
#include <weft/runtime/loop.hpp>

#include <coroutine>
#include <optional>

namespace weft::resilience::detail {

// Fires after the deadline, and then after so many rounds of the ready queue.
class late_guard : timer_node, ready_node {
 public:
  late_guard(loop& l, steady_time deadline) noexcept : loop_{l}, deadline_{deadline} {}

 protected:
  ~late_guard() = default;
  void watch() { loop_.arm(*this, deadline_); }
  void unwatch() noexcept {
    disarm();
    unschedule();
  }
  virtual void too_late() = 0;
  loop& loop_;

 private:
  static constexpr int grace_rounds = 16;
  void expire() override { loop_.schedule(*this); }
  void run() override;
  steady_time deadline_;
  int rounds_ = 0;
};

// The task's value; nothing when it had to be destroyed. One coroutine's `co_await` at a time.
template <class T>
class [[nodiscard]] bounded_call final : late_guard {
 public:
  bounded_call(loop& l, steady_time deadline, task<T> work) noexcept
      : late_guard{l, deadline}, work_{std::move(work)} {}

  bool await_ready() const noexcept { return false; }
  bool await_suspend(std::coroutine_handle<> caller) {
    inner_.emplace(std::move(work_).operator co_await());
    const auto frame = inner_->await_suspend(std::noop_coroutine());
    frame.resume();
    if (frame.done()) return false;
    static_cast<void>(inner_->await_suspend(caller));
    resume_.set(caller);
    watch();
    return true;
  }
  std::optional<T> await_resume() {
    unwatch();
    if (destroyed_) return std::nullopt;
    return inner_->await_resume();
  }

 private:
  void too_late() override {
    destroyed_ = true;
    work_ = task<T>{};
    loop_.schedule(resume_);
  }

  task<T> work_;
  std::optional<decltype(std::declval<task<T>&&>().operator co_await())> inner_;
  resume_node resume_;
  bool destroyed_ = false;
};

}  // namespace weft::resilience::detail
