#include "attempt_notes.hpp"

#include <algorithm>

namespace weft::messaging {

namespace {

attempt_note read(const amqp::properties& p) {
  attempt_note note;
  if (const auto* attempt = p.headers.find(amqp_header::attempt))
    note.attempt = static_cast<std::uint32_t>(std::clamp<std::int64_t>(attempt->integer().value_or(1), 1, 1'000'000));
  if (const auto* failures = p.headers.find(amqp_header::failures))
    if (const auto* text = failures->as<std::string>()) note.failures = parse_failures(*text);
  if (const auto* due = p.headers.find(amqp_header::due)) note.due = wall_time_of(due->integer().value_or(0));
  return note;
}

}  // namespace

void attempt_notes::take_away(amqp::channel& ch, const amqp::delivery& d) {
  acks_.answered(d.tag);
  ch.ack(d);
}

task<result<>> attempt_notes::collect(amqp::channel& ch, context ctx, std::uint64_t generation) {
  const ack_batch::unnamed coming{acks_};
  for (;;) {
    std::optional<amqp::delivery> got;
    if (ch.generation() == generation) {
      WEFT_CO_TRY(got, co_await ch.get(ctx, queue_.queue));
    }
    // Of a later one nothing may be held before its consumer knows of it, and asks for what is written anew.
    if (ch.generation() != generation) {
      if (got) ch.nack(*got);
      co_return fail(errc::aborted, "the channel was opened again");
    }
    if (!got) co_return result<>{};
    acks_.delivered(got->tag);
    held_note fresh{.note = read(got->message.properties), .from = {}};
    fresh.from.tag = got->tag;
    fresh.from.generation = got->generation;
    const auto [at, is_new] = held_.try_emplace(got->message.properties.message_id, fresh);
    if (is_new) continue;
    // The newer one stays: attempts only grow.
    const bool newer = fresh.note.attempt >= at->second.note.attempt;
    take_away(ch, newer ? at->second.from : fresh.from);
    if (newer) at->second = std::move(fresh);
  }
}

task<result<>> attempt_notes::load(amqp::channel& ch, context ctx, std::uint64_t generation) {
  if (const auto collected = co_await collect(ch, ctx, generation); !collected) {
    // Somebody deleted it, and the channel is gone with the question: it is there for the next one.
    if (collected.error().code() == errc::not_found)
      static_cast<void>(co_await link_.topology().declare(std::move(ctx), queue_));
    co_return collected;
  }
  loaded_ = true;
  co_return result<>{};
}

const attempt_note* attempt_notes::find(const std::string& id) const {
  const auto at = held_.find(id);
  return at == held_.end() ? nullptr : &at->second.note;
}

task<result<>> attempt_notes::write(amqp::channel& ch, context ctx, std::uint64_t generation, std::string id,
                                    attempt_note note) {
  amqp::message m{.routing_key = queue_.queue};
  m.properties.message_id = std::move(id);
  m.properties.headers = {{std::string{amqp_header::attempt}, std::int64_t{note.attempt}},
                          {std::string{amqp_header::failures}, format_failures(note.failures)},
                          {std::string{amqp_header::due}, milliseconds_of(note.due)}};
  fit_notes(m.properties, link_.frame_max());
  WEFT_CO_TRY_VOID(co_await link_.send_to_queue(ctx, std::move(m), queue_));
  co_return co_await load(ch, std::move(ctx), generation);
}

void attempt_notes::remove(amqp::channel& ch, const std::string& id) {
  const auto at = held_.find(id);
  if (at == held_.end()) return;
  take_away(ch, at->second.from);
  held_.erase(at);
}

}  // namespace weft::messaging
