#include <weft/runtime/task_group.hpp>

#include <cstdio>
#include <cstdlib>
#include <exception>

namespace weft {

// Started from the loop's ready queue; destroys itself at its end.
class task_group::member final : public ready_node {
 public:
  struct starter {
    using promise_type = member;
    member* promise;
  };
  struct leave {
    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<member> self) const noexcept {
      auto& group = *self.promise().group_;
      group.unlink(self.promise());
      self.destroy();
      group.notify();
    }
    void await_resume() const noexcept {}
  };
  static starter start(task<void> work) { co_await std::move(work); }

  static void* operator new(std::size_t bytes) { return frame_pool::allocate(bytes); }
  static void operator delete(void* frame, std::size_t bytes) noexcept { frame_pool::release(frame, bytes); }

  starter get_return_object() noexcept { return {this}; }
  std::suspend_always initial_suspend() const noexcept { return {}; }
  leave final_suspend() const noexcept { return {}; }
  void return_void() const noexcept {}
  [[noreturn]] void unhandled_exception() const noexcept {
    try {
      throw;
    } catch (const std::exception& e) {
      std::fprintf(stderr, "a task of a task_group ended with an exception: %s\n", e.what());
    } catch (...) {
      std::fprintf(stderr, "a task of a task_group ended with an unknown exception\n");
    }
    std::abort();
  }

  void run() override { std::coroutine_handle<member>::from_promise(*this).resume(); }
  void destroy() { std::coroutine_handle<member>::from_promise(*this).destroy(); }

 private:
  friend class task_group;
  task_group* group_ = nullptr;
  member *next_ = nullptr, *previous_ = nullptr;
};

task_group::~task_group() {
  while (last_ != nullptr) {
    auto* m = last_;
    unlink(*m);
    m->destroy();
  }
}

void task_group::link(member& m) noexcept {
  m.group_ = this;
  m.previous_ = last_;
  (last_ != nullptr ? last_->next_ : first_) = &m;
  last_ = &m;
  ++size_;
}

void task_group::unlink(member& m) noexcept {
  (m.previous_ != nullptr ? m.previous_->next_ : first_) = m.next_;
  (m.next_ != nullptr ? m.next_->previous_ : last_) = m.previous_;
  --size_;
}

void task_group::notify() noexcept {
  if (size_ == 0 && joiner_ != nullptr) loop_.schedule(*std::exchange(joiner_, nullptr));
}

void task_group::spawn(task<void> work) {
  auto& m = *member::start(std::move(work)).promise;
  link(m);
  loop_.schedule(m);
}

context task_group::derive(const context& ctx) {
  return ctx.with_cancellation(cancel_token::either(ctx.cancellation(), source_.token()));
}

void task_group::cancel(errc reason) { source_.cancel(reason); }

task<void> task_group::stop() {
  cancel();
  co_await join();
}

}  // namespace weft
