// Publications: a window of them unconfirmed, each with its own outcome.
#include <weft/base/saturating.hpp>

#include <algorithm>

#include "amqp_link.hpp"
#include "sansio/delay_steps.hpp"

namespace weft::messaging {

namespace {
// What a publication fails with when its exchange is not there.
bool exchange_is_gone(const error& e) noexcept { return e.code() == errc::failed_precondition; }
}  // namespace

// Shared with the confirms, which may come after the caller has given up.
struct amqp_link::batch_progress {
  batch_progress(loop& l, std::size_t count) : outcomes(count), open{count}, done{l} {}
  void settle(std::size_t at, result<> outcome) {
    if (outcomes[at]) return;
    outcomes[at] = std::move(outcome);
    if (--open == 0) done.set();
  }
  std::vector<std::optional<result<>>> outcomes;
  std::size_t open;
  weft::event done;
};

void amqp_link::count(const result<>& outcome) const {
  if (outcome)
    confirmed_.add();
  else if (outcome.error().code() == errc::not_found)
    returned_.add();
  else if (outcome.error().code() == errc::resource_exhausted)
    refused_.add();
  else
    failed_.add();
}

result<amqp::message> amqp_link::prepare(const outgoing& what) const {
  WEFT_TRY_VOID(validate(what.what, {.max_body_bytes = options_.max_message_bytes}));
  if (what.delay < duration::zero()) return fail(errc::invalid_argument, "the delay is negative");
  if (what.delay > max_amqp_delay) return fail(errc::invalid_argument, "the delay is longer than 45 days");
  WEFT_TRY(auto m, to_amqp(what.what, publishing_partitioned(),
                           what.what.time_to_live > duration::zero() ? loop_.wall_now() : wall_time{}));
  m.exchange = options_.exchange;
  m.unroutable =
      what.if_unroutable == unroutable::refuse ? amqp::unroutable::is_an_error : amqp::unroutable::is_dropped;
  return m;
}

// Publishing does not keep a delay queue alive, declaring it does.
task<result<amqp::message>> amqp_link::delayed(context ctx, amqp::message m, duration delay) {
  auto queue = delay_queue(options_, delay_step(delay));
  m.exchange = queue.queue;
  m.unroutable = amqp::unroutable::is_an_error;
  m.properties.expiration.clear();  // it would end the delay; the consumer looks at weft-expires
  const auto declared = declared_.find(queue.queue);
  if (declared != declared_.end() && time_between(declared->second, loop_.now()) < declare_again) co_return m;
  if (!std::exchange(due_declared_, true))
    if (auto made = co_await declare_due(*publishing_, ctx, options_); !made) {
      due_declared_ = false;
      co_return fail(made.error());
    }
  WEFT_CO_TRY_VOID(co_await publishing_->declare(
      ctx, amqp::exchange_declare{.exchange = queue.queue, .type = "fanout", .durable = true, .auto_delete = true},
      amqp::restored::no));
  WEFT_CO_TRY_VOID(co_await publishing_->declare(ctx, queue, amqp::restored::no));
  WEFT_CO_TRY_VOID(co_await publishing_->bind(ctx, amqp::queue_bind{.queue = queue.queue, .exchange = queue.queue},
                                              amqp::restored::no));
  declared_[queue.queue] = loop_.now();
  co_return m;
}

task<result<>> amqp_link::hand_over(context ctx, std::shared_ptr<batch_progress> to, std::size_t at, outgoing what) {
  WEFT_CO_TRY(auto m, prepare(what));
  if (what.delay > duration::zero()) {
    if (what.what.time_to_live > duration::zero() && what.what.time_to_live <= what.delay) {
      to->settle(at, {});  // it will have expired before it is due
      co_return result<>{};
    }
    // The delay queue takes it in any case.
    if (what.if_unroutable == unroutable::refuse) {
      WEFT_CO_TRY(const auto taken, co_await is_taken(ctx, what.what.topic));
      if (!taken) co_return fail(errc::not_found, "no group takes the topic '" + what.what.topic + "'");
    }
    WEFT_CO_TRY(m, co_await delayed(ctx, std::move(m), what.delay));
    co_return co_await start(std::move(ctx), std::move(to), at, std::move(m), on_its_way::later);
  }
  co_return co_await start(std::move(ctx), std::move(to), at, std::move(m));
}

task<result<>> amqp_link::start(context ctx, std::shared_ptr<batch_progress> to, std::size_t at, amqp::message m,
                                on_its_way when) {
  auto queue = when == on_its_way::later ? m.exchange : std::string{};
  return publishing_->publish_nowait(
      std::move(ctx), std::move(m), [this, to = std::move(to), at, queue = std::move(queue)](result<> outcome) {
        count(outcome);
        if (!outcome && !queue.empty() && outcome.error().code() == errc::not_found) {  // somebody deleted it
          declared_.erase(queue);
          outcome = fail(
              error{errc::unavailable, "the delay queue " + queue + " is gone; it is declared again"}.as_unprocessed());
        }
        to->settle(at, std::move(outcome));
      });
}

task<std::vector<result<>>> amqp_link::finish(context ctx, std::shared_ptr<batch_progress> of) {
  result<> waited;
  if (of->open > 0) waited = co_await of->done.wait(ctx);
  std::vector<result<>> results;
  results.reserve(of->outcomes.size());
  for (auto& each : of->outcomes)
    results.push_back(each ? *std::move(each)
                           : fail(waited.error().with_operation("waiting for the broker's confirm")));
  co_return results;
}

task<std::vector<result<>>> amqp_link::publish(context ctx, std::vector<outgoing> batch) {
  const auto progress = std::make_shared<batch_progress>(loop_, batch.size());
  const auto seen = restored_;
  for (std::size_t i = 0; i < batch.size(); ++i)
    if (auto taken = co_await hand_over(ctx, progress, i, std::move(batch[i])); !taken)
      progress->settle(i, std::move(taken));
  auto outcomes = co_await finish(ctx, progress);
  if (std::ranges::all_of(outcomes, [](const auto& each) { return each || !exchange_is_gone(each.error()); }))
    co_return outcomes;
  co_return co_await repair(std::move(ctx), std::move(outcomes), seen);
}

task<std::vector<result<>>> amqp_link::send_all(context ctx, std::vector<amqp::message> several) {
  const auto progress = std::make_shared<batch_progress>(loop_, several.size());
  for (std::size_t i = 0; i < several.size(); ++i) {
    several[i].unroutable = amqp::unroutable::is_an_error;
    if (auto taken = co_await start(ctx, progress, i, std::move(several[i])); !taken)
      progress->settle(i, std::move(taken));
  }
  co_return co_await finish(std::move(ctx), progress);
}

task<result<>> amqp_link::send(context ctx, amqp::message m, late_callback late) {
  m.unroutable = amqp::unroutable::is_an_error;
  auto outcome = co_await publishing_->publish(std::move(ctx), std::move(m), std::move(late));
  count(outcome);
  co_return outcome;
}

// The callback can be handed over once, so the second attempt takes it, unless the first is undecided.
task<result<>> amqp_link::send_to_queue(context ctx, amqp::message m, amqp::queue_declare queue, late_callback late) {
  const auto shared = std::make_shared<late_callback>(std::move(late));
  const auto forward = [shared](result<> outcome) {
    if (*shared) (*shared)(std::move(outcome));
  };
  m.exchange.clear();
  m.routing_key = queue.queue;
  auto sent = co_await send(ctx, m, forward);
  if (sent || sent.error().code() != errc::not_found) co_return sent;
  if (const auto made = co_await publishing_->declare(ctx, std::move(queue), amqp::restored::no); !made)
    co_return fail(made.error().as_unprocessed());
  co_return co_await send(std::move(ctx), std::move(m), forward);
}

task<result<>> amqp_link::send_later(context ctx, amqp::message m, std::string queue, duration delay,
                                     late_callback late) {
  m.exchange.clear();
  m.routing_key = queue;
  if (delay <= duration::zero()) co_return co_await send(std::move(ctx), std::move(m), std::move(late));
  const auto waiting = retry_queue(options_, queue, delay_step(delay));
  const auto declared = declared_.find(waiting.queue);
  if (declared == declared_.end() || time_between(declared->second, loop_.now()) >= declare_again) {
    if (const auto made = co_await publishing_->declare(ctx, waiting, amqp::restored::no); !made)
      co_return fail(made.error().as_unprocessed());
    declared_[waiting.queue] = loop_.now();
  }
  co_return co_await send_to_queue(std::move(ctx), std::move(m), waiting, std::move(late));
}

}  // namespace weft::messaging
