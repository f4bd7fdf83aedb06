#include <weft/messaging_amqp/amqp_broker.hpp>

#include <stdexcept>

#include "amqp_link.hpp"
#include "consumer_core.hpp"
#include "partition_share.hpp"

namespace weft::messaging {

amqp_broker::amqp_broker(std::unique_ptr<amqp_link> link) : link_{std::move(link)} {}
amqp_broker::~amqp_broker() = default;

task<result<std::unique_ptr<amqp_broker>>> amqp_broker::open(loop& l, context ctx, amqp_options options) {
  WEFT_CO_TRY_VOID(options.validate());
  std::unique_ptr<amqp_broker> made{new amqp_broker{std::make_unique<amqp_link>(l, std::move(options))}};
  WEFT_CO_TRY_VOID(co_await made->link_->open(std::move(ctx)));
  co_return made;
}

const broker_features& amqp_broker::features() const noexcept { return link_->features(); }

task<std::vector<result<>>> amqp_broker::publish(context ctx, std::vector<outgoing> batch) {
  return link_->publish(std::move(ctx), std::move(batch));
}

task<result<std::unique_ptr<consumer>>> amqp_broker::subscribe(context ctx, subscription what) {
  WEFT_CO_TRY_VOID(what.validate());
  if (what.group.empty()) what.lives = lifetime::ephemeral;
  auto names = co_await link_->join(ctx, what);
  if (!names) co_return fail(names.error().with_operation("subscribing " + what.group));
  auto core = std::make_shared<consumer_core>(*link_, *names, what);
  auto made = std::make_unique<amqp_consumer>(core);
  if (names->partitions == 1) {
    WEFT_CO_TRY_VOID(co_await consumer_core::attach(core, ctx, 0, names->base));
  } else {
    WEFT_CO_TRY_VOID(co_await partition_share::begin(core, ctx));
  }
  co_return made;
}

task<result<>> amqp_broker::check(context) { co_return link_->reachable(); }

task<void> amqp_broker::close(context ctx) { return link_->close(std::move(ctx)); }

}  // namespace weft::messaging
