#include <weft/base/saturating.hpp>
#include <weft/messaging/core/group_hub.hpp>

#include <algorithm>
#include <utility>

namespace weft::messaging {

using guard = group_hub::guard;

// A consumer's place among those that wait, left however the wait ends. One that leaves for good passes on what it was
// woken for, and its watch over what falls due; one that goes on looks by itself.
class hub_waiting_place {
 public:
  explicit hub_waiting_place(hub_consumer& c) : consumer_{c} {}
  hub_waiting_place(const hub_waiting_place&) = delete;
  hub_waiting_place& operator=(const hub_waiting_place&) = delete;
  ~hub_waiting_place() {
    const guard locked{consumer_.hub_.lock};
    auto& group = *consumer_.group_;
    std::erase_if(group.idle, [&](const idle_consumer& c) { return c.who == consumer_.sleeper_; });
    if (!goes_on_) group_hub::notify(group, &consumer_.loop_);
  }
  void goes_on() noexcept { goes_on_ = true; }

 private:
  hub_consumer& consumer_;
  bool goes_on_ = false;
};

hub_consumer::hub_consumer(loop& l, std::shared_ptr<void> owner, group_hub& hub, hub_group_ptr group,
                           std::uint32_t prefetch)
    : loop_{l},
      owner_{std::move(owner)},
      hub_{hub},
      group_{std::move(group)},
      prefetch_{prefetch},
      sleeper_{std::make_shared<hub_sleeper>(l)} {
  hub_.consumers.push_back(this);
}

hub_consumer::~hub_consumer() {
  {
    const guard locked{hub_.lock};
    std::erase(hub_.consumers, this);
    lose_all(attempt_counting::counted, &loop_);
    hub_.leave(*group_);
  }
  tell_record();
}

void hub_consumer::lose_all(attempt_counting counting, const loop* from) {
  while (!in_flight_.empty()) {
    group_->queue->retry(in_flight_, *in_flight_.back(), {}, counting, {});  // at once: no clock is asked
    group_hub::wake_consumer(*group_, from);
  }
  held_ = 0;
  group_hub::wake(sleeper_, from);
}

std::optional<raw_delivery> hub_consumer::take() {
  if (stopped_ || held_ >= prefetch_) return std::nullopt;
  auto& queue = *group_->queue;
  // Only what falls due may need the wall clock, which costs a call.
  const auto wall = queue.next_due() ? loop_.wall_now() : wall_time{};
  auto* e = queue.take(in_flight_, loop_.now(), wall);
  if (e != nullptr) ++held_;
  // What was delayed may be ready for others too, and what had expired has made room.
  group_hub::notify(*group_, &loop_);
  if (e == nullptr) return std::nullopt;
  return raw_delivery{.what = e->what,
                      .attempt = e->attempt,
                      .redelivered = e->redelivered,
                      .tag = queue.tag_of(*e),
                      .failures = e->failures};
}

std::optional<raw_delivery> hub_consumer::try_next() {
  std::optional<raw_delivery> got;
  {
    const guard locked{hub_.lock};
    got = take();
  }
  tell_record();
  return got;
}

task<result<bool>> hub_consumer::wait_for_message(const context& ctx) {
  std::optional<steady_time> due;
  {
    const guard locked{hub_.lock};
    if (stopped_) co_return false;
    if (held_ < prefetch_ && group_->queue->anything_ready()) co_return true;
    sleeper_->wake.reset();
    if (held_ < prefetch_) {  // else only a settlement of its own can help
      due = group_->queue->next_due();
      group_->idle.push_back({sleeper_, due.value_or(steady_time::max())});
    }
  }
  hub_waiting_place place{*this};
  const auto woken = co_await sleeper_->wake.wait(due ? ctx.with_deadline(*due) : ctx);
  if (!woken && (!due || loop_.now() < *due || !ctx.check(loop_.now()))) co_return fail(woken.error());
  place.goes_on();
  co_return true;
}

task<result<std::optional<raw_delivery>>> hub_consumer::next(context ctx) {
  WEFT_CO_TRY_VOID(ctx.check(loop_.now()));
  for (;;) {
    if (auto d = try_next()) co_return d;
    WEFT_CO_TRY(const bool more, co_await wait_for_message(ctx));
    if (!more) co_return std::nullopt;
  }
}

// Of those that were out before each goes alone: one of them may have ended its process, and the others should not
// count that as an attempt of theirs again and again.
task<result<std::vector<raw_delivery>>> hub_consumer::next_some(context ctx) {
  if (!kept()) co_return co_await consumer::next_some(std::move(ctx));
  std::vector<raw_delivery> some;
  WEFT_CO_TRY(auto first, co_await next(std::move(ctx)));
  if (!first) co_return some;
  some.push_back(*std::move(first));
  {
    const guard locked{hub_.lock};
    while (!some.back().redelivered) {
      const auto* front = group_->queue->front_ready();
      if (front != nullptr && front->redelivered) break;
      auto d = take();
      if (!d) break;
      some.push_back(*std::move(d));
    }
  }
  tell_record();
  co_return some;
}

result<> hub_consumer::apply(queue_entry& e, settlement& how) {
  auto& queue = *group_->queue;
  const auto now = loop_.now();
  const bool dated = how.cause || how.what == settlement::kind::dead_letter;
  const auto wall = dated ? loop_.wall_now() : wall_time{};
  if (how.cause) add_failure(e.failures, {how.cause->code(), std::string{how.cause->message()}, e.attempt, wall});
  switch (how.what) {
    case settlement::kind::ack:
      queue.acknowledge(in_flight_, e);
      break;
    case settlement::kind::retry:
      queue.retry(in_flight_, e, later(now, how.after), how.counting, now);
      break;
    case settlement::kind::give_back:
      queue.retry(in_flight_, e, now, attempt_counting::not_counted, now);
      break;
    case settlement::kind::dead_letter:
      return queue.bury(in_flight_, e, clean_text(how.reason, max_reason_bytes), how.scope, wall);
  }
  return {};
}

result<> hub_consumer::settle_now(delivery_tag tag, settlement& how) {
  const guard locked{hub_.lock};
  auto& queue = *group_->queue;
  auto* e = queue.find(in_flight_, tag);
  if (e == nullptr) return fail(errc::aborted, "the delivery was lost, and comes again");
  WEFT_TRY_VOID(apply(*e, how));
  if (held_-- == prefetch_) sleeper_->wake.set();
  group_hub::notify(*group_, &loop_);
  return {};
}

std::optional<result<>> hub_consumer::try_settle(delivery_tag tag, settlement& how) {
  if (waits(how)) return std::nullopt;
  auto settled = settle_now(tag, how);
  if (settled) tell_record();
  return settled;
}

task<result<>> hub_consumer::settle(context ctx, delivery_tag tag, settlement how) {
  const bool until_safe = waits(how);
  WEFT_CO_TRY_VOID(settle_now(tag, how));
  tell_record();
  if (until_safe) co_return co_await hub_.record->settled(loop_, std::move(ctx));
  co_return result<>{};
}

bool hub_consumer::holds(delivery_tag tag) const noexcept {
  const guard locked{hub_.lock};
  return group_->queue->find(in_flight_, tag) != nullptr;
}

task<result<>> hub_consumer::stop(context) {
  const guard locked{hub_.lock};
  stopped_ = true;
  sleeper_->wake.set();
  co_return result<>{};
}

}  // namespace weft::messaging
