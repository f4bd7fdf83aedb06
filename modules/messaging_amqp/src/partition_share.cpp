#include "partition_share.hpp"

#include <weft/base/saturating.hpp>
#include <weft/runtime/sleep.hpp>

#include <algorithm>
#include <numeric>

namespace weft::messaging {

task<result<std::uint32_t>> partition_share::consumers_of(self s, context ctx, std::string queue) {
  WEFT_CO_TRY(const auto status, co_await s->link_.topology().declare(
                                     std::move(ctx), amqp::queue_declare{.queue = std::move(queue), .passive = true}));
  co_return status.consumers;
}

task<result<>> partition_share::take_free(self s, context ctx, std::size_t up_to) {
  auto& core = *s->core_;
  const auto queues = core.names().queues();
  std::vector<std::uint32_t> order(queues.size());
  std::iota(order.begin(), order.end(), 0U);
  // Each looks in an order of its own, so that two seldom meet.
  for (auto left = order.size(); left > 1; --left)
    std::swap(order[left - 1], order[s->link_.on().random().below(left)]);
  for (const auto index : order) {
    const auto mine = core.attached();
    if (core.ended() || mine.size() >= up_to) break;
    if (std::ranges::find(mine, index) != mine.end() || core.holds(index)) continue;
    WEFT_CO_TRY(const auto others, co_await consumers_of(s, ctx, queues[index]));
    if (others == 0) WEFT_CO_TRY_VOID(co_await consumer_core::attach(s->core_, ctx, index, queues[index]));
  }
  co_return result<>{};
}

task<result<>> partition_share::leave_if_doubled(self s, context ctx) {
  const auto mine = s->core_->attached();
  if (mine.empty()) co_return result<>{};
  auto& random = s->link_.on().random();
  const auto index = mine[random.below(mine.size())];
  WEFT_CO_TRY(const auto consumers, co_await consumers_of(s, std::move(ctx), s->core_->names().queues()[index]));
  if (consumers > 1 && random.below(2) == 0) s->link_.spawn(consumer_core::detach(s->core_, s->core_->life(), index));
  co_return result<>{};
}

task<result<>> partition_share::adjust(self s, context ctx) {
  auto& core = *s->core_;
  WEFT_CO_TRY(const auto counted, co_await consumers_of(s, ctx, core.names().members()));
  const auto members = std::max(counted, 1U);
  const std::size_t share = (core.names().partitions + members - 1) / members;
  auto mine = core.attached();
  for (; mine.size() > share; mine.pop_back())
    s->link_.spawn(consumer_core::detach(s->core_, core.life(), mine.back()));
  if (mine.size() < share) co_return co_await take_free(s, std::move(ctx), share);
  co_return co_await leave_if_doubled(s, std::move(ctx));
}

task<void> partition_share::keep_adjusting(self s) {
  auto& on = s->link_.on();
  const auto every = s->link_.options().share_every;
  while (!s->core_->ended()) {
    const auto pause = saturating_add(
        every / 2,
        duration{static_cast<duration::rep>(on.random().below(static_cast<std::uint64_t>(every.count()) + 1))});
    if (!co_await sleep(on, s->core_->life(), pause)) break;
    // While there is no connection, nothing can be asked: the next time.
    static_cast<void>(co_await adjust(s, s->core_->life().with_timeout(on, saturating_multiply(every, 30))));
  }
}

task<result<>> partition_share::begin(consumer_core::self c, context ctx) {
  const auto s = std::make_shared<partition_share>(std::move(c));
  WEFT_CO_TRY(s->membership_, co_await s->link_.consuming_channel(
                                  ctx, {.confirms = amqp::confirms::off, .confirm_window = 1, .prefetch = 1}));
  WEFT_CO_TRY(s->member_, co_await s->membership_->consume(ctx, {.queue = s->core_->names().members()}));
  WEFT_CO_TRY_VOID(co_await adjust(s, std::move(ctx)));
  s->link_.spawn(keep_adjusting(s));
  co_return result<>{};
}

}  // namespace weft::messaging
