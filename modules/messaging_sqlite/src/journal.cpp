#include "journal.hpp"

namespace weft::messaging {

void sqlite_journal::taken(const queue_entry& e) {
  if (e.record != 0) hub_.tell(take_message{.record = e.record, .taker = group_.id, .attempt = e.attempt});
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
}

void sqlite_journal::gone(const queue_entry& e) {
  if (e.record != 0) hub_.let_go(e.record, group_.id);
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
