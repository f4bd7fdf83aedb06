// What a connection does once it is open: what was there before comes back, in order.
#include <weft/runtime/sleep.hpp>

#include <algorithm>

#include "channel_impl.hpp"
#include "connection_impl.hpp"

namespace weft::amqp {

namespace {

constexpr unsigned most_tries = 4;  // of one step of the topology, when the broker refuses it

}  // namespace

task<void> connection_impl::recover(context ctx) {
  co_await restore_topology(ctx);
  for (;;) {
    const auto next = std::ranges::find(channels_, channel_impl::state::down, &channel_impl::current);
    if (next == channels_.end() || !ctx.check(loop_.now())) break;
    co_await channel_impl::revive(*next, ctx);
  }
  if (!ctx.check(loop_.now()) || !ready_) co_return;
  reconnecting_.succeeded(loop_.now());  // not before: a broker may take connections, and refuse all that is asked
  enter(blocked_ ? connection_state::blocked : connection_state::open);
  if (connects_ > 1) emit(connection_event::kind::recovered);
}

task<void> connection_impl::restore_topology(context ctx) {
  for (auto& step : topology_.steps()) {
    if (!ctx.check(loop_.now())) co_return;
    co_await insist(ctx, std::move(step));
  }
}

// An exclusive queue of the lost connection is locked until the broker notices the loss, so a refusal is not final.
task<void> connection_impl::insist(context ctx, method step) {
  for (unsigned attempt = 0;; ++attempt) {
    const auto done = co_await administer(ctx, step);
    if (done || !ctx.check(loop_.now())) co_return;
    if (attempt + 1 == most_tries)
      co_return emit(connection_event::kind::recovery_failed, sansio::describe_step(step), done.error());
    if (!co_await sleep(loop_, ctx, backoff_delay(delays(), attempt + 1, loop_.random()))) co_return;
  }
}

task<result<method>> connection_impl::administer(context ctx, method request) {
  struct release_at_end {
    semaphore& held;
    ~release_at_end() { held.release(); }
  };
  WEFT_CO_TRY_VOID(co_await administering_.acquire(ctx));
  const release_at_end release{administering_};
  const auto own = administration_;
  if (own == nullptr) co_return fail(errc::failed_precondition, "the AMQP connection was closed");
  if (!connected())
    co_return fail(error{errc::unavailable, "there is no connection to the broker now"}.as_unprocessed());
  if (own->current() == channel_impl::state::down) spawn(channel_impl::revive(own, life_context_));
  auto event = co_await channel_impl::call(own, ctx, std::move(request));
  if (!event) co_return fail(std::move(event).error());
  co_return std::get<sansio::channel_reply>(*std::move(event)).answer;
}

// So that it can be consumed: declared as it was here, or at least there.
task<result<>> connection_impl::restore_queue(context ctx, std::string queue) {
  auto steps = topology_.steps_of_queue(queue);
  if (steps.empty()) steps.emplace_back(queue_declare{.queue = queue, .passive = true});
  for (auto& step : steps) WEFT_CO_TRY_VOID(co_await administer(ctx, std::move(step)));
  co_return result<>{};
}

}  // namespace weft::amqp
