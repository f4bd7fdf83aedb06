// The ways into a pipeline that take time: a bulkhead's queue, and a shared limiter's store.
#include <weft/base/saturating.hpp>
#include <weft/resilience/detail/engine.hpp>
#include <weft/runtime/guarded.hpp>

#include <atomic>
#include <thread>

namespace weft::resilience::detail {

namespace {

// Waits in a bulkhead's queue until granted, dropped, too late or cancelled. The permit may be handed over by another
// loop's thread, which then only takes note and posts; whoever waits finishes on its own loop.
class queue_wait final : bulkhead_waiter, timer_node, cancel_callback {
 public:
  enum class answer : std::uint8_t { waiting, granted, dropped, full, cancelled };

  queue_wait(loop& l, bulkhead_core& b, const context& ctx, steady_time until) : loop_{l}, bulkhead_{b}, context_{ctx} {
    deadline = until;
  }
  ~queue_wait() {
    if (cell_) cell_->self = nullptr;
    if (entered_ && !bulkhead_.give_up(*this) && told_.load() == answer::granted && !taken_)
      bulkhead_.leave(loop_.now());
  }

  bool await_ready() {
    if (context_.cancellation().cancelled()) return answer_ = answer::cancelled, true;
    cell_ = std::make_shared<cell>(cell{this});
    switch (bulkhead_.enter(*this, loop_.now())) {
      case bulkhead_core::entry::admitted:
        return answer_ = answer::granted, true;
      case bulkhead_core::entry::full:
        return answer_ = answer::full, true;
      case bulkhead_core::entry::queued:
        break;
    }
    entered_ = true;
    return false;
  }
  void await_suspend(std::coroutine_handle<> frame) {
    resume_.set(frame);
    loop_.arm(*this, deadline);
    watch(context_.cancellation());
  }
  // The permit is the caller's when granted.
  answer await_resume() {
    if (answer_ == answer::waiting) answer_ = told_.load();
    taken_ = true;
    return answer_;
  }

 private:
  struct cell {
    queue_wait* self;
  };
  void granted() override { tell(answer::granted); }
  void dropped() override { tell(answer::dropped); }
  void tell(answer a) {
    const auto at_home = std::this_thread::get_id() == home_;
    const auto kept = cell_;
    auto& home_loop = loop_;
    told_.store(a);
    if (at_home) return finish();
    home_loop.post([kept] {
      if (kept->self != nullptr) kept->self->finish();
    });
  }
  void finish() {
    disarm();
    unwatch();
    loop_.schedule(resume_);
  }
  void expire() override { leave_with(answer::dropped); }
  void cancelled(errc) override { leave_with(answer::cancelled); }
  void leave_with(answer a) {
    if (!bulkhead_.give_up(*this)) return;  // told meanwhile, by another thread: its message is on the way
    answer_ = a;
    finish();
  }

  loop& loop_;
  bulkhead_core& bulkhead_;
  const context& context_;
  const std::thread::id home_ = std::this_thread::get_id();
  std::shared_ptr<cell> cell_;
  std::atomic<answer> told_{answer::waiting};
  answer answer_ = answer::waiting;
  bool entered_ = false, taken_ = false;
  resume_node resume_;
};

}  // namespace

task<permits::step> permits::enter_waiting(std::uint8_t to) {
  for (;;) {
    auto s = enter(to);
    if (s != step::wait) co_return s;
    const auto& at = call_.e.stages[next_];
    s = at.kind == policy_kind::bulkhead ? co_await wait_in_queue(at) : co_await ask_store(at);
    if (s == step::refused) co_return s;
    ++next_;
  }
}

task<permits::step> permits::wait_in_queue(const stage& s) {
  auto& cabins = s.as<bulkhead_core>();
  const auto began = call_.now();
  const auto patience = cabins.queue_timeout();
  const bool call_ends_first = time_between(began, deadline) < patience;
  using answer = queue_wait::answer;
  const auto got =
      co_await queue_wait{call_.e.clock, cabins, call_.ctx, call_ends_first ? deadline : later(began, patience)};
  if (got == answer::granted) {
    hold(s);
    co_return step::passed;
  }
  decision d;
  d.wait = call_.now() - began;
  d.part = cabins.in_flight();
  d.whole = cabins.max_concurrent();
  if (got == answer::cancelled) {
    d.why = reason::cancelled;
    d.code = call_.ctx.cancellation().reason();
  } else if (got == answer::full) {
    d.why = reason::bulkhead_full;
  } else {
    d.why = reason::bulkhead_timeout;
  }
  co_return refuse(s, std::move(d));
}

task<permits::step> permits::ask_store(const stage& s) {
  auto& limiter = s.as<keyed_limiter>();
  const auto limited_context = deadline < call_.ctx.deadline() ? call_.ctx.with_deadline(deadline) : call_.ctx;
  const auto take = [&] {
    return limiter.store->take(limited_context, call_.e.clock, call_.options.limit_key, limiter.rule,
                               call_.options.cost);
  };
  const auto got = co_await guarded_await(take);  // a store may be anybody's
  if (got && got->allowed) co_return step::passed;
  decision d;
  if (got) {
    d.why = reason::rate_limited;
    d.wait = got->retry_after;
    co_return refuse(s, std::move(d));
  }
  d.why = reason::limiter_unavailable;
  d.code = got.error().code();
  if (limiter.rule.store_failure == on_store_failure::refuse) co_return refuse(s, std::move(d));
  call_.note(std::move(d));
  co_return step::passed;
}

}  // namespace weft::resilience::detail
