#pragma once
// Owned concurrency: tasks that run beside each other and are stopped and awaited together. Nothing is ever detached.
//
//     task_group connections{loop};
//     connections.spawn(serve(std::move(stream), connections.derive(ctx)));
//     connections.cancel();                // whoever waits under a derived context is woken
//     co_await connections.join();         // until the last has ended
//
// Destroying a group destroys the frames of the tasks that have not ended, from the newest to the oldest. A task that
// ends with an exception is a bug: it is reported and the process aborts.
#include <weft/runtime/cancellation.hpp>
#include <weft/runtime/context.hpp>
#include <weft/runtime/loop.hpp>
#include <weft/runtime/task.hpp>

#include <cstddef>

namespace weft {

class task_group {
 public:
  explicit task_group(loop& l) : loop_{l} {}
  task_group(const task_group&) = delete;
  task_group& operator=(const task_group&) = delete;
  ~task_group();

  // Starts the task in this turn of the loop, after what is ready already.
  void spawn(task<void> work);

  // A context that ends when the group is cancelled, or when `ctx` ends.
  [[nodiscard]] context derive(const context& ctx);
  // Woken: every wait under a derived context. Later derived contexts are cancelled from the start.
  void cancel(errc reason = errc::cancelled);
  [[nodiscard]] bool cancelled() const noexcept { return source_.cancelled(); }

  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] bool empty() const noexcept { return size_ == 0; }

  // Resumes when the group is empty. One joiner at a time.
  class join_operation;
  [[nodiscard]] join_operation join() noexcept;
  // Cancels, then joins.
  [[nodiscard]] task<void> stop();

 private:
  class member;  // the outermost frame of a spawned task
  void link(member& m) noexcept;
  void unlink(member& m) noexcept;
  void notify() noexcept;

  loop& loop_;
  member *first_ = nullptr, *last_ = nullptr;
  std::size_t size_ = 0;
  cancel_source source_;
  resume_node* joiner_ = nullptr;
};

class task_group::join_operation {
 public:
  explicit join_operation(task_group& group) noexcept : group_{group} {}
  ~join_operation() {
    if (group_.joiner_ == &resume_) group_.joiner_ = nullptr;
  }
  join_operation(const join_operation&) = delete;
  join_operation& operator=(const join_operation&) = delete;
  bool await_ready() const noexcept { return group_.empty(); }
  void await_suspend(std::coroutine_handle<> frame) noexcept {
    WEFT_ASSERT(group_.joiner_ == nullptr, "two tasks join one group");
    resume_.set(frame);
    group_.joiner_ = &resume_;
  }
  void await_resume() const noexcept {}

 private:
  task_group& group_;
  resume_node resume_;
};

inline task_group::join_operation task_group::join() noexcept { return join_operation{*this}; }

}  // namespace weft
