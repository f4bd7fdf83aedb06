#include "memory_hub.hpp"

#include <algorithm>
#include <stdexcept>

namespace weft::messaging {

namespace {
constexpr std::size_t max_routes = 10'000;
}

result<> memory_options::validate() const {
  const auto positive = [](std::size_t value, std::string_view name) -> result<> {
    if (value == 0) return fail(errc::invalid_argument, std::string{name} + ": at least 1");
    return {};
  };
  WEFT_TRY_VOID(positive(max_messages, "max_messages"));
  WEFT_TRY_VOID(positive(max_bytes, "max_bytes"));
  WEFT_TRY_VOID(positive(max_groups, "max_groups"));
  WEFT_TRY_VOID(positive(max_message_bytes, "max_message_bytes"));
  if (publish_wait < duration::zero()) return fail(errc::invalid_argument, "publish_wait: negative");
  return {};
}

memory_hub::memory_hub(memory_options options) : state_{std::make_unique<state>(options)} {
  if (const auto valid = options.validate(); !valid)
    throw std::invalid_argument{"memory broker: " + valid.error().describe()};
}
memory_hub::~memory_hub() = default;

void memory_hub::cut() {
  const state::guard locked{state_->lock};
  for (auto* c : state_->consumers) c->lose_all(attempt_counting::counted, nullptr);
}

memory_group* memory_hub::state::find(std::string_view name) {
  const auto at = groups.find(name);
  return at == groups.end() ? nullptr : at->second.get();
}

const memory_hub::state::takers& memory_hub::state::takers_of(const std::string& topic) {
  if (const auto known = routes.find(topic); known != routes.end()) return known->second;
  if (routes.size() >= max_routes) routes.clear();
  takers list;
  for (const auto& [name, group] : groups)
    if (std::ranges::any_of(group->patterns, [&](const topic_pattern& p) { return p.matches(topic); }))
      list.push_back(group.get());
  return routes.emplace(topic, std::move(list)).first->second;
}

result<memory_group*> memory_hub::state::join(const std::string& name, const subscription& s,
                                              std::vector<topic_pattern> patterns) {
  auto* group = find(name);
  if (group == nullptr) {
    if (groups.size() >= options.max_groups)
      return fail(errc::resource_exhausted, "there are " + std::to_string(groups.size()) + " groups already");
    group = groups.emplace(name, std::make_unique<memory_group>(name, s, options)).first->second.get();
  } else if (group->lives != s.lives || group->order != s.order) {
    return fail(errc::failed_precondition, "group '" + name + "' exists with another lifetime or order");
  }
  for (auto& p : patterns)
    if (std::ranges::find(group->patterns, p) == group->patterns.end()) group->patterns.push_back(std::move(p));
  routes.clear();
  ++group->consumers;
  return group;
}

void memory_hub::state::leave(memory_group& group) {
  if (--group.consumers > 0 || group.lives == lifetime::durable) return;
  for (const auto& waiting : group.publishers) wake(waiting, nullptr);  // nobody takes it any more
  routes.clear();
  groups.erase(groups.find(group.name));
}

void memory_hub::state::wake(const memory_sleeper_ptr& who, const loop* from) {
  if (&who->home == from) return who->wake.set();
  who->home.post([late = std::weak_ptr{who}] {
    if (const auto s = late.lock()) s->wake.set();
  });
}

void memory_hub::state::wake_one(std::vector<memory_sleeper_ptr>& waiting, const loop* from) {
  const auto who = std::move(waiting.front());
  waiting.erase(waiting.begin());
  wake(who, from);
}

bool memory_hub::state::stop_waiting(std::vector<memory_sleeper_ptr>& waiting, const memory_sleeper_ptr& who) {
  const auto at = std::ranges::find(waiting, who);
  if (at == waiting.end()) return false;
  waiting.erase(at);
  return true;
}

}  // namespace weft::messaging
