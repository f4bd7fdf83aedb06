#include "channel_impl.hpp"

#include <weft/runtime/sleep.hpp>

#include <algorithm>

namespace weft::amqp {

using sansio::channel_event;

channel_impl::channel_impl(std::shared_ptr<connection_impl> c, channel_options options, channel_role role)
    : loop_{c->on()},
      connection_{std::move(c)},
      options_{options},
      role_{role},
      reviving_{connection_->delays()},
      permits_{loop_, std::max<std::size_t>(options.confirm_window, 1)},
      changed_{loop_},
      settled_{loop_} {}

error channel_impl::gone() const {
  return (ended_ ? *ended_ : error{errc::failed_precondition, "the AMQP channel was closed"}).as_unprocessed();
}

// ---- opening

task<void> channel_impl::revive(self c, context ctx) {
  if (c->state_ != state::down) co_return;
  const bool again = c->generation_ > 0;
  while (c->state_ == state::down) {
    c->state_ = state::reviving;
    const auto opened = co_await open_once(c, ctx);
    if (c->state_ == state::closed) co_return;
    if (opened) {
      c->state_ = state::ready;
      c->reviving_.succeeded(c->loop_.now());
      c->changed_.pulse();
      c->pump();
      if (again && c->role_ == channel_role::user) c->connection_->emit(connection_event::kind::channel_recovered);
      co_return;
    }
    c->state_ = state::down;
    if (!ctx.check(c->loop_.now())) co_return;
    if (c->role_ == channel_role::user)
      c->connection_->emit(connection_event::kind::recovery_failed, "channel", opened.error());
    if (!co_await sleep(c->loop_, ctx, c->reviving_.next(c->loop_.now(), c->loop_.random()))) co_return;
  }
}

task<result<>> channel_impl::open_once(self c, context ctx) {
  if (!c->connection_->connected()) co_return fail(errc::unavailable, "there is no connection to the broker now");
  WEFT_CO_TRY(const auto number, c->connection_->attach(c));
  c->flow_ = true;
  c->generation_ = c->connection_->next_generation();
  WEFT_CO_TRY(const auto request, c->protocol_.open(c->connection_->session(), number));
  WEFT_CO_TRY_VOID(co_await await_reply(c, ctx, request));
  if (c->role_ == channel_role::administration) co_return result<>{};
  if (c->options_.confirms == confirms::on) WEFT_CO_TRY_VOID(co_await call_now(c, ctx, confirm_select{}));
  if (c->options_.prefetch > 0)
    WEFT_CO_TRY_VOID(co_await call_now(c, ctx, basic_qos{.prefetch_count = c->options_.prefetch}));
  for (const auto& each : std::vector{c->consumers_}) {
    if (each->recovering || each->ended) continue;
    const auto attached = co_await attach_consumer(c, ctx, each);
    if (attached) continue;
    if (c->protocol_.current() != sansio::channel_protocol::state::open) co_return attached;
    c->connection_->emit(connection_event::kind::recovery_failed, each->options.queue, attached.error());
    c->connection_->spawn(recover_consumer(c, ctx, each));
  }
  if (c->protocol_.current() != sansio::channel_protocol::state::open)
    co_return fail(errc::unavailable, "the channel was closed while it was opened");
  c->window_.restart();
  co_return result<>{};
}

task<result<>> channel_impl::wait_ready(self c, context ctx) {
  while (c->state_ != state::ready) {
    if (c->state_ == state::closed) co_return fail(c->gone());
    if (auto waited = co_await c->changed_.wait(ctx); !waited) co_return fail(waited.error().as_unprocessed());
  }
  co_return result<>{};
}

// ---- requests

task<result<channel_event>> channel_impl::call(self c, context ctx, method request) {
  WEFT_CO_TRY_VOID(co_await wait_ready(c, ctx));
  co_return co_await call_now(c, ctx, std::move(request));
}

task<result<channel_event>> channel_impl::call_now(self c, context ctx, method request) {
  if (c->protocol_.current() != sansio::channel_protocol::state::open || !c->connection_->connected())
    co_return fail(error{errc::unavailable, "the channel is not open now"}.as_unprocessed());
  const auto id = c->protocol_.request(c->connection_->session(), request);
  if (!id) co_return fail(id.error());
  auto event = co_await await_reply(c, ctx, *id);
  if (event) co_return event;
  if (const auto* get = std::get_if<basic_get>(&request); get != nullptr && !get->no_ack) c->late_gets_.insert(*id);
  co_return fail(event.error().with_operation(name_of(request)));
}

task<result<channel_event>> channel_impl::await_reply(self c, context ctx, std::uint64_t request) {
  const auto mine = std::make_shared<pending_call>(c->loop_);
  c->calls_[request] = mine;
  c->connection_->flush();
  const auto waited = co_await mine->done.wait(ctx);
  c->calls_.erase(request);
  if (mine->outcome) co_return *std::move(mine->outcome);
  co_return fail(waited.error());
}

void channel_impl::finish_calls(const error& why) {
  for (const auto& [id, call] : std::exchange(calls_, {})) {
    call->outcome = fail(why);
    call->done.set();
  }
  late_gets_.clear();
}

void channel_impl::send_quietly(const method& m) {
  if (protocol_.current() != sansio::channel_protocol::state::open || !connection_->connected()) return;
  static_cast<void>(connection_->session().send(protocol_.number(), m));
  connection_->flush();
}

task<result<>> channel_impl::qos(self c, context ctx, std::uint16_t prefetch) {
  WEFT_CO_TRY_VOID(co_await call(c, ctx, basic_qos{.prefetch_count = prefetch}));
  c->options_.prefetch = prefetch;
  co_return result<>{};
}

// ---- what the server says

void channel_impl::arrived(method m) {
  const auto number = protocol_.number();
  auto event = protocol_.receive(connection_->session(), std::move(m));
  if (!event) return connection_->break_off(event.error());
  if (protocol_.current() == sansio::channel_protocol::state::closed) connection_->detach(number);
  on_event(*std::move(event));
}

void channel_impl::arrived(sansio::content&& c) {
  if (auto* how = std::get_if<basic_deliver>(&c.how)) {
    if (protocol_.takes_deliveries()) on_delivery(std::move(c), *how);
    return;
  }
  auto event = protocol_.receive(std::move(c));
  if (!event) return connection_->break_off(event.error());
  on_event(*std::move(event));
}

void channel_impl::on_event(channel_event event) {
  const auto answer = [this](std::uint64_t request, channel_event e) {
    const auto at = calls_.find(request);
    if (at == calls_.end()) return;
    at->second->outcome = std::move(e);
    at->second->done.set();
  };
  if (auto* c = std::get_if<sansio::content>(&event)) {
    if (const auto* back = std::get_if<basic_return>(&c->how)) on_return(*c, *back);
  } else if (const auto* settled = std::get_if<sansio::channel_settled>(&event)) {
    on_settled(*settled);
  } else if (auto* reply = std::get_if<sansio::channel_reply>(&event)) {
    const auto id = reply->request;
    late_gets_.erase(id);
    answer(id, std::move(event));
  } else if (auto* got = std::get_if<sansio::channel_got>(&event)) {
    const auto id = got->request;
    if (late_gets_.erase(id) > 0)
      return send_quietly(
          basic_nack{.delivery_tag = std::get<basic_get_ok>(got->answer.how).delivery_tag, .requeue = true});
    answer(id, std::move(event));
  } else if (const auto* cancelled = std::get_if<sansio::channel_cancelled>(&event)) {
    on_cancelled(cancelled->consumer_tag);
  } else if (const auto* flow = std::get_if<sansio::channel_flow>(&event)) {
    flow_ = flow->active;
    pump();
  } else if (const auto* ended = std::get_if<sansio::channel_ended>(&event)) {
    on_ended(*ended);
  }
}

void channel_impl::on_ended(const sansio::channel_ended& e) {
  if (e.about == basic_publish::id) {
    // Of those in flight one is to blame, and everything before it may have been taken. With one in flight it is that.
    if (window_.in_flight() == 1) {
      if (suspects_ > 0) --suspects_;
      const auto culprit = window_.take_oldest_sent();
      finish(*culprit, fail(error_of_refused_publication(e.why)));
    } else {
      suspects_ = std::max(suspects_, window_.in_flight());
    }
  }
  const bool was_ready = state_ == state::ready;
  const auto pause = was_ready && role_ == channel_role::user ? pause_before_revival(e) : duration::zero();
  down(e.why);
  if (role_ == channel_role::user) connection_->emit(connection_event::kind::channel_failed, {}, e.why);
  if (was_ready && role_ == channel_role::user)
    connection_->spawn(revive_after(shared_from_this(), connection_->life_context(), pause));
}

// At once when it was closed over one request of many. A channel that ends again and again as soon as it is open is
// opened less and less often; what refused publications do to it, their number bounds.
duration channel_impl::pause_before_revival(const sansio::channel_ended& e) {
  if (e.about == basic_publish::id) return duration::zero();
  const auto pause = reviving_.next(loop_.now(), loop_.random());
  return reviving_.failures() > 1 ? pause : duration::zero();
}

task<void> channel_impl::revive_after(self c, context ctx, duration pause) {
  if (pause > duration::zero() && !co_await sleep(c->loop_, ctx, pause)) co_return;
  co_await revive(std::move(c), std::move(ctx));
}

void channel_impl::connection_lost(const error& why) {
  if (state_ == state::closed) return;
  protocol_.forget();
  down(error{errc::unavailable, "the connection to the broker was lost: " + std::string{why.message()}}.with_peer(
      why.peer()));
}

// What waits for the consumer is given up: the connection may read as much again.
void channel_impl::untake(const consumer_impl& of) noexcept {
  for (std::size_t i = 0; i < of.waiting.size(); ++i) connection_->taken(unread_bytes(of.waiting[i]));
}

// The present generation is over; what was delivered in it will be delivered again.
void channel_impl::down(const error& why) {
  if (state_ == state::ready) state_ = state::down;  // while it is being revived, that notices by itself
  for (const auto& each : consumers_) {
    each->attached = false;
    each->attachment.pulse();
    untake(*each);
    each->waiting.clear();
  }
  finish_calls(why);
}

void channel_impl::end(const error& why) {
  if (state_ == state::closed) return;
  state_ = state::closed;
  ended_ = why;
  finish_calls(why);
  sansio::publish_window::sink each = [this](sansio::publication& p, result<> r) { finish(p, std::move(r)); };
  window_.abandon(error{errc::unavailable, "not confirmed: " + std::string{why.message()}}, each);
  for (const auto& c : std::exchange(consumers_, {})) {
    c->attached = false;
    untake(*c);
    c->waiting.clear();
    c->ended = why;
    c->arrived.set();
    c->attachment.pulse();
  }
  changed_.pulse();
  settled_.pulse();
}

task<result<>> channel_impl::close(self c, context ctx) {
  result<> outcome;
  if (c->state_ == state::ready) {
    const auto request = c->protocol_.close(c->connection_->session());
    c->state_ = state::reviving;  // nothing new, and nobody opens it again
    if (request)
      if (auto done = co_await await_reply(c, ctx, *request); !done) outcome = fail(done.error());
  }
  c->connection_->remove(*c);  // until here, it hears of a lost connection
  c->end(error{errc::failed_precondition, "the AMQP channel was closed"});
  co_return outcome;
}

void channel_impl::abandon() {
  connection_->remove(*this);
  if (state_ == state::closed) return;
  if (protocol_.current() == sansio::channel_protocol::state::open && connection_->connected()) {
    static_cast<void>(protocol_.close(connection_->session()));  // the connection keeps it until the broker answers
    connection_->flush();
  }
  end(error{errc::failed_precondition, "the AMQP channel was closed"});
}

}  // namespace weft::amqp
