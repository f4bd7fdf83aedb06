#include <weft/messaging/core/group_hub.hpp>

#include <algorithm>

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
  for (const auto& waiting : group.publishers) wake(waiting, nullptr);  // nobody takes it any more
  group.removed = true;
  if (record != nullptr && group.journal) record->removed(group);
  routes.clear();
  groups.erase(groups.find(group.name));
}

void group_hub::lose_everything_in_flight() {
  for (auto* c : consumers) c->lose_all(attempt_counting::counted, nullptr);
}

void group_hub::wake(const hub_sleeper_ptr& who, const loop* from) {
  if (!who) return;
  if (&who->home == from) return who->wake.set();
  who->home.post([late = std::weak_ptr{who}] {
    if (const auto s = late.lock()) s->wake.set();
  });
}

void group_hub::wake_one(std::vector<hub_sleeper_ptr>& waiting, const loop* from) {
  const auto who = std::move(waiting.front());
  waiting.erase(waiting.begin());
  wake(who, from);
}

bool group_hub::stop_waiting(std::vector<hub_sleeper_ptr>& waiting, const hub_sleeper_ptr& who) {
  const auto at = std::ranges::find(waiting, who);
  if (at == waiting.end()) return false;
  waiting.erase(at);
  return true;
}

hub_publisher_place::~hub_publisher_place() {
  const group_hub::guard locked{hub_.lock};
  if (!group_hub::stop_waiting(group_->publishers, who_))
    group_hub::wake_publisher(*group_, who_->home);  // there may be room for one more
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
  return replay_locked(l, name, std::move(numbers));
}

result<std::size_t> group_hub::replay_locked(loop& l, const std::string& name, std::vector<std::uint64_t> numbers) {
  auto* group = find(name);
  if (group == nullptr) return no_such_group(name);
  auto count = group->queue->replay(std::move(numbers), l.now(), l.wall_now());
  while (count && !group->idle.empty()) wake_consumer(*group, l);
  return count;
}

result<std::size_t> group_hub::purge(const std::string& name, std::vector<std::uint64_t> numbers) {
  const guard locked{lock};
  auto* group = find(name);
  if (group == nullptr) return no_such_group(name);
  return group->queue->purge(std::move(numbers));
}

result<std::size_t> group_hub::clear(loop& l, const std::string& name) {
  const guard locked{lock};
  auto* group = find(name);
  if (group == nullptr) return no_such_group(name);
  const auto count = group->queue->clear();
  wake_publisher(*group, l);
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
