#include <weft/messaging/core/hub_admin.hpp>
#include <weft/messaging/core/url_limits.hpp>
#include <weft/messaging/memory_broker.hpp>
#include <weft/resilience/core/spin_lock.hpp>

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

// Messages that are published under one hold of the hub's lock.
class publication {
 public:
  publication(group_hub& hub, loop& l) : hub_{hub}, loop_{l}, now_{.now = l.now(), .wall = l.wall_now()} {}

  // Takes the message if every group that wants it has room; else gives the first that has none. `served` has granted
  // room to it before.
  hub_group_ptr take(outgoing& what, const hub_group* served = nullptr) {
    const auto bytes = what.what.size();
    if (!last_ || last_->topic != what.what.topic) takers_ = hub_.takers_of(what.what.topic);
    for (const auto& group : *takers_)
      if (!hub_.admits(*group, 1, bytes, what.what.key, loop_, served)) return group;
    last_ = share(std::move(what.what));
    now_.delay = what.delay;
    for (const auto& group : *takers_) {
      group->queue->add(last_, bytes, now_);
      group_hub::notify(*group, &loop_);
    }
    return nullptr;
  }
  // Of the message that was taken last: whether it went nowhere, and should not have.
  [[nodiscard]] result<> outcome(const outgoing& what) const {
    if (!takers_->empty() || what.if_unroutable == unroutable::drop) return {};
    return fail(errc::not_found, "no group takes '" + last_->topic + "'");
  }

 private:
  group_hub& hub_;
  loop& loop_;
  group_queue::arrival now_;
  message_ptr last_;
  group_hub::takers takers_;  // of its topic
};

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
    : loop_{l},
      hub_{std::move(hub)},
      features_{features_of(hub_->options())},
      admin_{std::make_unique<hub_admin>(l, hub_, hub_->groups())} {}
memory_broker::~memory_broker() = default;

broker_admin* memory_broker::admin() noexcept { return admin_.get(); }

task<result<>> memory_broker::publish_waiting(context until, outgoing& what) {
  auto& hub = hub_->groups();
  hub_publisher_place place{hub, loop_};
  for (;;) {
    {
      const guard locked{hub.lock};
      publication one{hub, loop_};
      const auto served = place.leave();
      const auto bytes = what.what.size();
      const auto blocked = one.take(what, served.get());
      if (served) group_hub::notify(*served, &loop_);
      if (blocked == nullptr) co_return one.outcome(what);
      room_waiter need{.who = std::make_shared<hub_sleeper>(loop_), .bytes = bytes};
      if (!blocked->queue->has_room_on(what.what.key)) need.key = what.what.key;
      place.enter(blocked, std::move(need));
    }
    WEFT_CO_TRY_VOID(co_await place.wait(until));
  }
}

// As many as there is room for; gives the place of the first for which there is none.
std::size_t memory_broker::publish_some(std::vector<outgoing>& batch, std::vector<result<>>& results) {
  const message_limits limits{.max_body_bytes = hub_->options().max_message_bytes};
  auto& hub = hub_->groups();
  const guard locked{hub.lock};
  publication several{hub, loop_};
  auto at = results.size();
  for (; at < batch.size(); ++at) {
    auto& what = batch[at];
    if (auto valid = what.validate(limits); !valid) {
      results.push_back(std::move(valid));
      continue;
    }
    if (several.take(what) != nullptr) break;
    results.push_back(several.outcome(what));
  }
  return at;
}

task<std::vector<result<>>> memory_broker::publish(context ctx, std::vector<outgoing> batch) {
  std::vector<result<>> results;
  results.reserve(batch.size());
  auto at = publish_some(batch, results);
  if (at == batch.size()) co_return results;
  const auto until = ctx.with_timeout(loop_, hub_->options().publish_wait);
  for (; at < batch.size(); at = publish_some(batch, results))
    results.push_back(co_await publish_waiting(until, batch[at]));
  co_return results;
}

task<result<std::unique_ptr<consumer>>> memory_broker::subscribe(context, subscription what) {
  WEFT_CO_TRY(auto asked, hub_subscription::read(std::move(what), loop_));
  const auto prefetch = asked.what.prefetch;
  auto& hub = hub_->groups();
  const guard locked{hub.lock};
  WEFT_CO_TRY(auto group, hub.join(std::move(asked)));
  co_return std::make_unique<hub_consumer>(loop_, hub_, hub, std::move(group), prefetch);
}

const broker_features& memory_broker::features() const noexcept { return features_; }

task<void> memory_broker::close(context) { co_return; }

namespace {

result<memory_options> read_parameters(memory_options options, std::string_view query) {
  const url_limit known[] = {{"max_messages", &options.max_messages},
                             {"max_bytes", &options.max_bytes},
                             {"max_dead_letters", &options.max_dead_letters},
                             {"max_groups", &options.max_groups},
                             {"max_message_bytes", &options.max_message_bytes}};
  WEFT_TRY_VOID(read_limits("memory", query, known));
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
