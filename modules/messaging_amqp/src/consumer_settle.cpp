// What becomes of a delivery. Whatever fails here, the delivery ends in something: it is settled, or it waits in this
// consumer for its next attempt, or it is lost with its channel and comes again.
#include <weft/base/saturating.hpp>
#include <weft/base/utf8.hpp>

#include "consumer_core.hpp"
#include "sansio/delay_steps.hpp"

namespace weft::messaging {

namespace {

constexpr auto refused_pause = std::chrono::seconds{30};  // after a dead letter that was given up turned out refused

std::unexpected<error> lost() { return fail(errc::aborted, "the delivery was lost, and comes again"); }

amqp::delivery named(const lane_entry& e) {
  amqp::delivery d;
  d.tag = e.tag;
  d.generation = e.generation;
  return d;
}

// The caller's time is over, and the broker has not confirmed what it was sent: it may have it.
bool undecided(const error& e) noexcept {
  return !e.unprocessed() && (e.code() == errc::deadline_exceeded || e.code() == errc::cancelled);
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

// It waits for its next attempt in this consumer, unacknowledged in the broker.
result<> consumer_core::hold(delivery_tag tag, attempt_note next, duration after) {
  auto* e = lanes_.find(tag);
  const auto at = e == nullptr ? feeds_.end() : feeds_.find(e->feed);
  if (at == feeds_.end()) return lost();
  if (at->second->leaving) return give_back(tag);
  e->attempt = next.attempt;
  e->failures = std::move(next.failures);
  lanes_.hold(*e, after <= duration::zero() ? steady_time::min() : later(loop_.now(), after));
  return {};
}

amqp::message consumer_core::dead_letter(const message& m, copy_notes notes, std::string_view reason) {
  auto to = to_amqp_copy(m, notes, link_.publishing_partitioned());
  to.routing_key = names_.dead();
  using std::chrono::microseconds;
  const auto now = std::chrono::duration_cast<microseconds>(loop_.wall_now().time_since_epoch()).count();
  last_dead_ = std::max(last_dead_ + 1, static_cast<std::uint64_t>(now));
  to.properties.headers.append({std::string{amqp_header::reason}, clean_text(reason, max_note_text)});
  to.properties.headers.append({std::string{amqp_header::number}, static_cast<std::int64_t>(last_dead_)});
  fit_notes(to.properties, link_.frame_max());
  return to;
}

// With this failure; its text may be of any length, and of any bytes.
attempt_note consumer_core::note_of(const lane_entry& e, const std::optional<error>& cause) const {
  attempt_note note{.attempt = e.attempt, .failures = e.failures, .due = {}};
  if (cause)
    add_failure(note.failures,
                {cause->code(), clean_text(cause->message(), max_note_text), e.attempt, loop_.wall_now()});
  return note;
}

task<result<>> consumer_core::settle(self c, context ctx, delivery_tag tag, settlement how) {
  auto* e = c->lanes_.find(tag);
  if (e == nullptr) co_return lost();
  if (const auto under_way = e->settling) {
    WEFT_CO_TRY_VOID(co_await under_way->done.wait(ctx));
    co_return *under_way->outcome;
  }
  result<> outcome;
  if (how.what == settlement::kind::ack) {
    outcome = c->acknowledge(tag);
  } else if (how.what == settlement::kind::give_back) {
    outcome = c->give_back(tag);
  } else {
    const auto progress = std::make_shared<settlement_progress>(c->loop_);
    e->settling = progress;
    outcome = how.what == settlement::kind::retry ? co_await settle_retry(c, ctx, tag, std::move(how), progress)
                                                  : co_await settle_dead(c, ctx, tag, std::move(how), progress);
    if (!progress->undecided) c->end_settling(tag, *progress, outcome);
  }
  c->settled_one();
  if (c->stopped_ && c->lanes_.in_flight() == 0) co_await release(c, std::move(ctx));
  co_return outcome;
}

void consumer_core::settled_one() {
  wake_.set();
  settled_.pulse();
}

// Who waits for the same hears of it. What failed may be settled again.
void consumer_core::end_settling(delivery_tag tag, settlement_progress& progress, const result<>& outcome) {
  progress.outcome = outcome;
  progress.done.set();
  if (auto* e = lanes_.find(tag); e != nullptr && e->settling.get() == &progress) e->settling = nullptr;
}

// The settlement of one whose caller gave up: the broker has the copy after all, or refused it.
void consumer_core::decided_late(const self& c, delivery_tag tag, settlement_progress& progress, const result<>& copied,
                                 attempt_note next, duration after) {
  const auto outcome = copied ? c->acknowledge(tag) : c->hold(tag, std::move(next), after);
  c->end_settling(tag, progress, outcome);
  c->settled_one();
  if (c->stopped_ && c->lanes_.in_flight() == 0)
    c->link_.spawn(release(c, context{}.with_timeout(c->loop_, closing_time)));
}

amqp::channel::settled_callback consumer_core::when_decided(const self& c, delivery_tag tag,
                                                            std::shared_ptr<settlement_progress> progress,
                                                            attempt_note next, duration after) {
  return [c, tag, progress = std::move(progress), next = std::move(next), after](const result<>& copied) {
    decided_late(c, tag, *progress, copied, next, after);
  };
}

task<result<>> consumer_core::settle_retry(self c, context ctx, delivery_tag tag, settlement how,
                                           std::shared_ptr<settlement_progress> progress) {
  auto* e = c->lanes_.find(tag);
  const auto after = std::min<duration>(how.after, max_amqp_delay);
  auto next = c->note_of(*e, how.cause);
  next.due = later(c->loop_.wall_now(), after);
  if (how.counting == attempt_counting::counted) ++next.attempt;
  if (c->keeps_order(*e->what) || !c->durable())
    co_return co_await settle_retry_in_order(c, std::move(ctx), tag, std::move(next), after);
  const auto at = c->feeds_.find(e->feed);
  if (at == c->feeds_.end()) co_return lost();
  const auto f = at->second;
  auto copy = to_amqp_copy(*e->what, {.attempt = next.attempt, .failures = &next.failures, .expires = e->expires},
                           c->link_.publishing_partitioned());
  fit_notes(copy.properties, c->link_.frame_max());
  auto late = when_decided(c, tag, progress, next, after);
  const auto sent = co_await c->link_.send_later(std::move(ctx), std::move(copy), f->queue, after, std::move(late));
  if (sent) co_return c->acknowledge(tag);
  if (undecided(sent.error())) {
    progress->undecided = true;
    co_return fail(sent.error());
  }
  // It cannot wait in the broker now (short of memory, say): then it does here, where it takes a place of the prefetch.
  co_return c->hold(tag, std::move(next), after);
}

// It stays at its place in the queue, unacknowledged. Its attempts are written down for others, if that can be done
// now.
task<result<>> consumer_core::settle_retry_in_order(self c, context ctx, delivery_tag tag, attempt_note next,
                                                    duration after) {
  auto* e = c->lanes_.find(tag);
  const auto at = c->feeds_.find(e->feed);
  if (at == c->feeds_.end()) co_return lost();
  const auto f = at->second;
  const bool says_something = next.attempt != e->attempt || !next.failures.empty();
  if (c->durable() && says_something && !e->what->id.empty()) {
    const auto written = co_await f->notes.write(*f->ch, std::move(ctx), e->generation, e->what->id, next);
    e = c->lanes_.find(tag);
    if (e == nullptr || (!written && written.error().code() == errc::aborted)) co_return lost();
    e->noted = true;
  }
  if (f->leaving) co_return c->lanes_.finish(*e), result<>{};  // it goes back when the channel is closed
  co_return c->hold(tag, std::move(next), after);
}

// Confirmed before the original is acknowledged. Nothing keeps the dead letters of an ephemeral group.
task<result<>> consumer_core::settle_dead(self c, context ctx, delivery_tag tag, settlement how,
                                          std::shared_ptr<settlement_progress> progress) {
  auto* e = c->lanes_.find(tag);
  if (how.scope == dead_letter_scope::key)
    co_return fail(errc::unimplemented, "the broker amqp does not park what comes after a dead letter");
  if (!c->durable()) co_return c->acknowledge(tag);
  auto next = c->note_of(*e, how.cause);
  auto letter =
      c->dead_letter(*e->what, {.attempt = e->attempt, .failures = &next.failures, .expires = {}}, how.reason);
  auto late = when_decided(c, tag, progress, next, refused_pause);
  const auto sent = co_await c->link_.send_to_queue(std::move(ctx), std::move(letter),
                                                    dead_queue(c->link_.options(), c->names_), std::move(late));
  if (sent) co_return c->acknowledge(tag);
  progress->undecided = undecided(sent.error());
  co_return fail(sent.error());
}

}  // namespace weft::messaging
