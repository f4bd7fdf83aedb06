#include <weft/base/saturating.hpp>
#include <weft/messaging/core/hub_admin.hpp>
#include <weft/runtime/blocking.hpp>

#include "hub.hpp"

namespace weft::messaging {

using guard = group_hub::guard;

namespace {

broker_features features_of(const sqlite_broker_options& options) {
  broker_features f{.broker = "sqlite",
                    .set = {feature::ordering_per_key, feature::ordered_retry, feature::delay, feature::durable,
                            feature::durable_attempts, feature::dead_letter, feature::sequenced_dead_letter,
                            feature::dead_letter_admin, feature::priorities, feature::expiry, feature::mandatory,
                            feature::ephemeral, feature::topic_patterns, feature::transactions},
                    .max_message_bytes = options.max_message_bytes};
  if (options.remember_ids > duration::zero()) f.set |= {feature::deduplication};
  return f;
}

// The one that is refused takes the others along.
std::vector<result<>> refuse_all(std::size_t count, std::size_t at, const error& why) {
  const auto others =
      error{errc::aborted, "message " + std::to_string(at + 1) + " of the same call was refused: " + why.describe()}
          .as_unprocessed();
  std::vector<result<>> results(count, fail(others));
  results[at] = fail(why);
  return results;
}

std::optional<std::pair<std::size_t, error>> first_wrong(const std::vector<outgoing>& batch,
                                                         const sqlite_broker_options& options) {
  const message_limits limits{.max_body_bytes = options.max_message_bytes};
  for (std::size_t i = 0; i < batch.size(); ++i)
    if (const auto valid = batch[i].validate(limits); !valid) return std::pair{i, valid.error()};
  return std::nullopt;
}

pending_publish_ptr make_pending(std::vector<outgoing>& batch, loop& l) {
  auto p = std::make_shared<pending_publish>();
  p->publisher = std::make_shared<hub_sleeper>(l);
  p->messages.resize(batch.size());
  const group_queue::arrival now{.now = l.now(), .wall = l.wall_now()};
  for (std::size_t i = 0; i < batch.size(); ++i) {
    auto& from = batch[i];
    auto& m = p->messages[i];
    m.bytes = from.what.size();
    p->bytes += m.bytes;
    m.at = now;
    m.at.delay = from.delay;
    if (from.delay > duration::zero()) m.due = later(now.wall, from.delay);
    if (from.what.time_to_live > duration::zero()) m.expires = later(now.wall, from.what.time_to_live);
    m.what = share(std::move(from.what));
  }
  return p;
}

error closed() { return error{errc::failed_precondition, "the broker is closed"}.as_unprocessed(); }

}  // namespace

sqlite_broker::sqlite_broker(loop& l, std::shared_ptr<sqlite_hub> hub)
    : loop_{l},
      hub_{std::move(hub)},
      features_{features_of(hub_->get()->options)},
      admin_{std::make_unique<hub_admin>(l, hub_->get(), hub_->get()->groups)} {
  hub_->get()->add_home(loop_);
}

sqlite_broker::~sqlite_broker() {
  if (hub_) hub_->get()->leave_home(loop_);
}

broker_admin* sqlite_broker::admin() noexcept { return admin_.get(); }

const broker_features& sqlite_broker::features() const noexcept { return features_; }

task<std::vector<result<>>> sqlite_broker::publish(context ctx, std::vector<outgoing> batch) {
  const auto count = batch.size();
  if (!hub_) co_return std::vector<result<>>(count, fail(closed()));
  if (count == 0) co_return std::vector<result<>>{};
  const auto s = hub_->get();
  if (const auto wrong = first_wrong(batch, s->options)) co_return refuse_all(count, wrong->first, wrong->second);
  const auto p = make_pending(batch, loop_);
  const auto until = ctx.with_timeout(loop_, s->options.publish_wait);
  hub_publisher_place place{s->groups, loop_};
  for (;;) {
    sqlite_hub::state::admission admitted;
    {
      const guard locked{s->groups.lock};
      const auto served = place.leave();
      admitted = s->admit(p, batch, loop_, served.get());
      if (served) group_hub::notify(*served, &loop_);
      if (admitted.full) {
        admitted.need.who = std::make_shared<hub_sleeper>(loop_);
        place.enter(admitted.full, std::move(admitted.need));
      }
    }
    if (admitted.unrouted) {
      const auto& topic = p->messages[*admitted.unrouted].what->topic;
      co_return refuse_all(count, *admitted.unrouted, error{errc::not_found, "no group takes '" + topic + "'"});
    }
    if (!admitted.full) break;
    s->told(loop_);  // of what had expired, and has made no room
    if (auto room = co_await place.wait(until); !room)
      co_return std::vector<result<>>(count, fail(room.error().as_unprocessed()));
  }
  commit_wait waiting_for_it{s->groups, p->publisher};
  s->told(loop_);
  // It goes on by itself when nobody waits for it any more.
  if (const auto woken = co_await waiting_for_it.end(ctx); !woken)
    co_return std::vector<result<>>(count, fail(woken.error()));
  co_return std::vector<result<>>(count, p->outcome);
}

task<result<std::unique_ptr<consumer>>> sqlite_broker::subscribe(context ctx, subscription what) {
  if (!hub_) co_return fail(closed());
  WEFT_CO_TRY(auto asked, hub_subscription::read(std::move(what), loop_));
  const auto prefetch = asked.what.prefetch;
  const auto s = hub_->get();
  std::unique_ptr<consumer> made;
  bool defined = false;
  {
    const guard locked{s->groups.lock};
    const auto before = s->told_changes;
    WEFT_CO_TRY(auto group, s->groups.join(std::move(asked)));
    defined = s->told_changes != before;
    made = std::make_unique<hub_consumer>(loop_, s, s->groups, std::move(group), prefetch);
  }
  if (defined) WEFT_CO_TRY_VOID(co_await s->settled(loop_, std::move(ctx)));
  co_return made;
}

task<void> sqlite_broker::close(context ctx) {
  if (!hub_) co_return;
  auto s = hub_->get();
  static_cast<void>(co_await s->settled(loop_, std::move(ctx)));
  s->leave_home(loop_);
  admin_->close();
  // If this is the last one the file is closed, and that blocks.
  co_await blocking(loop_, [hub = std::move(hub_), state = std::move(s)]() mutable {
    hub.reset();
    state.reset();
  });
}

}  // namespace weft::messaging
