#include <weft/messaging/core/group_hub.hpp>

#include <algorithm>
#include <utility>

namespace weft::messaging {

namespace {

constexpr std::size_t max_routes = 10'000;

std::unexpected<error> no_such_group(const std::string& group) {
  return fail(errc::not_found, "no group '" + group + "'");
}

}  // namespace

result<hub_subscription> hub_subscription::read(subscription what, loop& l) {
  WEFT_TRY_VOID(what.validate());
  hub_subscription s;
  for (const auto& text : what.patterns) {
    WEFT_TRY(auto p, topic_pattern::parse(text));
    s.patterns.push_back(std::move(p));
  }
  if (what.group.empty()) {
    what.group = "ephemeral." + l.random().make_uuid_v4().to_string();
    what.lives = lifetime::ephemeral;
  }
  s.what = std::move(what);
  return s;
}

hub_group* group_hub::find(std::string_view name) {
  const auto at = groups.find(name);
  return at == groups.end() ? nullptr : at->second.get();
}

group_hub::takers group_hub::takers_of(const std::string& topic) {
  if (const auto known = routes.find(topic); known != routes.end()) return known->second;
  if (routes.size() >= max_routes) routes.clear();
  std::vector<hub_group_ptr> list;
  for (const auto& [name, group] : groups)
    if (std::ranges::any_of(group->patterns, [&](const topic_pattern& p) { return p.matches(topic); }))
      list.push_back(group);
  return routes.emplace(topic, std::make_shared<const std::vector<hub_group_ptr>>(std::move(list))).first->second;
}

hub_group_ptr group_hub::add_group(std::string name, lifetime lives, ordering order) {
  auto group = std::make_shared<hub_group>(std::move(name), lives, order);
  if (record != nullptr && lives == lifetime::durable) record->open(*group);
  group->queue = std::make_unique<group_queue>(group->name, order, limits.queue, epoch, group->journal.get());
  routes.clear();
  return groups[group->name] = group;
}

result<hub_group_ptr> group_hub::join(hub_subscription s) {
  const auto& name = s.what.group;
  const auto lives = s.what.lives;
  const auto order = s.what.order;
  const auto at = groups.find(name);
  if (at == groups.end() && groups.size() >= limits.max_groups)
    return fail(errc::resource_exhausted, "there are " + std::to_string(groups.size()) + " groups already");
  if (at != groups.end() && (at->second->lives != lives || at->second->order != order))
    return fail(errc::failed_precondition, "group '" + name + "' exists with another lifetime or order");
  auto group = at != groups.end() ? at->second : add_group(name, lives, order);
  const auto before = group->patterns.size();
  for (auto& p : s.patterns)
    if (std::ranges::find(group->patterns, p) == group->patterns.end()) group->patterns.push_back(std::move(p));
  if (record != nullptr && group->journal && group->patterns.size() != before) record->patterns_changed(*group);
  routes.clear();
  ++group->consumers;
  return group;
}

void group_hub::leave(hub_group& group) {
  if (--group.consumers == 0 && group.lives == lifetime::ephemeral && !group.removed) erase(group);
}

void group_hub::erase(hub_group& group) {
  for (const auto& waiting : std::exchange(group.publishers, {})) wake(waiting->who, nullptr);  // nobody takes it now
  group.removed = true;
  if (record != nullptr && group.journal) record->removed(group);
  routes.clear();
  groups.erase(groups.find(group.name));
}

void group_hub::lose_everything_in_flight() {
  for (auto* c : consumers) c->lose_all(attempt_counting::counted, nullptr);
}

namespace {
thread_local group_hub::wake_together* together = nullptr;
}  // namespace

group_hub::wake_together::wake_together() noexcept { together = this; }

group_hub::wake_together::~wake_together() {
  together = nullptr;
  while (!who_.empty()) {
    loop& home = who_.front()->home;
    std::vector<std::weak_ptr<hub_sleeper>> late;
    std::erase_if(who_, [&](const hub_sleeper_ptr& s) {
      if (&s->home != &home) return false;
      late.emplace_back(s);
      return true;
    });
    home.post([late = std::move(late)] {
      for (const auto& each : late)
        if (const auto s = each.lock()) s->wake.set();
    });
  }
}

void group_hub::wake(const hub_sleeper_ptr& who, const loop* from) {
  if (!who) return;
  if (&who->home == from) return who->wake.set();
  if (from == nullptr && together != nullptr) return together->who_.push_back(who);
  who->home.post([late = std::weak_ptr{who}] {
    if (const auto s = late.lock()) s->wake.set();
  });
}

void group_hub::wake_consumer(hub_group& g, const loop* from) {
  if (g.idle.empty()) return;
  const auto who = std::move(g.idle.front().who);
  g.idle.erase(g.idle.begin());
  wake(who, from);
}

namespace {

// Whether the dead letters of its key let it in.
bool key_is_free(const hub_group& g, const room_waiter& w) { return w.key.empty() || g.queue->has_room_on(w.key); }

void grant_room(hub_group& g, const loop* from) {
  auto& queue = *g.queue;
  for (auto at = g.publishers.begin(); at != g.publishers.end();) {
    auto& w = **at;
    if (!key_is_free(g, w)) {
      ++at;
      continue;
    }
    if (!queue.has_room(w.messages, w.bytes)) return;
    queue.reserve(w.messages, w.bytes);
    w.room_in = &queue;
    const auto granted = std::move(*at);
    at = g.publishers.erase(at);
    group_hub::wake(granted->who, from);
  }
}

}  // namespace

void group_hub::notify(hub_group& g, const loop* from) {
  if (!g.idle.empty()) {
    const auto due = g.queue->next_due();
    const auto watched = [&] {
      return std::ranges::any_of(g.idle, [&](const idle_consumer& c) { return c.watches <= *due; });
    };
    if (g.queue->anything_ready() || (due && !watched())) wake_consumer(g, from);
  }
  if (!g.publishers.empty()) grant_room(g, from);
}

bool group_hub::admits(hub_group& g, std::size_t messages, std::size_t bytes, const std::string& key, loop& l,
                       const hub_group* served) {
  auto& queue = *g.queue;
  if (!queue.has_room_on(key)) return false;
  const auto waits = [&](const room_waiter_ptr& w) { return key_is_free(g, *w); };
  if (&g != served && !g.publishers.empty() && std::ranges::any_of(g.publishers, waits)) return false;
  if (queue.has_room(messages, bytes)) return true;
  return queue.drop_expired(l.now()) && queue.has_room(messages, bytes);
}

hub_publisher_place::~hub_publisher_place() {
  if (!group_) return;
  const group_hub::guard locked{hub_.lock};
  const auto left = leave();
  group_hub::notify(*left, &loop_);
}

void hub_publisher_place::enter(hub_group_ptr group, room_waiter need) {
  group_ = std::move(group);
  waiter_ = std::make_shared<room_waiter>(std::move(need));
  group_->publishers.push_back(waiter_);
}

hub_group_ptr hub_publisher_place::leave() {
  if (!group_) return nullptr;
  std::erase(group_->publishers, waiter_);
  if (waiter_->room_in != nullptr && waiter_->room_in == group_->queue.get())
    group_->queue->release_reserved(waiter_->messages, waiter_->bytes);
  return std::exchange(group_, nullptr);
}

task<result<>> hub_publisher_place::wait(context until) {
  for (;;) {
    std::optional<steady_time> expiry;
    {
      const group_hub::guard locked{hub_.lock};
      expiry = group_->queue->next_expiry();
    }
    const auto woken = co_await waiter_->who->wake.wait(expiry ? until.with_deadline(*expiry) : until);
    if (woken) co_return result<>{};
    if (const auto alive = until.check(loop_.now()); !alive) {
      if (alive.error().code() != errc::deadline_exceeded) co_return fail(alive.error());
      co_return fail(group_full(*group_, hub_.limits.queue));
    }
    if (!expiry || loop_.now() < *expiry) co_return fail(woken.error());
    {
      const group_hub::guard locked{hub_.lock};
      group_->queue->drop_expired(loop_.now());
      group_hub::notify(*group_, &loop_);
    }
    if (hub_.record != nullptr) hub_.record->told(loop_);
  }
}

error group_full(const hub_group& group, const queue_limits& limits) {
  const error e{errc::resource_exhausted, "group '" + group.name + "' is full: " + std::to_string(limits.max_messages) +
                                              " messages or " + std::to_string(limits.max_bytes) + " bytes wait"};
  return e.with_remedy("consume faster, publish slower, or raise max_messages and max_bytes");
}

std::vector<group_depth> group_hub::depths() {
  const guard locked{lock};
  std::vector<group_depth> list;
  for (const auto& [name, group] : groups) {
    auto d = group->queue->depth();
    for (const auto& p : group->patterns) d.patterns.push_back(p.text());
    d.consumers = group->consumers;
    list.push_back(std::move(d));
  }
  return list;
}

result<std::vector<dead_letter_entry>> group_hub::dead_letters(const dead_letter_query& query) {
  const guard locked{lock};
  auto* group = find(query.group);
  if (group == nullptr) return no_such_group(query.group);
  return group->queue->dead(query.after, query.limit);
}

result<std::size_t> group_hub::replay(loop& l, const std::string& name, std::vector<std::uint64_t> numbers) {
  const guard locked{lock};
  return replay_locked({.now = l.now(), .wall = l.wall_now()}, &l, name, std::move(numbers));
}

result<std::size_t> group_hub::replay_locked(const group_queue::arrival& at, const loop* from, const std::string& name,
                                             std::vector<std::uint64_t> numbers) {
  auto* group = find(name);
  if (group == nullptr) return no_such_group(name);
  auto count = group->queue->replay(std::move(numbers), at.now, at.wall);
  while (count && !group->idle.empty()) wake_consumer(*group, from);
  notify(*group, from);  // its key may be free now
  return count;
}

result<std::size_t> group_hub::purge(loop& l, const std::string& name, std::vector<std::uint64_t> numbers) {
  const guard locked{lock};
  auto* group = find(name);
  if (group == nullptr) return no_such_group(name);
  auto count = group->queue->purge(std::move(numbers));
  notify(*group, &l);
  return count;
}

result<std::size_t> group_hub::clear(loop& l, const std::string& name) {
  const guard locked{lock};
  auto* group = find(name);
  if (group == nullptr) return no_such_group(name);
  const auto count = group->queue->clear();
  notify(*group, &l);
  return count;
}

result<> group_hub::remove_group(const std::string& name) {
  const guard locked{lock};
  auto* group = find(name);
  if (group == nullptr) return no_such_group(name);
  if (group->consumers != 0)
    return fail(errc::failed_precondition,
                "group '" + name + "' has " + std::to_string(group->consumers) + " consumers");
  const auto kept = groups.find(name)->second;  // until it is out of the table
  erase(*kept);
  return {};
}

}  // namespace weft::messaging
