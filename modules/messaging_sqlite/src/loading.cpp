// The groups as the file has them.
#include <algorithm>

#include "hub.hpp"

namespace weft::messaging {

namespace {

storage::sqlite_options file_options(const sqlite_broker_options& options) {
  return {.path = options.path,
          .disk = options.disk,
          .checkpoint_pages = options.checkpoint_pages,
          .result_bytes = std::max<std::size_t>(64UL << 20, 2 * options.max_message_bytes)};
}

}  // namespace

result<> sqlite_hub::state::load(loop& clock, clock_offset now) {
  WEFT_TRY(store, sqlite_store::open(clock, file_options(options)));
  WEFT_TRY_VOID(load_groups());
  WEFT_TRY_VOID(load_letters());
  if (ids.on()) WEFT_TRY_VOID(load_ids());
  WEFT_TRY(const auto earlier, notes.open(options.path, options.disk));
  WEFT_TRY_VOID(load_messages(now, earlier));
  return take_over_notes(now);
}

// What the notes say goes into the database first. A disk that is full, say, keeps nobody from what is there.
result<> sqlite_hub::state::take_over_notes(clock_offset now) {
  if (changes.empty()) return notes.clear();
  const auto written = store->write({.changes = changes, .published = {}, .ids = {}}, now);
  if (!written) {
    notes.keep_earlier();
    return {};
  }
  changes.clear();
  safe_changes = told_changes;
  anything = !publishes.empty();
  return notes.clear();
}

result<> sqlite_hub::state::load_ids() {
  for (std::uint64_t after = 0;;) {
    WEFT_TRY(auto stored, store->ids(after));
    if (stored.empty()) return {};
    after = stored.back().row;
    for (auto& each : stored) ids.add(std::move(each));
  }
}

result<> sqlite_hub::state::load_groups() {
  WEFT_TRY(const auto stored, store->groups());
  for (const auto& g : stored) {
    auto* group = groups.find(g.name);
    if (group == nullptr) group = groups.add_group(g.name, lifetime::durable, g.order).get();
    group->id = g.id;
    next_group = std::max(next_group, g.id + 1);
    group->patterns.clear();
    for (const auto& text : g.patterns) {
      WEFT_TRY(auto p, topic_pattern::parse(text));
      group->patterns.push_back(std::move(p));
    }
    group->queue->restore_dead_number(g.last_dead_letter);
    by_id_[g.id] = group;
  }
  groups.routes.clear();
  return {};
}

result<> sqlite_hub::state::load_letters() {
  for (std::uint64_t after = 0;;) {
    WEFT_TRY(auto stored, store->letters(after));
    if (stored.empty()) return {};
    for (auto& s : stored) {
      after = s.row;
      const auto group = by_id_.find(s.taker);
      if (group == by_id_.end()) continue;
      s.letter.group = group->second->name;
      group->second->queue->restore(std::move(s.letter));
    }
  }
}

result<> sqlite_hub::state::load_messages(clock_offset now, const earlier_notes& earlier) {
  for (std::uint64_t after = 0;;) {
    WEFT_TRY(const auto stored, store->messages(after));
    if (stored.empty()) return {};
    for (const auto& m : stored) restore(m, now, earlier);
    after = stored.back().record;
    next_record = after + 1;
  }
}

void sqlite_hub::state::restore(const stored_message& m, clock_offset now, const earlier_notes& earlier) {
  const auto to_steady = [&](const std::optional<wall_time>& at) {
    return at ? std::optional{now.to_steady(*at)} : std::nullopt;
  };
  struct part {
    hub_group* group;
    const stored_progress* progress;
  };
  std::vector<part> parts;
  for (const auto taker : m.takers) {
    const auto group = by_id_.find(taker);
    const auto progress = std::ranges::find(m.progress, taker, &stored_progress::taker);
    const auto* known = progress == m.progress.end() ? nullptr : &*progress;
    if (group != by_id_.end() && (known == nullptr || !known->settled)) parts.push_back({group->second, known});
  }
  if (parts.empty()) return tell(erase_message{m.record});
  if (parts.size() > 1) shared.emplace(m.record, static_cast<std::uint32_t>(parts.size()));
  for (const auto& [group, progress] : parts) {
    group_queue::restored r{.what = m.what, .record = m.record, .due = to_steady(m.due), .failures = {}};
    if (m.expires) r.expires = now.to_steady(*m.expires);
    if (progress != nullptr) {  // it has been out before; when its process died meanwhile, that was an attempt
      r.attempt = progress->attempt + (progress->taken ? 1 : 0);
      r.redelivered = true;
      r.due = to_steady(progress->due);
      r.failures = progress->failures;
    }
    if (const auto out = earlier.find({m.record, group->id});
        out != earlier.end() && (progress == nullptr || r.attempt < out->second)) {  // and it was out once more
      r.attempt = std::max(r.attempt, out->second);
      r.redelivered = true;
      r.due.reset();
      tell(std::make_unique<return_message>(return_message{.record = m.record,
                                                           .taker = group->id,
                                                           .attempt = r.attempt,
                                                           .due = {},
                                                           .failures = format_failures(r.failures)}));
    }
    group->queue->restore(std::move(r), now.wall);
  }
}

result<> sqlite_hub::state::start_again(loop& clock, blocking_disk* disk, clock_offset now) {
  groups.lose_everything_in_flight();
  for (const auto& p : publishes) {
    refuse(*p);
    finish(*p, fail(errc::unavailable, "the broker was restarted"), nullptr);
  }
  publishes.clear();
  for (const auto& w : std::exchange(waiting, {})) {
    w->outcome = fail(errc::unavailable, "the broker was restarted");
    group_hub::wake(w->who, nullptr);
  }
  end_replays(std::exchange(replays, {}), fail(errc::unavailable, "the broker was restarted"));
  changes.clear();
  safe_changes = told_changes;
  shared.clear();
  by_id_.clear();
  ids.clear();
  ++groups.epoch;
  for (const auto& [name, g] : groups.groups)
    g->queue = std::make_unique<group_queue>(g->name, g->order, groups.limits.queue, groups.epoch, g->journal.get());
  store.reset();
  if (disk != nullptr) options.disk = disk;
  WEFT_TRY_VOID(load(clock, now));
  for (const auto& [name, g] : groups.groups) {
    if (g->journal && !by_id_.contains(g->id)) patterns_changed(*g);  // its definition was not committed
    while (!g->idle.empty()) group_hub::wake_consumer(*g, nullptr);
    group_hub::notify(*g, nullptr);
  }
  return {};
}

}  // namespace weft::messaging
