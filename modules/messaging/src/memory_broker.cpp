#include <weft/messaging/core/group_hub.hpp>
#include <weft/messaging/memory_broker.hpp>

#include <algorithm>
#include <charconv>
#include <stdexcept>

namespace weft::messaging {

using guard = group_hub::guard;

namespace {

broker_features features_of(const memory_options& options) {
  return {.broker = "memory",
          .set = {feature::ordering_per_key, feature::ordered_retry, feature::delay, feature::durable_attempts,
                  feature::dead_letter, feature::sequenced_dead_letter, feature::dead_letter_admin, feature::priorities,
                  feature::expiry, feature::mandatory, feature::ephemeral, feature::topic_patterns},
          .max_message_bytes = options.max_message_bytes};
}

// Takes the message if every group that wants it has room; else the first that has none.
hub_group_ptr try_publish(group_hub& hub, outgoing& what, loop& l, bool& routed) {
  const auto bytes = what.what.size();
  const auto takers = hub.takers_of(what.what.topic);
  routed = !takers->empty();
  for (const auto& group : *takers)
    if (!group->queue->has_room(1, bytes) || !group->queue->has_room_on(what.what.key)) return group;
  if (!routed) return nullptr;
  const group_queue::arrival at{.delay = what.delay, .now = l.now(), .wall = l.wall_now()};
  const auto shared = std::make_shared<const message>(std::move(what.what));
  for (const auto& group : *takers) {
    group->queue->add(shared, bytes, at);
    group_hub::wake_consumer(*group, l);
  }
  return nullptr;
}

result<> check_outgoing(const outgoing& what, const memory_options& options) {
  WEFT_TRY_VOID(validate(what.what, {.max_body_bytes = options.max_message_bytes}));
  if (what.delay < duration::zero()) return fail(errc::invalid_argument, "the delay is negative");
  return {};
}

}  // namespace

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

memory_hub::memory_hub(memory_options options) : options_{options} {
  if (const auto valid = options.validate(); !valid)
    throw std::invalid_argument{"memory broker: " + valid.error().describe()};
  groups_ = std::make_unique<group_hub>(hub_limits{
      .queue = {options.max_messages, options.max_bytes, options.max_dead_letters}, .max_groups = options.max_groups});
}
memory_hub::~memory_hub() = default;

void memory_hub::cut() {
  const guard locked{groups_->lock};
  groups_->lose_everything_in_flight();
}

memory_broker::memory_broker(loop& l, std::shared_ptr<memory_hub> hub)
    : loop_{l}, hub_{std::move(hub)}, features_{features_of(hub_->options())} {}
memory_broker::~memory_broker() = default;

task<result<>> memory_broker::publish_waiting(context ctx, outgoing& what) {
  auto& hub = hub_->groups();
  const auto until = ctx.with_timeout(loop_, hub_->options().publish_wait);
  for (;;) {
    const auto waits = std::make_shared<hub_sleeper>(loop_);
    hub_group_ptr blocked;
    {
      const guard locked{hub.lock};
      bool routed = false;
      blocked = try_publish(hub, what, loop_, routed);
      if (blocked == nullptr) {
        if (!routed && what.if_unroutable == unroutable::refuse)
          co_return fail(errc::not_found, "no group takes '" + what.what.topic + "'");
        co_return result<>{};
      }
      blocked->publishers.push_back(waits);
    }
    const hub_publisher_place place{hub, blocked, waits};
    if (const auto woken = co_await waits->wake.wait(until); !woken) {
      if (woken.error().code() != errc::deadline_exceeded) co_return fail(woken.error());
      co_return fail(group_full(*blocked, hub.limits.queue));
    }
  }
}

task<std::vector<result<>>> memory_broker::publish(context ctx, std::vector<outgoing> batch) {
  auto& hub = hub_->groups();
  std::vector<result<>> results;
  results.reserve(batch.size());
  std::size_t at = 0;
  while (at < batch.size()) {
    {
      const guard locked{hub.lock};
      for (; at < batch.size(); ++at) {
        auto& what = batch[at];
        auto valid = check_outgoing(what, hub_->options());
        bool routed = true;
        if (valid && try_publish(hub, what, loop_, routed) != nullptr) break;
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
  auto& hub = hub_->groups();
  const guard locked{hub.lock};
  WEFT_CO_TRY(auto group, hub.join(name, what, std::move(patterns)));
  co_return std::make_unique<hub_consumer>(loop_, hub_, hub, std::move(group), what.prefetch);
}

const broker_features& memory_broker::features() const noexcept { return features_; }

task<void> memory_broker::close(context) { co_return; }

task<result<std::vector<group_depth>>> memory_broker::depths(context) { co_return hub_->groups().depths(); }

task<result<std::vector<dead_letter_entry>>> memory_broker::dead_letters(context, dead_letter_query query) {
  co_return hub_->groups().dead_letters(query);
}

task<result<std::size_t>> memory_broker::replay(context, std::string group, std::vector<std::uint64_t> numbers) {
  co_return hub_->groups().replay(loop_, group, std::move(numbers));
}

task<result<std::size_t>> memory_broker::purge(context, std::string group, std::vector<std::uint64_t> numbers) {
  co_return hub_->groups().purge(group, std::move(numbers));
}

task<result<std::size_t>> memory_broker::clear(context, std::string group) {
  co_return hub_->groups().clear(loop_, group);
}

task<result<>> memory_broker::remove_group(context, std::string group) { co_return hub_->groups().remove_group(group); }

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
