#include "journal.hpp"

namespace weft::messaging {

void sqlite_journal::taken(const queue_entry& e) {
  if (e.record == 0) return;
  hub_.notes.safe(hub_.safe_changes);
  if (const auto slot = hub_.notes.begin({.record = e.record, .taker = group_.id, .next_attempt = e.attempt + 1ULL}))
    out_.insert_or_assign(e.record, *slot);
  hub_.tell(take_message{.record = e.record, .taker = group_.id, .attempt = e.attempt});
}

void sqlite_journal::back(std::uint64_t record, std::optional<std::uint32_t> next_attempt) {
  const auto at = out_.find(record);
  if (at == out_.end()) return;
  if (next_attempt)
    hub_.notes.change(at->second, {.record = record, .taker = group_.id, .next_attempt = *next_attempt});
  hub_.notes.end(at->second, hub_.told_changes);
  out_.erase(at);
}

void sqlite_journal::changed(const queue_entry& e) {
  if (e.record == 0) return;
  auto c = std::make_unique<return_message>(return_message{.record = e.record,
                                                           .taker = group_.id,
                                                           .attempt = e.attempt,
                                                           .due = {},
                                                           .failures = format_failures(e.failures)});
  if (e.is == queue_entry::state::delayed) c->due = e.due;
  hub_.tell(std::move(c));
  back(e.record, e.attempt);
}

void sqlite_journal::gone(const queue_entry& e) {
  if (e.record == 0) return;
  hub_.let_go(e.record, group_.id);
  back(e.record, {});
}

void sqlite_journal::buried(const queue_entry& e, const dead_letter_entry& as) {
  hub_.tell(std::make_unique<bury_message>(bury_message{.taker = group_.id, .letter = as}));
  gone(e);
}

void sqlite_journal::purged(const dead_letter_entry& d) {
  hub_.tell(purge_letter{.taker = group_.id, .number = d.number});
}

void sqlite_journal::replayed(const dead_letter_entry& d, queue_entry& e) {
  e.record = hub_.next_record++;
  auto c = std::make_unique<replay_message>(
      replay_message{.record = e.record, .taker = group_.id, .expires = {}, .what = d.what});
  if (e.expires != steady_time::max()) c->expires = e.expires;
  hub_.tell(std::move(c));
  purged(d);
}

}  // namespace weft::messaging
