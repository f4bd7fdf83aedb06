#pragma once
// weft's coroutine type. A task is lazy: it starts when awaited, runs on the thread of whoever awaits it, and gives its
// value or exception to that awaiter by symmetric transfer. Frames come from a pool.
//
//     task<result<user>> find(context ctx, std::string id);
//     auto found = co_await find(ctx, "7");
//
// A task is awaited at most once. Destroying a task that is suspended destroys its frame and all that it awaits: every
// awaitable of weft takes itself out of the loop when destroyed. To start one without awaiting it, give it to a
// task_group. Parameters are best taken by value: a reference must outlive the task, not just the call.
#include <weft/base/assert.hpp>
#include <weft/base/error.hpp>
#include <weft/runtime/frame_pool.hpp>

#include <coroutine>
#include <exception>
#include <optional>
#include <type_traits>
#include <utility>

// A result that was awaited and that nobody looks at may be a lost error: the compiler warns. Tests of weft's own,
// which see by other means, are compiled without.
#ifdef WEFT_AWAITED_RESULTS_MAY_BE_IGNORED
#define WEFT_NODISCARD_RESULT
#else
#define WEFT_NODISCARD_RESULT [[nodiscard]]
#endif

namespace weft {

template <class T = void>
class task;

namespace detail {

template <class T>
inline constexpr bool must_be_looked_at = false;
template <class T>
inline constexpr bool must_be_looked_at<result<T>> = true;

class task_promise_base {
  struct hand_over {
    bool await_ready() const noexcept { return false; }
    template <class Promise>
    std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> self) const noexcept {
      return static_cast<task_promise_base&>(self.promise()).continuation_;
    }
    void await_resume() const noexcept {}
  };

 public:
  static void* operator new(std::size_t bytes) { return frame_pool::allocate(bytes); }
  static void operator delete(void* frame, std::size_t bytes) noexcept { frame_pool::release(frame, bytes); }

  std::suspend_always initial_suspend() const noexcept { return {}; }
  hand_over final_suspend() const noexcept { return {}; }
  void unhandled_exception() noexcept { exception_ = std::current_exception(); }
  void continue_with(std::coroutine_handle<> awaiter) noexcept { continuation_ = awaiter; }

 protected:
  void rethrow() const {
    if (exception_) [[unlikely]]
      std::rethrow_exception(exception_);
  }

 private:
  std::coroutine_handle<> continuation_ = std::noop_coroutine();
  std::exception_ptr exception_;
};

template <class T>
class task_promise final : public task_promise_base {
 public:
  task<T> get_return_object() noexcept;
  template <class U>
    requires std::is_constructible_v<T, U&&>
  void return_value(U&& value) {
    value_.emplace(std::forward<U>(value));
  }
  T take() {
    rethrow();
    return *std::move(value_);
  }

 private:
  std::optional<T> value_;
};

template <>
class task_promise<void> final : public task_promise_base {
 public:
  task<void> get_return_object() noexcept;
  void return_void() const noexcept {}
  void take() const { rethrow(); }
};

}  // namespace detail

template <class T>
class [[nodiscard]] task {
 public:
  using promise_type = detail::task_promise<T>;
  using value_type = T;

  task() noexcept = default;
  explicit task(std::coroutine_handle<promise_type> frame) noexcept : frame_{frame} {}
  task(task&& other) noexcept : frame_{std::exchange(other.frame_, nullptr)} {}
  task& operator=(task&& other) noexcept {
    if (this != &other) {
      if (frame_) frame_.destroy();
      frame_ = std::exchange(other.frame_, nullptr);
    }
    return *this;
  }
  ~task() {
    if (frame_) frame_.destroy();
  }

  [[nodiscard]] explicit operator bool() const noexcept { return frame_ != nullptr; }

  auto operator co_await() && noexcept {
    struct awaiter {
      std::coroutine_handle<promise_type> frame;
      bool await_ready() const noexcept { return false; }
      std::coroutine_handle<> await_suspend(std::coroutine_handle<> caller) const noexcept {
        frame.promise().continue_with(caller);
        return frame;
      }
      T await_resume() const
        requires(!detail::must_be_looked_at<T>)
      {
        return frame.promise().take();
      }
      WEFT_NODISCARD_RESULT T await_resume() const
        requires detail::must_be_looked_at<T>
      {
        return frame.promise().take();
      }
    };
    WEFT_ASSERT(frame_, "an empty task was awaited");
    return awaiter{frame_};
  }

 private:
  std::coroutine_handle<promise_type> frame_;
};

namespace detail {
template <class T>
task<T> task_promise<T>::get_return_object() noexcept {
  return task<T>{std::coroutine_handle<task_promise>::from_promise(*this)};
}
inline task<void> task_promise<void>::get_return_object() noexcept {
  return task<void>{std::coroutine_handle<task_promise>::from_promise(*this)};
}
}  // namespace detail

}  // namespace weft
