#include <weft/runtime/sleep.hpp>

#include <algorithm>

#include "channel_impl.hpp"

namespace weft::amqp {

namespace {

constexpr std::string_view automatic_prefix = "weft-auto-";  // so that a late delivery is known not to want an ack

// `how` is a basic.deliver or a basic.get-ok. All of `d` is written: it may hold an earlier one.
void fill(delivery& d, sansio::content&& c, auto& how, std::uint64_t tag, std::uint64_t generation) {
  d.message.exchange = std::move(how.exchange);
  d.message.routing_key = std::move(how.routing_key);
  d.message.properties = std::move(c.properties);
  d.message.body = std::move(c.body);
  d.redelivered = how.redelivered;
  d.tag = tag;
  d.generation = generation;
}

}  // namespace

task<result<>> channel_impl::attach_consumer(self c, context ctx, std::shared_ptr<consumer_impl> what) {
  WEFT_CO_TRY_VOID(co_await c->connection_->restore_queue(ctx, what->options.queue));
  if (what->ended) co_return fail(*what->ended);
  what->cancelled = false;
  const auto begun = co_await call_now(c, ctx,
                                       basic_consume{.queue = what->options.queue,
                                                     .consumer_tag = what->tag,
                                                     .no_ack = what->options.acknowledge == acknowledgement::automatic,
                                                     .exclusive = what->options.exclusive,
                                                     .arguments = what->options.arguments});
  if (!begun) {
    // Given up: the broker may have begun all the same, or will, and would deliver to nobody.
    c->send_quietly(basic_cancel{.consumer_tag = what->tag, .no_wait = true});
    co_return fail(begun.error());
  }
  if (what->cancelled) co_return fail(errc::not_found, "the queue was deleted while consuming it began");
  what->attached = true;
  what->recovery.succeeded(c->loop_.now());
  what->attachment.pulse();
  co_return result<>{};
}

task<result<std::shared_ptr<consumer_impl>>> channel_impl::consume(self c, context ctx, consume_options options) {
  WEFT_CO_TRY_VOID(co_await wait_ready(c, ctx));
  auto made = std::make_shared<consumer_impl>(c->loop_, c->connection_->delays());
  made->options = std::move(options);
  made->tag = (made->options.acknowledge == acknowledgement::automatic ? std::string{automatic_prefix} : "weft-") +
              std::to_string(++c->last_consumer_);
  made->owner = c;
  made->recovering = true;  // revival leaves it to us
  c->consumers_.push_back(made);
  const auto attached = co_await attach_consumer(c, ctx, made);
  made->recovering = false;
  if (!attached) {
    c->drop(*made);
    co_return fail(attached.error().with_operation("consuming " + made->options.queue));
  }
  co_return made;
}

task<void> channel_impl::recover_consumer(self c, context ctx, std::shared_ptr<consumer_impl> what) {
  if (what->recovering) co_return;
  what->recovering = true;
  while (!what->ended && !what->attached) {
    if (!co_await sleep(c->loop_, ctx, what->recovery.next(c->loop_.now(), c->loop_.random()))) break;
    if (!co_await wait_ready(c, ctx)) break;
    if (what->ended || what->attached) break;
    const auto attached = co_await attach_consumer(c, ctx, what);
    if (attached)
      c->connection_->emit(connection_event::kind::consumer_recovered, what->options.queue);
    else if (ctx.check(c->loop_.now()) && !what->ended)
      c->connection_->emit(connection_event::kind::recovery_failed, what->options.queue, attached.error());
  }
  what->recovering = false;
}

void channel_impl::on_cancelled(const std::string& tag) {
  const auto at = std::ranges::find(consumers_, tag, [](const auto& each) -> const std::string& { return each->tag; });
  if (at == consumers_.end()) return;
  const auto what = *at;
  what->attached = false;
  what->attachment.pulse();
  what->cancelled = true;
  connection_->emit(connection_event::kind::consumer_cancelled, what->options.queue);
  connection_->spawn(recover_consumer(what->owner, connection_->life_context(), what));
}

void channel_impl::on_delivery(sansio::content&& c, basic_deliver& how) {
  const auto at =
      std::ranges::find(consumers_, how.consumer_tag, [](const auto& each) -> const std::string& { return each->tag; });
  const bool automatic = how.consumer_tag.starts_with(automatic_prefix);
  if (at == consumers_.end()) {  // it was on its way when the consumer was given up
    if (!automatic) send_quietly(basic_nack{.delivery_tag = how.delivery_tag, .requeue = true});
    return;
  }
  auto& of = **at;
  auto& d = of.waiting.push();
  fill(d, std::move(c), how, automatic ? 0 : how.delivery_tag, generation_);
  d.consumer_tag = how.consumer_tag;
  connection_->arrived_unread(unread_bytes(d));
  of.arrived.set();
}

task<result<delivery>> channel_impl::next(self c, context ctx, std::shared_ptr<consumer_impl> of) {
  for (;;) {
    if (auto taken = c->try_next(*of)) co_return *std::move(taken);
    if (of->ended) co_return fail(*of->ended);
    of->arrived.reset();
    WEFT_CO_TRY_VOID(co_await of->arrived.wait(ctx));
  }
}

task<result<>> channel_impl::wait_attached(self, context ctx, std::shared_ptr<consumer_impl> what) {
  while (!what->attached) {
    if (what->ended) co_return fail(*what->ended);
    WEFT_CO_TRY_VOID(co_await what->attachment.wait(ctx));
  }
  co_return result<>{};
}

std::optional<delivery> channel_impl::try_next(consumer_impl& of) {
  if (of.waiting.empty()) return std::nullopt;
  std::optional<delivery> taken{of.waiting.pop()};
  connection_->taken(unread_bytes(*taken));
  return taken;
}

task<result<>> channel_impl::cancel(self c, context ctx, std::shared_ptr<consumer_impl> what) {
  result<> outcome;
  if (what->attached && c->state_ == state::ready) {
    what->attached = false;
    const auto done = co_await call_now(c, ctx, basic_cancel{.consumer_tag = what->tag});
    if (!done) outcome = fail(done.error());
  }
  c->drop(*what);
  co_return outcome;
}

void channel_impl::drop(consumer_impl& what) noexcept {
  if (what.attached) send_quietly(basic_cancel{.consumer_tag = what.tag, .no_wait = true});
  what.attached = false;
  untake(what);
  for (std::size_t i = 0; i < what.waiting.size(); ++i) {
    const auto& d = what.waiting[i];
    if (d.tag != 0 && d.generation == generation_) send_quietly(basic_nack{.delivery_tag = d.tag, .requeue = true});
  }
  what.waiting.clear();
  if (!what.ended) what.ended = error{errc::failed_precondition, "the consumer was cancelled"};
  what.arrived.set();
  what.attachment.pulse();
  std::erase_if(consumers_, [&](const auto& each) { return each.get() == &what; });
}

task<result<std::optional<delivery>>> channel_impl::get(self c, context ctx, std::string queue, acknowledgement how) {
  const bool automatic = how == acknowledgement::automatic;
  WEFT_CO_TRY(auto event, co_await call(c, ctx, basic_get{.queue = std::move(queue), .no_ack = automatic}));
  auto* got = std::get_if<sansio::channel_got>(&event);
  if (got == nullptr) co_return std::nullopt;
  auto answer = std::get<basic_get_ok>(std::move(got->answer.how));
  delivery d;
  fill(d, std::move(got->answer), answer, automatic ? 0 : answer.delivery_tag, c->generation_);
  co_return d;
}

acknowledged channel_impl::settle(const delivery& d, const method& how) {
  if (d.tag == 0) return acknowledged::sent;  // the broker did it
  if (d.generation != generation_ || protocol_.current() != sansio::channel_protocol::state::open ||
      !connection_->connected())
    return acknowledged::stale;
  send_quietly(how);
  return acknowledged::sent;
}

}  // namespace weft::amqp
