#pragma once
// Waiting for time to pass, and cutting other waits short when a context ends.
#include <weft/base/saturating.hpp>
#include <weft/runtime/loop.hpp>

#include <algorithm>

namespace weft {

// `co_await weft::sleep(loop, ctx, 250ms)` (qualified, since <unistd.h> has a ::sleep): ok after that time;
// errc::cancelled or errc::deadline_exceeded as soon as the context ends. A wait that reaches beyond the context's
// deadline fails when the deadline passes.
class [[nodiscard]] sleep final : timer_node, cancel_callback {
 public:
  sleep(loop& l, const context& ctx, duration time) : sleep{l, ctx, later(l.now(), time)} {}
  sleep(loop& l, const context& ctx, steady_time until) : loop_{l}, context_{ctx}, until_{until} {}

  bool await_ready() {
    if (const auto state = context_.check(loop_.now()); !state) return outcome_ = state, true;
    return until_ <= loop_.now();
  }
  void await_suspend(std::coroutine_handle<> frame) {
    resume_.set(frame);
    loop_.arm(*this, std::min(until_, context_.deadline()));
    watch(context_.cancellation());
  }
  WEFT_NODISCARD_RESULT result<> await_resume() { return std::move(outcome_); }

 private:
  void expire() override {
    unwatch();
    if (context_.deadline() < until_) outcome_ = fail(errc::deadline_exceeded, "the deadline has passed");
    loop_.schedule(resume_);
  }
  void cancelled(errc reason) override {
    disarm();
    outcome_ = fail(reason, "the wait was cancelled");
    loop_.schedule(resume_);
  }

  loop& loop_;
  context context_;
  steady_time until_;
  result<> outcome_;
  resume_node resume_;
};

// Lets everything that is ready go first.
class [[nodiscard]] yield final {
 public:
  explicit yield(loop& l) noexcept : loop_{l} {}
  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> frame) noexcept {
    resume_.set(frame);
    loop_.schedule(resume_);
  }
  void await_resume() const noexcept {}

 private:
  loop& loop_;
  resume_node resume_;
};

// While it lives, the end of `ctx` (its deadline, or cancellation) cancels the waits on a stream: those of that moment
// at once, and those that begin later within some milliseconds, since a wait may begin in the very turn in which the
// context ends.
//     interrupt_on_end guard{loop, ctx, *stream};
class interrupt_on_end final : timer_node, cancel_callback {
 public:
  interrupt_on_end(loop& l, const context& ctx, stream& s) : loop_{l}, stream_{s} {
    l.arm(*this, ctx.deadline());
    watch(ctx.cancellation());
  }

 private:
  static constexpr auto again = std::chrono::milliseconds{5};
  void expire() override {
    loop_.arm(*this, later(loop_.now(), again));
    stream_.cancel(reason_);
  }
  void cancelled(errc reason) override {
    reason_ = reason;
    expire();
  }

  loop& loop_;
  stream& stream_;
  errc reason_ = errc::deadline_exceeded;
};

}  // namespace weft
