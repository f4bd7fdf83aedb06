#include <algorithm>

#include "memory_hub.hpp"

namespace weft::messaging {

using guard = memory_hub::state::guard;

// A consumer's place among those that wait, left however the wait ends. Who was woken for a message that it does not
// take passes the call on.
class memory_waiting_place {
 public:
  explicit memory_waiting_place(memory_consumer& c) : consumer_{c} {}
  memory_waiting_place(const memory_waiting_place&) = delete;
  memory_waiting_place& operator=(const memory_waiting_place&) = delete;
  ~memory_waiting_place() {
    const guard locked{consumer_.hub_->get().lock};
    auto& group = consumer_.group_;
    const bool woken = !memory_hub::state::stop_waiting(group.idle, consumer_.sleeper_);
    if (woken && group.queue.anything_ready()) memory_hub::state::wake_consumer(group, consumer_.loop_);
  }

 private:
  memory_consumer& consumer_;
};

memory_consumer::memory_consumer(loop& l, std::shared_ptr<memory_hub> hub, memory_group& group, std::uint32_t prefetch)
    : loop_{l},
      hub_{std::move(hub)},
      group_{group},
      prefetch_{prefetch},
      sleeper_{std::make_shared<memory_sleeper>(l)} {
  hub_->get().consumers.push_back(this);  // its maker holds the lock
}

memory_consumer::~memory_consumer() {
  auto& state = hub_->get();
  const guard locked{state.lock};
  std::erase(state.consumers, this);
  lose_all(attempt_counting::counted, &loop_);
  state.leave(group_);
}

void memory_consumer::lose_all(attempt_counting counting, const loop* from) {
  while (!in_flight_.empty()) {
    group_.queue.retry(in_flight_, *in_flight_.back(), {}, counting, {});  // at once: no clock is asked
    if (!group_.idle.empty()) memory_hub::state::wake_one(group_.idle, from);
  }
  held_ = 0;
  memory_hub::state::wake(sleeper_, from);
}

std::optional<raw_delivery> memory_consumer::take() {
  if (stopped_ || held_ >= prefetch_) return std::nullopt;
  // Only what falls due may need the wall clock, which costs a call.
  const auto wall = group_.queue.next_due() ? loop_.wall_now() : wall_time{};
  auto* e = group_.queue.take(in_flight_, loop_.now(), wall);
  if (e == nullptr) return std::nullopt;
  ++held_;
  // Others may have slept through what is delayed, since only one is woken for it.
  if (!group_.idle.empty() && group_.queue.next_due()) memory_hub::state::wake_consumer(group_, loop_);
  return raw_delivery{.what = e->what,
                      .attempt = e->attempt,
                      .redelivered = e->redelivered,
                      .tag = memory_queue::tag_of(*e),
                      .failures = e->failures};
}

std::optional<raw_delivery> memory_consumer::try_next() {
  const guard locked{hub_->get().lock};
  return take();
}

task<result<std::optional<raw_delivery>>> memory_consumer::next(context ctx) {
  WEFT_CO_TRY_VOID(ctx.check(loop_.now()));
  for (;;) {
    std::optional<steady_time> due;
    {
      const guard locked{hub_->get().lock};
      if (auto d = take()) co_return d;
      if (stopped_) co_return std::nullopt;
      sleeper_->wake.reset();
      if (held_ < prefetch_) {  // else only a settlement of its own can help
        group_.idle.push_back(sleeper_);
        due = group_.queue.next_due();
      }
    }
    const memory_waiting_place place{*this};
    const auto waiting = due ? ctx.with_deadline(*due) : ctx;
    if (const auto woken = co_await sleeper_->wake.wait(waiting); !woken) {
      if (!due || loop_.now() < *due || !ctx.check(loop_.now())) co_return fail(woken.error());
    }
  }
}

result<> memory_consumer::settle_now(memory_entry& e, settlement& how) {
  const auto now = loop_.now();
  const bool dated = how.cause || how.what == settlement::kind::dead_letter;
  const auto wall = dated ? loop_.wall_now() : wall_time{};
  if (how.cause) add_failure(e.failures, {how.cause->code(), std::string{how.cause->message()}, e.attempt, wall});
  switch (how.what) {
    case settlement::kind::ack:
      group_.queue.acknowledge(in_flight_, e, now, wall);
      break;
    case settlement::kind::retry:
      group_.queue.retry(in_flight_, e, now + how.after, how.counting, now);
      break;
    case settlement::kind::give_back:
      group_.queue.retry(in_flight_, e, now, attempt_counting::not_counted, now);
      break;
    case settlement::kind::dead_letter:
      return group_.queue.bury(in_flight_, e, std::move(how.reason), how.scope, now, wall);
  }
  return {};
}

task<result<>> memory_consumer::settle(context, delivery_tag tag, settlement how) {
  const guard locked{hub_->get().lock};
  auto* e = group_.queue.find(in_flight_, tag);
  if (e == nullptr) co_return fail(errc::aborted, "the delivery was lost, and comes again");
  WEFT_CO_TRY_VOID(settle_now(*e, how));
  if (held_-- == prefetch_) sleeper_->wake.set();
  if (!group_.idle.empty() && (group_.queue.anything_ready() || group_.queue.next_due()))
    memory_hub::state::wake_consumer(group_, loop_);
  memory_hub::state::wake_publisher(group_, loop_);
  co_return result<>{};
}

task<result<>> memory_consumer::stop(context) {
  const guard locked{hub_->get().lock};
  stopped_ = true;
  sleeper_->wake.set();
  co_return result<>{};
}

}  // namespace weft::messaging
