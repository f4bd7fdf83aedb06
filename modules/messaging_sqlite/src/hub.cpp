#include "hub.hpp"

#include <weft/runtime/blocking.hpp>
#include <weft/runtime/sleep.hpp>

#include <algorithm>

#include "journal.hpp"

namespace weft::messaging {

using guard = group_hub::guard;

result<> sqlite_broker_options::validate() const {
  const auto positive = [](std::size_t value, std::string_view name) -> result<> {
    if (value == 0) return fail(errc::invalid_argument, std::string{name} + ": at least 1");
    return {};
  };
  if (path.empty()) return fail(errc::invalid_argument, "path: the broker needs a file");
  if (path == ":memory:")
    return fail(error{errc::invalid_argument, "path: ':memory:' is no file"}.with_remedy("use the broker memory:"));
  WEFT_TRY_VOID(positive(max_messages, "max_messages"));
  WEFT_TRY_VOID(positive(max_bytes, "max_bytes"));
  WEFT_TRY_VOID(positive(max_groups, "max_groups"));
  WEFT_TRY_VOID(positive(max_message_bytes, "max_message_bytes"));
  WEFT_TRY_VOID(positive(commit_messages, "commit_messages"));
  WEFT_TRY_VOID(positive(commit_bytes, "commit_bytes"));
  if (checkpoint_pages < 1) return fail(errc::invalid_argument, "checkpoint_pages: at least 1");
  if (max_message_bytes > 256UL * 1024 * 1024)
    return fail(errc::invalid_argument, "max_message_bytes: at most 256 MiB");
  WEFT_TRY_VOID(positive(max_remembered_ids, "max_remembered_ids"));
  if (remember_ids < duration::zero()) return fail(errc::invalid_argument, "remember_ids: negative");
  if (publish_wait < duration::zero()) return fail(errc::invalid_argument, "publish_wait: negative");
  return {};
}

sqlite_hub::state::state(sqlite_broker_options o)
    : groups{{.queue = {o.max_messages, o.max_bytes, o.max_dead_letters}, .max_groups = o.max_groups}, this},
      options{std::move(o)},
      ids{options.remember_ids, options.max_remembered_ids} {
  if (options.metrics != nullptr) add_metrics();
}
sqlite_hub::state::~state() = default;

void sqlite_hub::state::add_metrics() {
  auto& registry = *options.metrics;
  commits_ = registry.add_counter("weft_messaging_sqlite_commits_total", "Commits of the sqlite: broker.");
  published_ = registry.add_counter("weft_messaging_sqlite_published_total", "Messages in those commits.");
  failures_ = registry.add_counter("weft_messaging_sqlite_failed_commits_total", "Commits that the disk refused.");
  struct kind {
    const char* name;
    std::uint64_t group_depth::* member;
  };
  for (const auto& [name, member] : {kind{"ready", &group_depth::ready}, kind{"in_flight", &group_depth::in_flight},
                                     kind{"delayed", &group_depth::delayed}, kind{"dead", &group_depth::dead}})
    depths_.push_back(registry.add_callback(observe::callback_kind::gauge, "weft_messaging_sqlite_messages",
                                            "Messages in the groups of the sqlite: broker.",
                                            [this, m = member] {
                                              double sum = 0;
                                              for (const auto& d : groups.depths()) sum += static_cast<double>(d.*m);
                                              return sum;
                                            },
                                            {{"file", options.path}, {"state", name}}));
}

// ---- what the groups tell

void sqlite_hub::state::open(hub_group& g) {
  g.id = next_group++;
  g.journal = std::make_unique<sqlite_journal>(*this, g);
}

void sqlite_hub::state::patterns_changed(const hub_group& g) {
  std::string patterns;
  for (const auto& p : g.patterns) patterns += p.text() + "\n";
  tell(std::make_unique<define_group>(
      define_group{.taker = g.id, .name = g.name, .order = g.order, .patterns = std::move(patterns)}));
}

void sqlite_hub::state::removed(const hub_group& g) {
  g.queue->for_each([&](const queue_entry& e) {
    if (e.record != 0) let_go(e.record, g.id);
  });
  tell(messaging::remove_group{.taker = g.id});
}

void sqlite_hub::state::tell(change c) {
  changes.push_back(std::move(c));
  ++told_changes;
  anything.store(true, std::memory_order_release);
}

void sqlite_hub::state::let_go(std::uint64_t record, std::uint64_t taker) {
  if (!shared.empty()) {
    if (const auto at = shared.find(record); at != shared.end()) {
      if (--at->second > 0) return tell(settle_message{.record = record, .taker = taker});
      shared.erase(at);
    }
  }
  tell(erase_message{record});
}

// ---- publishing

sqlite_hub::state::admission sqlite_hub::state::admit(const pending_publish_ptr& p, const std::vector<outgoing>& batch,
                                                      loop& l, const hub_group* served) {
  struct room_needed {
    const hub_group_ptr* group;
    std::size_t messages, bytes;
  };
  std::vector<room_needed> needs;
  bool durable = false;
  std::string blocked_key;
  hub_group_ptr blocked;
  for (std::size_t i = 0; i < p->messages.size(); ++i) {
    auto& m = p->messages[i];
    const bool same_topic = i > 0 && p->messages[i - 1].what->topic == m.what->topic;
    m.takers = same_topic ? p->messages[i - 1].takers : groups.takers_of(m.what->topic);
    if (m.takers->empty() && batch[i].if_unroutable == unroutable::refuse)
      return {.full = {}, .need = {}, .unrouted = i};
    m.durable = false;
    for (const auto& g : *m.takers) {
      if (!blocked && !g->queue->has_room_on(m.what->key)) blocked = g, blocked_key = m.what->key;
      const auto known = std::ranges::find_if(needs, [&](const room_needed& n) { return *n.group == g; });
      if (known == needs.end())
        needs.push_back({&g, 1, m.bytes});
      else
        ++known->messages, known->bytes += m.bytes;
      if (g->journal) m.durable = true;
    }
    durable = durable || m.durable;
  }
  for (const auto& n : needs) {
    const auto& g = *n.group;
    const bool held_up = g == blocked;
    if (!held_up && groups.admits(*g, n.messages, n.bytes, {}, l, served)) continue;
    return {.full = g,
            .need = {.messages = n.messages, .bytes = n.bytes, .key = held_up ? blocked_key : std::string{}},
            .unrouted = {}};
  }
  for (const auto& n : needs) (*n.group)->queue->reserve(n.messages, n.bytes);
  if (!durable) {  // nothing is to be written
    enter(*p, &l);
    finish(*p, {}, &l);
    return {};
  }
  p->number = ++told_changes;
  publishes.push_back(p);
  anything.store(true, std::memory_order_release);
  return {};
}

void sqlite_hub::state::enter(const pending_publish& p, const loop* l) {
  for (const auto& m : p.messages) {
    std::uint32_t keepers = 0;
    if (m.duplicate) {
      for (const auto& g : *m.takers) {
        g->queue->release_reserved(1, m.bytes);
        group_hub::notify(*g, l);
      }
      continue;
    }
    for (const auto& g : *m.takers) keepers += g->journal && !g->removed ? 1 : 0;
    if (keepers > 1) shared.emplace(m.record, keepers);
    if (keepers == 0 && m.record != 0) tell(erase_message{m.record});
    for (const auto& g : *m.takers) {
      g->queue->release_reserved(1, m.bytes);
      if (g->removed) continue;  // with its waiters
      auto at = m.at;
      at.record = g->journal ? m.record : 0;
      g->queue->add(m.what, m.bytes, at);
      group_hub::notify(*g, l);
    }
  }
}

void sqlite_hub::state::refuse(const pending_publish& p) {
  for (const auto& m : p.messages)
    for (const auto& g : *m.takers) {
      g->queue->release_reserved(1, m.bytes);
      group_hub::notify(*g, nullptr);
    }
}

void sqlite_hub::state::finish(pending_publish& p, result<> outcome, const loop* l) {
  p.outcome = std::move(outcome);
  p.done = true;
  group_hub::wake(p.publisher, l);
}

// ---- the hub itself

sqlite_hub::sqlite_hub(std::shared_ptr<state> s) : state_{std::move(s)} {}
sqlite_hub::~sqlite_hub() = default;

sqlite_hub::figures sqlite_hub::statistics() const {
  const guard locked{state_->groups.lock};
  return state_->counted;
}

void sqlite_hub::cut() {
  const guard locked{state_->groups.lock};
  state_->groups.lose_everything_in_flight();
}

task<result<>> sqlite_hub::reopen(loop& l, blocking_disk* disk) {
  const auto s = state_;
  while (s->running.exchange(true)) WEFT_CO_TRY_VOID(co_await sleep(l, context{}, std::chrono::milliseconds{1}));
  const clock_offset now{.wall = l.wall_now(), .steady = l.now()};
  auto done = co_await blocking(l, [held = s, disk, now, &l]() mutable {
    auto started = [&] {
      const guard locked{held->groups.lock};
      return held->start_again(l, disk, now);
    }();
    held.reset();
    return started;
  });
  s->running = false;
  s->told(l);
  co_return done;
}

task<result<std::shared_ptr<sqlite_hub>>> open_sqlite_hub(loop& l, sqlite_broker_options options) {
  WEFT_CO_TRY_VOID(options.validate());
  auto s = std::make_shared<sqlite_hub::state>(std::move(options));
  const clock_offset now{.wall = l.wall_now(), .steady = l.now()};
  WEFT_CO_TRY_VOID(co_await blocking(l, [held = s, now, &l]() mutable {
    auto loaded = held->load(l, now);
    held.reset();  // not the last one to go, on the pool's thread
    return loaded;
  }));
  co_return std::make_shared<sqlite_hub>(std::move(s));
}

}  // namespace weft::messaging
