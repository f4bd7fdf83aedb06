#include <weft/runtime/guarded.hpp>

#include <algorithm>

#include "channel_impl.hpp"

namespace weft::amqp {

std::shared_ptr<sansio::publication> channel_impl::push(message&& m, channel::settled_callback&& done) {
  auto& p = m.properties;
  if (p.message_id.empty()) p.message_id = loop_.random().make_uuid_v7(loop_.wall_now()).to_string();
  if (!p.delivery_mode) p.delivery_mode = delivery_mode::persistent;
  auto made = std::make_shared<sansio::publication>();
  made->content = std::move(m);
  made->done = std::move(done);
  window_.push(made);
  pump();
  return made;
}

void channel_impl::pump() {
  // Who hears of an outcome may publish the next at once: the loop below comes to it.
  if (pumping_ || state_ != state::ready || !flow_ || !connection_->publishing_allowed()) return;
  std::shared_ptr<channel_impl> keep;  // as long as somebody who hears of an outcome may let go of it
  auto& session = connection_->session();
  bool wrote = false;
  pumping_ = true;
  while (auto* p = window_.next_unsent()) {
    if (suspects_ > 0 && window_.in_flight() > 0) break;
    if (connection_->output_full()) break;  // the writer comes back to it
    const auto sent = session.send(protocol_.number(), p->content);
    if (!sent || options_.confirms == confirms::off) keep = shared_from_this();
    if (!sent) {
      const auto given_up = window_.take_unsent();
      finish(*given_up, fail(sent.error().as_unprocessed()));
    } else if (options_.confirms == confirms::off) {
      const auto written = window_.take_unsent();
      finish(*written, {});
      wrote = true;
    } else {
      window_.mark_sent();
      wrote = true;
    }
  }
  pumping_ = false;
  if (wrote) connection_->flush();
}

void channel_impl::finish(sansio::publication& p, result<> outcome) {
  permits_.release();
  if (window_.size() == 0) settled_.pulse();
  if (!p.done) return;
  auto done = std::exchange(p.done, nullptr);
  // It is called while the connection reads or writes, which must go on.
  if (const auto called = guarded_call([&] { done(std::move(outcome)); }); !called)
    connection_->emit(connection_event::kind::callback_failed, p.content.properties.message_id, called.error());
}

void channel_impl::on_settled(const sansio::channel_settled& s) {
  sansio::publish_window::sink each = [this](sansio::publication& p, result<> r) {
    if (suspects_ > 0) --suspects_;
    finish(p, std::move(r));
  };
  const auto settled = window_.settle(s.tag, s.multiple, s.positive, each);
  if (!settled) return connection_->break_off(settled.error());
  if (window_.size() == 0) settled_.pulse();
  pump();
}

void channel_impl::on_return(const sansio::content& c, const basic_return& how) {
  window_.returned(how.exchange, how.routing_key, c.properties.message_id,
                   error_of_reply(how.reply_code,
                                  "no queue takes messages with routing key \"" + how.routing_key +
                                      "\" from exchange \"" + how.exchange + "\" (" + how.reply_text + ")",
                                  {}));
}

task<result<>> channel_impl::publish(self c, context ctx, message m, channel::settled_callback late) {
  struct waiting {
    explicit waiting(loop& l) : done{l} {}
    event done;
    std::optional<result<>> outcome;
  };
  if (const auto room = co_await c->permits_.acquire(ctx); !room) co_return fail(room.error().as_unprocessed());
  if (c->state_ == state::closed) co_return c->permits_.release(), fail(c->gone());
  const auto mine = std::make_shared<waiting>(c->loop_);
  const auto p = c->push(std::move(m), [mine](result<> r) {
    mine->outcome = std::move(r);
    mine->done.set();
  });
  const auto waited = co_await mine->done.wait(ctx);
  if (mine->outcome) co_return *std::move(mine->outcome);
  if (c->window_.withdraw(*p)) {
    c->permits_.release();
    if (c->window_.size() == 0) c->settled_.pulse();
    co_return fail(waited.error().with_operation("publishing").as_unprocessed());
  }
  p->done = std::move(late);
  co_return fail(waited.error().with_operation("waiting for the broker's confirm"));
}

task<result<>> channel_impl::publish_nowait(self c, context ctx, message m, channel::settled_callback settled) {
  if (const auto room = co_await c->permits_.acquire(ctx); !room) co_return fail(room.error().as_unprocessed());
  if (c->state_ == state::closed) co_return c->permits_.release(), fail(c->gone());
  c->push(std::move(m), std::move(settled));
  co_return result<>{};
}

result<> channel_impl::try_publish(message&& m, channel::settled_callback&& settled) {
  if (state_ == state::closed) return fail(gone());
  if (!permits_.try_acquire())
    return fail(error{errc::resource_exhausted,
                      "the window of " + std::to_string(options_.confirm_window) + " unconfirmed publications is full"}
                    .as_unprocessed());
  push(std::move(m), std::move(settled));
  return {};
}

task<result<>> channel_impl::flush(self c, context ctx) {
  while (c->window_.size() > 0 && c->state_ != state::closed) WEFT_CO_TRY_VOID(co_await c->settled_.wait(ctx));
  co_return result<>{};
}

}  // namespace weft::amqp
