// What becomes of a delivery.
#include "consumer_core.hpp"

namespace weft::messaging {

namespace {

std::unexpected<error> lost() { return fail(errc::aborted, "the delivery was lost, and comes again"); }

amqp::delivery named(const lane_entry& e) {
  amqp::delivery d;
  d.tag = e.tag;
  d.generation = e.generation;
  return d;
}

}  // namespace

result<> consumer_core::acknowledge(delivery_tag tag) {
  auto* e = lanes_.find(tag);
  const auto at = e == nullptr ? feeds_.end() : feeds_.find(e->feed);
  if (at == feeds_.end()) return lost();
  auto& f = *at->second;
  if (e->generation != f.ch->generation()) {  // the channel was opened again
    lanes_.drop_before(f.index, e->generation + 1);
    return lost();
  }
  f.acknowledge(e->tag);
  if (e->noted) f.notes.remove(*f.ch, e->what->id);
  lanes_.finish(*e);
  return {};
}

// Kept here, so that it is the next, and no other delivery is counted by the broker; unless this consumer takes no
// more.
result<> consumer_core::give_back(delivery_tag tag) {
  auto* e = lanes_.find(tag);
  const auto at = e == nullptr ? feeds_.end() : feeds_.find(e->feed);
  if (at == feeds_.end()) return lost();
  if (!at->second->leaving) return lanes_.give_back(*e), result<>{};
  // With an order it goes back with the others, when the channel is closed.
  if (what_.order == ordering::none) {
    at->second->acks.answered(e->tag);
    at->second->ch->nack(named(*e));
  }
  lanes_.finish(*e);
  return {};
}

amqp::message consumer_core::dead_letter(const message& m, copy_notes notes, std::string_view reason) {
  auto to = to_amqp_copy(m, notes, link_.publishing_partitioned());
  to.routing_key = names_.dead();
  using std::chrono::microseconds;
  const auto now = std::chrono::duration_cast<microseconds>(loop_.wall_now().time_since_epoch()).count();
  last_dead_ = std::max(last_dead_ + 1, static_cast<std::uint64_t>(now));
  to.properties.headers.append({std::string{amqp_header::reason}, std::string{reason}});
  to.properties.headers.append({std::string{amqp_header::number}, static_cast<std::int64_t>(last_dead_)});
  return to;
}

task<result<>> consumer_core::settle(self c, context ctx, delivery_tag tag, settlement how) {
  auto* e = c->lanes_.find(tag);
  if (e == nullptr || e->settling) co_return lost();
  result<> outcome;
  switch (how.what) {
    case settlement::kind::ack:
      outcome = c->acknowledge(tag);
      break;
    case settlement::kind::give_back:
      outcome = c->give_back(tag);
      break;
    case settlement::kind::retry:
    case settlement::kind::dead_letter:
      if (how.cause)
        add_failure(e->failures,
                    {how.cause->code(), std::string{how.cause->message()}, e->attempt, c->loop_.wall_now()});
      e->settling = true;
      outcome = how.what == settlement::kind::retry ? co_await settle_retry(c, ctx, tag, std::move(how))
                                                    : co_await settle_dead(c, ctx, tag, std::move(how));
      if (e = c->lanes_.find(tag); e != nullptr) e->settling = false;
      break;
  }
  c->wake_.set();
  c->settled_.pulse();
  if (c->stopped_ && c->lanes_.in_flight() == 0) co_await release(c, std::move(ctx));
  co_return outcome;
}

task<result<>> consumer_core::settle_retry(self c, context ctx, delivery_tag tag, settlement how) {
  auto* e = c->lanes_.find(tag);
  attempt_note next{.attempt = e->attempt, .failures = e->failures, .due = c->loop_.wall_now() + how.after};
  if (how.counting == attempt_counting::counted) ++next.attempt;
  if (c->keeps_order(*e->what) || !c->durable())
    co_return co_await settle_retry_in_order(c, std::move(ctx), tag, std::move(next), how.after);
  const auto at = c->feeds_.find(e->feed);
  if (at == c->feeds_.end()) co_return lost();
  const auto f = at->second;
  auto copy = to_amqp_copy(*e->what, {.attempt = next.attempt, .failures = &next.failures, .expires = e->expires},
                           c->link_.publishing_partitioned());
  WEFT_CO_TRY_VOID(co_await c->link_.send_later(std::move(ctx), std::move(copy), f->queue, how.after));
  co_return c->acknowledge(tag);
}

// It stays at its place in the queue, unacknowledged.
task<result<>> consumer_core::settle_retry_in_order(self c, context ctx, delivery_tag tag, attempt_note next,
                                                    duration after) {
  auto* e = c->lanes_.find(tag);
  const auto at = c->feeds_.find(e->feed);
  if (at == c->feeds_.end()) co_return lost();
  const auto f = at->second;
  const bool says_something = next.attempt != e->attempt || !next.failures.empty();
  if (c->durable() && says_something && !e->what->id.empty()) {
    WEFT_CO_TRY_VOID(co_await f->notes.write(*f->ch, std::move(ctx), e->generation, e->what->id, next));
    e = c->lanes_.find(tag);
    if (e == nullptr) co_return lost();
    e->noted = true;
  }
  e->attempt = next.attempt;
  if (f->leaving)
    c->lanes_.finish(*e);  // it goes back when the channel is closed
  else
    c->lanes_.hold(*e, after <= duration::zero() ? steady_time::min() : c->loop_.now() + after);
  co_return result<>{};
}

// Confirmed before the original is acknowledged. Nothing keeps the dead letters of an ephemeral group.
task<result<>> consumer_core::settle_dead(self c, context ctx, delivery_tag tag, settlement how) {
  auto* e = c->lanes_.find(tag);
  if (how.scope == dead_letter_scope::key)
    co_return fail(errc::unimplemented, "the broker amqp does not park what comes after a dead letter");
  if (c->durable())
    WEFT_CO_TRY_VOID(co_await c->link_.send(
        std::move(ctx),
        c->dead_letter(*e->what, {.attempt = e->attempt, .failures = &e->failures, .expires = {}}, how.reason)));
  co_return c->acknowledge(tag);
}

}  // namespace weft::messaging
