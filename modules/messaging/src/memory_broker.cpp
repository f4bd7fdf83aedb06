#include <weft/messaging/memory_broker.hpp>

#include <algorithm>
#include <charconv>

#include "memory_hub.hpp"

namespace weft::messaging {

using guard = memory_hub::state::guard;

namespace {

broker_features features_of(const memory_options& options) {
  return {.broker = "memory",
          .set = {feature::ordering_per_key, feature::ordered_retry, feature::delay, feature::durable_attempts,
                  feature::dead_letter, feature::sequenced_dead_letter, feature::dead_letter_admin, feature::priorities,
                  feature::expiry, feature::mandatory, feature::ephemeral, feature::topic_patterns},
          .max_message_bytes = options.max_message_bytes};
}

// A place among the publishers that wait for room in a group, left however the wait ends. The group may be gone.
class publisher_place {
 public:
  publisher_place(memory_hub::state& s, std::string group, memory_sleeper_ptr who)
      : state_{s}, group_{std::move(group)}, who_{std::move(who)} {}
  publisher_place(const publisher_place&) = delete;
  publisher_place& operator=(const publisher_place&) = delete;
  ~publisher_place() {
    const guard locked{state_.lock};
    if (auto* group = state_.find(group_))
      if (!memory_hub::state::stop_waiting(group->publishers, who_))
        memory_hub::state::wake_publisher(*group, who_->home);  // there may be room for one more
  }

 private:
  memory_hub::state& state_;
  std::string group_;
  memory_sleeper_ptr who_;
};

error full(const std::string& group, const memory_options& options) {
  const error e{errc::resource_exhausted, "group '" + group + "' is full: " + std::to_string(options.max_messages) +
                                              " messages or " + std::to_string(options.max_bytes) + " bytes wait"};
  return e.with_remedy("consume faster, publish slower, or raise max_messages and max_bytes");
}

// Takes the message if every group that wants it has room; else the first that has none.
memory_group* try_publish(memory_hub::state& state, outgoing& what, loop& l, bool& routed) {
  const auto bytes = what.what.size();
  const auto& takers = state.takers_of(what.what.topic);
  routed = !takers.empty();
  for (auto* group : takers)
    if (!group->queue.has_room(what.what, bytes)) return group;
  if (!routed) return nullptr;
  const auto now = l.now();
  const auto wall = l.wall_now();
  const auto shared = std::make_shared<const message>(std::move(what.what));
  for (auto* group : takers) {
    group->queue.add(shared, bytes, what.delay, now, wall);
    memory_hub::state::wake_consumer(*group, l);
  }
  return nullptr;
}

result<> check(const outgoing& what, const memory_options& options) {
  WEFT_TRY_VOID(validate(what.what, {.max_body_bytes = options.max_message_bytes}));
  if (what.delay < duration::zero()) return fail(errc::invalid_argument, "the delay is negative");
  return {};
}

std::unexpected<error> no_such_group(const std::string& group) {
  return fail(errc::not_found, "no group '" + group + "'");
}

}  // namespace

memory_broker::memory_broker(loop& l, std::shared_ptr<memory_hub> hub)
    : loop_{l}, hub_{std::move(hub)}, features_{features_of(hub_->get().options)} {}
memory_broker::~memory_broker() = default;

task<result<>> memory_broker::publish_waiting(context ctx, outgoing& what) {
  auto& state = hub_->get();
  const auto until = ctx.with_timeout(loop_, state.options.publish_wait);
  for (;;) {
    const auto waits = std::make_shared<memory_sleeper>(loop_);
    std::string group;
    {
      const guard locked{state.lock};
      bool routed = false;
      auto* blocked = try_publish(state, what, loop_, routed);
      if (blocked == nullptr) {
        if (!routed && what.if_unroutable == unroutable::refuse)
          co_return fail(errc::not_found, "no group takes '" + what.what.topic + "'");
        co_return result<>{};
      }
      group = blocked->name;
      blocked->publishers.push_back(waits);
    }
    const publisher_place place{state, group, waits};
    if (const auto woken = co_await waits->wake.wait(until); !woken) {
      if (woken.error().code() != errc::deadline_exceeded) co_return fail(woken.error());
      co_return fail(full(group, state.options));
    }
  }
}

task<std::vector<result<>>> memory_broker::publish(context ctx, std::vector<outgoing> batch) {
  auto& state = hub_->get();
  std::vector<result<>> results;
  results.reserve(batch.size());
  std::size_t at = 0;
  while (at < batch.size()) {
    {
      const guard locked{state.lock};
      for (; at < batch.size(); ++at) {
        auto& what = batch[at];
        auto valid = check(what, state.options);
        bool routed = true;
        if (valid && try_publish(state, what, loop_, routed) != nullptr) break;
        if (!routed && what.if_unroutable == unroutable::refuse)
          valid = fail(errc::not_found, "no group takes '" + what.what.topic + "'");
        results.push_back(std::move(valid));
      }
    }
    if (at == batch.size()) break;
    results.push_back(co_await publish_waiting(ctx, batch[at++]));
  }
  co_return results;
}

task<result<std::unique_ptr<consumer>>> memory_broker::subscribe(context, subscription what) {
  WEFT_CO_TRY_VOID(what.validate());
  std::vector<topic_pattern> patterns;
  for (const auto& text : what.patterns) {
    WEFT_CO_TRY(auto p, topic_pattern::parse(text));
    patterns.push_back(std::move(p));
  }
  auto name = what.group;
  if (name.empty()) {
    name = "ephemeral." + loop_.random().make_uuid_v4().to_string();
    what.lives = lifetime::ephemeral;
  }
  auto& state = hub_->get();
  const guard locked{state.lock};
  WEFT_CO_TRY(auto* group, state.join(name, what, std::move(patterns)));
  co_return std::make_unique<memory_consumer>(loop_, hub_, *group, what.prefetch);
}

const broker_features& memory_broker::features() const noexcept { return features_; }

task<void> memory_broker::close(context) { co_return; }

task<result<std::vector<group_depth>>> memory_broker::depths(context) {
  auto& state = hub_->get();
  const guard locked{state.lock};
  std::vector<group_depth> list;
  for (const auto& [name, group] : state.groups) {
    auto d = group->queue.depth();
    for (const auto& p : group->patterns) d.patterns.push_back(p.text());
    d.consumers = group->consumers;
    list.push_back(std::move(d));
  }
  co_return list;
}

task<result<std::vector<dead_letter_entry>>> memory_broker::dead_letters(context, dead_letter_query query) {
  auto& state = hub_->get();
  const guard locked{state.lock};
  auto* group = state.find(query.group);
  if (group == nullptr) co_return no_such_group(query.group);
  co_return group->queue.dead(query.after, query.limit);
}

task<result<std::size_t>> memory_broker::replay(context, std::string group, std::vector<std::uint64_t> numbers) {
  auto& state = hub_->get();
  const guard locked{state.lock};
  auto* g = state.find(group);
  if (g == nullptr) co_return no_such_group(group);
  auto count = g->queue.replay(std::move(numbers), loop_.now(), loop_.wall_now());
  while (count && !g->idle.empty()) memory_hub::state::wake_consumer(*g, loop_);
  co_return count;
}

task<result<std::size_t>> memory_broker::purge(context, std::string group, std::vector<std::uint64_t> numbers) {
  auto& state = hub_->get();
  const guard locked{state.lock};
  auto* g = state.find(group);
  if (g == nullptr) co_return no_such_group(group);
  co_return g->queue.purge(std::move(numbers), loop_.now(), loop_.wall_now());
}

task<result<std::size_t>> memory_broker::clear(context, std::string group) {
  auto& state = hub_->get();
  const guard locked{state.lock};
  auto* g = state.find(group);
  if (g == nullptr) co_return no_such_group(group);
  const auto count = g->queue.clear();
  memory_hub::state::wake_publisher(*g, loop_);
  co_return count;
}

task<result<>> memory_broker::remove_group(context, std::string group) {
  auto& state = hub_->get();
  const guard locked{state.lock};
  auto* g = state.find(group);
  if (g == nullptr) co_return no_such_group(group);
  if (g->consumers != 0)
    co_return fail(errc::failed_precondition,
                   "group '" + group + "' has " + std::to_string(g->consumers) + " consumers");
  g->lives = lifetime::ephemeral;
  ++g->consumers;
  state.leave(*g);
  co_return result<>{};
}

namespace {

result<> read_parameter(memory_options& options, std::string_view name, std::string_view value) {
  std::size_t number = 0;
  const auto parsed = std::from_chars(value.data(), value.data() + value.size(), number);
  const bool whole = parsed.ec == std::errc{} && parsed.ptr == value.data() + value.size();
  struct field {
    std::string_view name;
    std::size_t memory_options::* member;
  };
  static constexpr field fields[] = {{"max_messages", &memory_options::max_messages},
                                     {"max_bytes", &memory_options::max_bytes},
                                     {"max_dead_letters", &memory_options::max_dead_letters},
                                     {"max_groups", &memory_options::max_groups},
                                     {"max_message_bytes", &memory_options::max_message_bytes}};
  const auto* at = std::ranges::find(fields, name, &field::name);
  if (at == std::end(fields)) {
    const error unknown{errc::invalid_argument, "memory: has no parameter '" + std::string{name} + "'"};
    return fail(unknown.with_remedy("it has max_messages, max_bytes, max_dead_letters, max_groups, max_message_bytes"));
  }
  if (!whole)
    return fail(errc::invalid_argument, std::string{name} + ": '" + std::string{value} + "' is no whole number");
  options.*(at->member) = number;
  return {};
}

result<memory_options> read_parameters(memory_options options, std::string_view query) {
  while (!query.empty()) {
    const auto pair = query.substr(0, query.find('&'));
    query.remove_prefix(std::min(query.size(), pair.size() + 1));
    const auto equals = pair.find('=');
    WEFT_TRY_VOID(read_parameter(options, pair.substr(0, equals),
                                 equals == pair.npos ? std::string_view{} : pair.substr(equals + 1)));
  }
  WEFT_TRY_VOID(options.validate());
  return options;
}

// The hubs of one factory, by the name in their URL.
class memory_openers {
 public:
  explicit memory_openers(memory_options options) : options_{options} {}

  result<std::shared_ptr<memory_hub>> hub(std::string_view url) {
    url.remove_prefix(url.find(':') + 1);
    const auto question = url.find('?');
    const std::string name{url.substr(0, question)};
    WEFT_TRY(const auto options,
             read_parameters(options_, question == url.npos ? std::string_view{} : url.substr(question + 1)));
    const resilience::spin_lock::guard locked{lock_};
    auto& hub = hubs_[name];
    if (!hub) hub = std::make_shared<memory_hub>(options);
    return hub;
  }

 private:
  memory_options options_;
  resilience::spin_lock lock_;
  std::map<std::string, std::shared_ptr<memory_hub>> hubs_;
};

task<result<std::unique_ptr<broker>>> open_memory(loop& l, std::shared_ptr<memory_openers> openers, std::string url) {
  WEFT_CO_TRY(auto hub, openers->hub(url));
  co_return std::make_unique<memory_broker>(l, std::move(hub));
}

}  // namespace

broker_opener memory_brokers(memory_options options) {
  return [openers = std::make_shared<memory_openers>(options)](loop& l, context, std::string url) {
    return open_memory(l, openers, std::move(url));
  };
}

}  // namespace weft::messaging
