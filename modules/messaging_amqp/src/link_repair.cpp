// What somebody deleted in the broker comes back: the exchange of all messages, and what was bound to it.
#include <weft/base/saturating.hpp>
#include <weft/messaging/topic_pattern.hpp>

#include <algorithm>

#include "amqp_link.hpp"
#include "consumer_core.hpp"

namespace weft::messaging {

namespace {

constexpr auto taken_for = std::chrono::seconds{5};  // a group that took a topic is believed to be there
constexpr std::size_t max_taken = 1000;

bool takes(const std::vector<std::string>& patterns, std::string_view topic) {
  return std::ranges::any_of(patterns, [&](const std::string& text) {
    const auto pattern = topic_pattern::parse(text);
    return pattern && pattern->matches(topic);
  });
}

}  // namespace

// Those that failed were refused, so they may be published again; the exchange is there for them.
task<std::vector<result<>>> amqp_link::repair(context ctx, std::vector<result<>> outcomes, std::uint64_t seen) {
  const auto made = co_await restore_exchange(std::move(ctx), seen);
  const std::string gone = "the exchange " + options_.exchange + " was deleted; ";
  for (auto& each : outcomes)
    if (!each && each.error().code() == errc::failed_precondition)
      each = fail(error{errc::unavailable,
                        gone + (made ? std::string{"it is there again"}
                                     : "it could not be declared again: " + std::string{made.error().message()})}
                      .as_unprocessed());
  co_return outcomes;
}

// Once for all publications that met its absence.
task<result<>> amqp_link::restore_exchange(context ctx, std::uint64_t seen) {
  struct release_at_end {
    semaphore& held;
    ~release_at_end() { held.release(); }
  };
  WEFT_CO_TRY_VOID(co_await restoring_.acquire(ctx));
  const release_at_end release{restoring_};
  if (restored_ != seen) co_return result<>{};
  declared_.clear();
  taken_.clear();
  due_declared_ = false;
  WEFT_CO_TRY_VOID(co_await publishing_->declare(ctx, event_exchange(options_)));
  co_await restore_bindings(std::move(ctx));
  ++restored_;
  co_return result<>{};
}

// Of the groups that are consumed here, and of those in the catalogue. A queue that is gone has nothing to be bound.
task<void> amqp_link::restore_bindings(context ctx) {
  std::vector<std::pair<group_names, std::vector<std::string>>> all;
  for (const auto* c : consumers_) all.emplace_back(c->names(), c->what().patterns);
  if (const auto groups = co_await catalogue(ctx))
    for (const auto& g : *groups)
      if (auto names = name_group(options_, g.group, g.partitions)) all.emplace_back(*std::move(names), g.patterns);
  for (const auto& [names, patterns] : all)
    static_cast<void>(co_await bind_group(*publishing_, ctx, options_, names, patterns, amqp::restored::no));
}

task<result<bool>> amqp_link::is_taken(context ctx, std::string topic) {
  for (const auto* c : consumers_)
    if (!c->ended() && takes(c->what().patterns, topic)) co_return true;
  if (const auto at = taken_.find(topic); at != taken_.end() && time_between(at->second, loop_.now()) < taken_for)
    co_return true;
  WEFT_CO_TRY(const auto groups, co_await catalogue(ctx));
  for (const auto& g : groups) {
    if (!takes(g.patterns, topic)) continue;
    WEFT_CO_TRY(const auto names, name_group(options_, g.group, g.partitions));
    const auto there =
        co_await topology_->declare(ctx, amqp::queue_declare{.queue = names.queues().front(), .passive = true});
    if (!there && there.error().code() == errc::not_found) continue;
    if (!there) co_return fail(there.error());
    if (taken_.size() >= max_taken) taken_.clear();
    taken_[topic] = loop_.now();
    co_return true;
  }
  co_return false;
}

}  // namespace weft::messaging
