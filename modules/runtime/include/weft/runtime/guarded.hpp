#pragma once
// Code of the user's called where an exception has nobody to go to: a task_group aborts the process when a task ends
// with one. These turn whatever is thrown, of any type, into an errc::internal error.
//
//     auto handled = co_await guarded_await(handler_, message);         // calls a coroutine function and awaits it
//     auto loaded = guarded_call([&] { return hook(settings); });        // calls a plain function
//
// Hold functions of the user's by these in whatever runs in a task_group; a style test looks for calls without them.
#include <weft/base/error.hpp>
#include <weft/runtime/task.hpp>

#include <concepts>
#include <functional>
#include <type_traits>
#include <utility>

namespace weft {

// The error for the exception that is being handled; call it inside `catch (...)`. `operation` says what was being
// done. What an std::exception says becomes the message; of other types only that something was thrown is known.
[[nodiscard]] error current_exception_error(std::string_view operation = {});

namespace detail {
template <class T>
struct as_result {
  using type = result<T>;
};
template <class T>
struct as_result<result<T>> {
  using type = result<T>;
};
template <class T>
struct task_value {};
template <class T>
struct task_value<task<T>> {
  using type = T;
};
}  // namespace detail

// Calls `function`, which gives a task, and awaits that; what either throws becomes the error. A task<T> gives
// result<T>, a task<result<T>> gives result<T> too. Await it at once: it holds references to all its arguments.
template <class F, class... Args>
[[nodiscard]] auto guarded_await(F& function, Args&&... args)
    -> task<typename detail::as_result<typename detail::task_value<std::invoke_result_t<F&, Args...>>::type>::type> {
  try {
    if constexpr (std::is_void_v<typename detail::task_value<std::invoke_result_t<F&, Args...>>::type>) {
      co_await std::invoke(function, std::forward<Args>(args)...);
      co_return result<>{};
    } else {
      co_return co_await std::invoke(function, std::forward<Args>(args)...);
    }
  } catch (...) {
    co_return fail(current_exception_error());
  }
}

// Calls `function`; what it throws becomes the error. A T gives result<T>, a result<T> gives result<T> too.
template <std::invocable F>
[[nodiscard]] auto guarded_call(F&& function) -> typename detail::as_result<std::invoke_result_t<F>>::type {
  try {
    if constexpr (std::is_void_v<std::invoke_result_t<F>>) {
      std::invoke(std::forward<F>(function));
      return {};
    } else {
      return std::invoke(std::forward<F>(function));
    }
  } catch (...) {
    return fail(current_exception_error());
  }
}

}  // namespace weft
