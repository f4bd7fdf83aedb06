#pragma once
// Several tasks at once.
//     auto [user, posts] = co_await when_all(loop, get_user(ctx), get_posts(ctx));
//     auto all = co_await when_all(loop, std::move(vector_of_tasks));
// They run on the caller's loop, interleaved at their suspension points. An exception of one is passed on after the
// last has ended. Destroying the awaiting task destroys them all.
#include <weft/runtime/task_group.hpp>

#include <exception>
#include <optional>
#include <tuple>
#include <vector>

namespace weft {

namespace detail {
template <class T>
task<void> store(task<T> work, std::optional<T>& into, std::exception_ptr& problem) {
  try {
    into.emplace(co_await std::move(work));
  } catch (...) {
    if (!problem) problem = std::current_exception();
  }
}
}  // namespace detail

template <class... T>
task<std::tuple<T...>> when_all(loop& l, task<T>... work) {
  std::tuple<std::optional<T>...> values;
  std::exception_ptr problem;
  {
    task_group group{l};
    std::apply([&](auto&... into) { (group.spawn(detail::store(std::move(work), into, problem)), ...); }, values);
    co_await group.join();
  }
  if (problem) std::rethrow_exception(problem);
  co_return std::apply([](auto&... value) { return std::tuple<T...>{*std::move(value)...}; }, values);
}

template <class T>
task<std::vector<T>> when_all(loop& l, std::vector<task<T>> work) {
  std::vector<std::optional<T>> values(work.size());
  std::exception_ptr problem;
  {
    task_group group{l};
    for (std::size_t i = 0; i < work.size(); ++i) group.spawn(detail::store(std::move(work[i]), values[i], problem));
    co_await group.join();
  }
  if (problem) std::rethrow_exception(problem);
  std::vector<T> all;
  all.reserve(values.size());
  for (auto& value : values) all.push_back(*std::move(value));
  co_return all;
}

}  // namespace weft
