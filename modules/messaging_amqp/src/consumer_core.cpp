#include "consumer_core.hpp"

#include <weft/base/saturating.hpp>

#include <algorithm>

namespace weft::messaging {

namespace {
constexpr std::uint32_t most_prefetch = 65'535;
constexpr std::int64_t deliveries_alone = 2;  // that a suspect is given
}  // namespace

void consumer_feed::acknowledge(std::uint64_t tag) {
  acks.acknowledge(tag);
  if (acks.waiting() >= acks_at_once)
    run();
  else
    on.schedule(*this);
}

void consumer_feed::run() {
  unschedule();
  const auto frames = acks.take();
  amqp::delivery d;
  d.generation = generation;
  if (d.tag = frames.up_to; d.tag != 0) ch->ack(d, amqp::cumulative::yes);
  for (const auto tag : frames.single) {
    d.tag = tag;
    ch->ack(d);
  }
}

void consumer_feed::begin_generation(std::uint64_t number) {
  generation = number;
  notes.forget();
  acks.clear();
}

consumer_core::consumer_core(amqp_link& link, group_names names, subscription what)
    : link_{link},
      loop_{link.on()},
      names_{std::move(names)},
      what_{std::move(what)},
      life_{link.life().cancellation()},
      life_context_{context{}.with_cancellation(life_.token())},
      lanes_{what_.order, link.options().queues == amqp_queues::classic ? key_lanes::preference::priority
                                                                        : key_lanes::preference::age},
      wake_{loop_},
      settled_{loop_},
      told_{loop_} {
  link_.add(*this);
}

consumer_core::~consumer_core() {
  if (!abandoned_) link_.remove(*this);
}

std::uint16_t consumer_core::broker_prefetch() const noexcept {
  const auto ahead = what_.order == ordering::per_key ? link_.options().lookahead : 0U;
  return static_cast<std::uint16_t>(std::min<std::uint64_t>(std::uint64_t{what_.prefetch} + ahead, most_prefetch));
}

// Of a small prefetch every acknowledgement brings the next message.
std::size_t consumer_core::acks_at_once() const noexcept { return std::clamp<std::size_t>(what_.prefetch / 8, 1, 64); }

task<result<>> consumer_core::attach(self c, context ctx, std::uint32_t index, std::string queue) {
  const auto f = std::make_shared<consumer_feed>(index, queue, c->link_, c->acks_at_once());
  WEFT_CO_TRY(f->ch,
              co_await c->link_.consuming_channel(
                  ctx, {.confirms = amqp::confirms::off, .confirm_window = 1, .prefetch = c->broker_prefetch()}));
  if (c->ended()) co_return fail(errc::cancelled, "the consumer was stopped");
  WEFT_CO_TRY(f->from, co_await f->ch->consume(std::move(ctx), {.queue = std::move(queue)}));
  if (c->ended()) co_return fail(errc::cancelled, "the consumer was stopped");
  c->feeds_[index] = f;
  c->link_.spawn(pump(c, f));
  co_return result<>{};
}

std::vector<std::uint32_t> consumer_core::attached() const {
  std::vector<std::uint32_t> list;
  for (const auto& [index, f] : feeds_)
    if (!f->leaving) list.push_back(index);
  return list;
}

// What it holds that was not handed out goes back when the channel is closed, in its place.
void consumer_core::leave(consumer_feed& f) {
  f.leaving = true;
  lanes_.drop_idle(f.index);
}

task<void> consumer_core::detach(self c, context ctx, std::uint32_t index) {
  const auto at = c->feeds_.find(index);
  if (at == c->feeds_.end() || at->second->leaving) co_return;
  const auto f = at->second;
  c->leave(*f);
  while (c->lanes_.in_flight_of(index) > 0)
    if (!co_await c->settled_.wait(ctx)) co_return;
  co_await close_feed(f, ctx);
  if (const auto still = c->feeds_.find(index); still != c->feeds_.end() && still->second == f) c->feeds_.erase(still);
}

task<void> consumer_core::close_feed(feed_ptr f, context ctx) {
  f->run();
  static_cast<void>(co_await f->ch->close(std::move(ctx)));
}

task<void> consumer_core::forget_queue(amqp_link& link, std::string queue) {
  const auto ctx = context{}.with_timeout(link.on(), closing_time);
  static_cast<void>(
      co_await link.topology().remove(ctx, amqp::queue_delete{.queue = std::move(queue), .if_unused = true}));
}

// ---- deliveries

task<void> consumer_core::pump(self c, feed_ptr f) {
  for (;;) {
    auto d = f->from->try_next();
    if (!d) {
      c->wake_.set();
      auto got = co_await f->from->next(c->life_context_);
      if (!got) {
        if (f->leaving || c->ended()) co_return;
        c->closed_ = error{errc::failed_precondition, "the broker was closed"};
        co_return c->wake_.set();
      }
      d = *std::move(got);
    }
    c->saw_generation(*f, d->generation);
    f->acks.delivered(d->tag);
    if (f->leaving) continue;
    const bool suspect = c->delivered_too_often(*d);
    if ((suspect || (d->redelivered && c->what_.order == ordering::per_key)) && !co_await prepare(c, f, *d)) continue;
    if (f->leaving || d->generation != f->ch->generation()) continue;
    c->admit(*f, *std::move(d));
    if (suspect && !co_await nothing_is_out(c)) co_return;
  }
}

void consumer_core::saw_generation(consumer_feed& f, std::uint64_t generation) {
  if (generation == f.generation) return;
  f.begin_generation(generation);
  lanes_.drop_before(f.index, generation);
}

bool consumer_core::delivered_too_often(const amqp::delivery& d) const noexcept {
  const auto limit = link_.options().delivery_limit;
  if (limit == 0 || !d.redelivered || !durable()) return false;
  return d.delivery_count().value_or(0) >= limit;
}

// What has to be known of a message that was out before. False: it is not to be handed out.
//
// One that the broker delivered very often may be what ends its consumers; or it was only fetched with that one each
// time. So such suspects are handed out alone, in the order of the queue: then the one that ends the consumer is the
// first that its successor gets, and that one is put away.
task<bool> consumer_core::prepare(self c, feed_ptr f, amqp::delivery& d) {
  if (c->durable() && c->what_.order == ordering::per_key && !f->notes.loaded()) {
    const auto loaded = co_await f->notes.load(*f->ch, c->life_context_, d.generation);
    if (!loaded) co_return false;  // the channel is lost, and the delivery with it: it comes again
  }
  if (!c->delivered_too_often(d)) co_return true;
  const bool first = !std::exchange(c->seen_suspects_, true);
  const auto certain = std::int64_t{c->link_.options().delivery_limit} + deliveries_alone;
  if (first && d.delivery_count().value_or(0) >= certain) co_return !co_await buried_unhandled(c, f, d);
  co_return co_await nothing_is_out(c);
}

task<bool> consumer_core::nothing_is_out(self c) {
  c->wake_.set();
  while (!c->lanes_.idle())
    if (!co_await c->settled_.wait(c->life_context_)) co_return false;
  co_return !c->ended();
}

task<bool> consumer_core::buried_unhandled(self c, feed_ptr f, amqp::delivery d) {
  const auto count = d.delivery_count().value_or(0);
  auto r = from_amqp(amqp::message{d.message});
  const auto sent = co_await c->link_.send(
      c->life_context_.with_timeout(c->loop_, closing_time),
      c->dead_letter(*r.what, {.attempt = r.attempt, .failures = &r.failures, .expires = {}},
                     "delivered " + std::to_string(count) + " times before, and never answered"));
  if (!sent) co_return false;
  if (d.generation == f->generation) f->acknowledge(d.tag);
  co_return true;
}

void consumer_core::admit(consumer_feed& f, amqp::delivery&& d) {
  auto r = from_amqp(std::move(d.message));
  lane_entry e{
      .what = std::move(r.what), .attempt = r.attempt, .failures = std::move(r.failures), .expires = r.expires};
  e.feed = f.index;
  e.generation = d.generation;
  e.tag = d.tag;
  e.redelivered = d.redelivered || r.attempt > 1;
  if (e.redelivered) link_.count_redelivery();
  std::optional<steady_time> due;
  if (const auto* note = e.redelivered ? f.notes.find(e.what->id) : nullptr) {
    e.attempt = std::max(e.attempt, note->attempt);
    e.failures = note->failures;
    e.noted = true;
    if (const auto left = note->due - loop_.wall_now(); left > duration::zero()) due = later(loop_.now(), left);
  }
  lanes_.add(std::move(e), due);
}

std::optional<raw_delivery> consumer_core::take() {
  for (;;) {
    if (ended() || lanes_.in_flight() >= what_.prefetch) return std::nullopt;
    auto* e = lanes_.take(loop_.now());
    if (e == nullptr) return std::nullopt;
    if (e->expires && *e->expires <= loop_.wall_now()) {
      static_cast<void>(acknowledge(key_lanes::tag_of(*e)));
      settled_.pulse();
      continue;
    }
    return raw_delivery{.what = e->what,
                        .attempt = e->attempt,
                        .redelivered = e->redelivered,
                        .tag = key_lanes::tag_of(*e),
                        .failures = e->failures};
  }
}

task<result<std::optional<raw_delivery>>> consumer_core::next(self c, context ctx) {
  WEFT_CO_TRY_VOID(ctx.check(c->loop_.now()));
  for (;;) {
    if (std::exchange(c->lost_, false) && !c->ended()) {
      c->told_.pulse();
      co_return fail(errc::aborted, "the group was lost with its connection, and what was in it; it is there again");
    }
    if (auto d = c->take()) co_return d;
    if (c->ended()) co_return std::nullopt;
    if (c->closed_) co_return fail(*c->closed_);
    c->wake_.reset();
    // With the prefetch out, only a settlement helps.
    const auto due = c->lanes_.in_flight() < c->what_.prefetch ? c->lanes_.next_due() : std::nullopt;
    if (const auto woken = co_await c->wake_.wait(due ? ctx.with_deadline(*due) : ctx); !woken)
      if (!due || c->loop_.now() < *due || !ctx.check(c->loop_.now())) co_return fail(woken.error());
  }
}

// ---- the end

task<result<>> consumer_core::stop(self c, context ctx) {
  if (c->stopped_) co_return result<>{};
  c->stopped_ = true;
  c->wake_.set();
  c->told_.pulse();
  for (const auto& f : std::vector<std::pair<std::uint32_t, feed_ptr>>{c->feeds_.begin(), c->feeds_.end()}) {
    auto idle = c->lanes_.drop_idle(f.first);
    f.second->leaving = true;
    // With an order, the next consumer of the queue has to wait for what is in flight here.
    if (c->what_.order == ordering::per_key) continue;
    static_cast<void>(co_await f.second->from->cancel(ctx));
    for (const auto& e : idle) {
      amqp::delivery d;
      d.tag = e.tag;
      d.generation = e.generation;
      f.second->acks.answered(e.tag);
      f.second->ch->nack(d);
    }
  }
  if (c->lanes_.in_flight() == 0) co_await release(c, ctx);
  co_return result<>{};
}

task<void> consumer_core::release(self c, context ctx) {
  if (std::exchange(c->released_, true)) co_return;
  const auto feeds = std::exchange(c->feeds_, {});
  for (const auto& [index, f] : feeds) co_await close_feed(f, ctx);
  c->life_.cancel();
  if (!c->durable()) c->link_.spawn(forget_queue(c->link_, c->names_.base));
}

void consumer_core::abandon() {
  if (std::exchange(abandoned_, true)) return;
  link_.remove(*this);
  life_.cancel();
  wake_.set();
  settled_.pulse();
  told_.pulse();
  for (const auto& [index, f] : std::exchange(feeds_, {})) {
    f->run();  // what was acknowledged, should the loop not turn any more
    link_.spawn(close_feed(f, context{}.with_timeout(loop_, closing_time)));
  }
  if (!std::exchange(released_, true) && !durable()) link_.spawn(forget_queue(link_, names_.base));
}

// ---- losses

void consumer_core::forget_deliveries(consumer_feed& f) {
  f.begin_generation(f.generation);
  lanes_.drop_before(f.index, f.generation + 1);
}

void consumer_core::connection_lost(const self& c) {
  for (const auto& [index, f] : c->feeds_) {
    c->forget_deliveries(*f);
    interrupted(c, f);
  }
  c->settled_one();
}

void consumer_core::channel_lost(const self& c) {
  for (const auto& [index, f] : c->feeds_)
    if (!f->ch->ready()) {
      c->forget_deliveries(*f);
      interrupted(c, f);
    }
  c->settled_one();
}

void consumer_core::queue_lost(const self& c, std::string_view queue) {
  for (const auto& [index, f] : c->feeds_)
    if (f->queue == queue) interrupted(c, f);
}

// What is in a durable group waits for its consumer.
void consumer_core::interrupted(const self& c, const feed_ptr& f) {
  if (c->durable() || c->ended() || std::exchange(f->returning, true)) return;
  c->link_.spawn(tell_of_loss(c, f));
}

task<result<>> consumer_core::attached(self c, context ctx) {
  while (!c->ended()) {
    const auto feeds = c->feeds_;
    const auto away = std::ranges::find_if(feeds, [](const auto& each) { return !each.second->from->attached(); });
    const bool untold = c->lost_ || std::ranges::any_of(feeds, [](const auto& each) { return each.second->returning; });
    if (away != feeds.end())
      WEFT_CO_TRY_VOID(co_await away->second->from->wait_attached(ctx));
    else if (untold)
      WEFT_CO_TRY_VOID(co_await c->told_.wait(ctx));
    else
      break;
  }
  co_return result<>{};
}

task<void> consumer_core::tell_of_loss(self c, feed_ptr f) {
  const auto back = co_await f->from->wait_attached(c->life_context_);
  f->returning = false;
  if (!back) co_return c->told_.pulse();
  c->lost_ = true;
  c->wake_.set();
}

}  // namespace weft::messaging
