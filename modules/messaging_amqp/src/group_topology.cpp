#include "group_topology.hpp"

#include <algorithm>

#include "sansio/delay_steps.hpp"

namespace weft::messaging {

namespace {

using amqp::queue_declare;
using amqp::table;

// Newer brokers have a limit by default, beyond which they drop. Ours is kept by the consumer, which says why.
constexpr std::int32_t no_delivery_limit = 1'000'000;
constexpr std::int64_t notes_kept_ms = 7LL * 24 * 3600 * 1000;
constexpr std::int32_t ephemeral_kept_ms = 60'000;
constexpr std::int32_t most_notes = 100'000;

error other_shape(const error& why) {
  if (why.code() != errc::failed_precondition) return why;
  return why.with_remedy("the group is there in another shape (order, queues, max_length): remove it, or keep to that");
}

task<result<>> declare_queue(amqp::channel& ch, context ctx, queue_declare what) {
  const auto made = co_await ch.declare(std::move(ctx), std::move(what));
  if (!made) co_return fail(other_shape(made.error()));
  co_return result<>{};
}

}  // namespace

std::vector<std::string> group_names::queues() const {
  if (partitions == 1) return {base};
  std::vector<std::string> all;
  for (std::uint32_t i = 0; i < partitions; ++i) all.push_back(base + "." + std::to_string(i));
  return all;
}

amqp::message group_names::addressed(amqp::message m) const {
  if (partitions > 1) {
    m.exchange = partition_exchange();
  } else {
    m.exchange.clear();
    m.routing_key = base;
  }
  return m;
}

result<group_names> name_group(const amqp_options& options, const std::string& group, std::uint32_t partitions) {
  group_names names{.group = group, .base = options.prefix + group, .partitions = partitions};
  constexpr std::size_t longest_ending = 20;  // ".retry.4294967295"
  if (names.base.size() + longest_ending > max_name_bytes)
    return fail(errc::invalid_argument, "group: with the prefix longer than 235 bytes");
  for (const std::string_view ending : {".dead", ".attempts", ".members", ".partitions"})
    if (group.ends_with(ending))
      return fail(errc::invalid_argument, "group: names that end with " + std::string{ending} + " are weft's own");
  return names;
}

table queue_arguments(const amqp_options& options) {
  if (options.queues == amqp_queues::classic) return {{"x-queue-type", "classic"}};
  return {{"x-queue-type", "quorum"}, {"x-delivery-limit", no_delivery_limit}};
}

queue_declare catalogue_queue(const amqp_options& options) {
  return {.queue = options.prefix + "groups", .durable = true, .arguments = {{"x-queue-type", "classic"}}};
}

amqp::exchange_declare event_exchange(const amqp_options& options) {
  return {.exchange = options.exchange, .type = "topic", .durable = true};
}

queue_declare dead_queue(const amqp_options& options, const group_names& names) {
  return {.queue = names.dead(), .durable = true, .arguments = queue_arguments(options)};
}

task<result<>> bind_group(amqp::channel& ch, context ctx, const amqp_options& options, const group_names& names,
                          const std::vector<std::string>& patterns, amqp::restored again) {
  for (const auto& pattern : patterns) {
    if (names.partitions == 1) {
      WEFT_CO_TRY_VOID(co_await ch.bind(
          ctx, amqp::queue_bind{.queue = names.base, .exchange = options.exchange, .routing_key = pattern}, again));
    } else {
      WEFT_CO_TRY_VOID(co_await ch.bind(
          ctx,
          amqp::exchange_bind{
              .destination = names.partition_exchange(), .source = options.exchange, .routing_key = pattern},
          again));
    }
  }
  co_return result<>{};
}

queue_declare attempts_queue(const std::string& of) {
  return {.queue = of + ".attempts",
          .durable = true,
          .arguments = {{"x-message-ttl", notes_kept_ms}, {"x-max-length", most_notes}, {"x-queue-type", "classic"}}};
}

task<result<>> declare_durable_group(amqp::channel& ch, context ctx, const amqp_options& options,
                                     const group_names& names, const subscription& what) {
  auto arguments = queue_arguments(options);
  if (options.queues == amqp_queues::classic) arguments.set("x-max-priority", std::int32_t{max_priority});
  if (what.order == ordering::per_key) arguments.set("x-single-active-consumer", true);
  if (options.max_length > 0) {
    arguments.set("x-max-length", std::int64_t{options.max_length});
    arguments.set("x-overflow", "reject-publish");
  }
  for (const auto& queue : names.queues())
    WEFT_CO_TRY_VOID(co_await declare_queue(ch, ctx, {.queue = queue, .durable = true, .arguments = arguments}));
  WEFT_CO_TRY_VOID(co_await declare_queue(ch, ctx, dead_queue(options, names)));
  if (what.order == ordering::per_key)
    for (const auto& queue : names.queues()) WEFT_CO_TRY_VOID(co_await declare_queue(ch, ctx, attempts_queue(queue)));
  if (names.partitions == 1) co_return co_await bind_group(ch, ctx, options, names, what.patterns);
  WEFT_CO_TRY_VOID(
      co_await ch.declare(ctx, amqp::exchange_declare{.exchange = names.partition_exchange(),
                                                      .type = "x-consistent-hash",
                                                      .durable = true,
                                                      .arguments = {{"hash-header", std::string{"weft-partition"}}}}));
  for (const auto& queue : names.queues())
    WEFT_CO_TRY_VOID(co_await ch.bind(
        ctx, amqp::queue_bind{.queue = queue, .exchange = names.partition_exchange(), .routing_key = "1"}));
  WEFT_CO_TRY_VOID(co_await bind_group(ch, ctx, options, names, what.patterns));
  co_return co_await declare_queue(ch, ctx, {.queue = names.members(), .auto_delete = true});
}

task<result<>> declare_ephemeral_group(amqp::channel& ch, context ctx, const amqp_options& options,
                                       const group_names& names, const subscription& what) {
  table arguments{{"x-expires", ephemeral_kept_ms}};  // should it be left without a consumer
  if (what.order == ordering::per_key && !what.group.empty()) arguments.set("x-single-active-consumer", true);
  if (options.queues == amqp_queues::classic) arguments.set("x-max-priority", std::int32_t{max_priority});
  WEFT_CO_TRY_VOID(co_await declare_queue(
      ch, ctx,
      {.queue = names.base, .exclusive = what.group.empty(), .auto_delete = true, .arguments = std::move(arguments)}));
  co_return co_await bind_group(ch, ctx, options, names, what.patterns);
}

namespace {

void keep_until_it_has_arrived(table& arguments) {
  arguments.set("x-dead-letter-strategy", "at-least-once");
  arguments.set("x-overflow", "reject-publish");
}

std::string due_exchange(const amqp_options& options) { return options.exchange + ".due"; }

}  // namespace

queue_declare retry_queue(const amqp_options& options, const std::string& target, std::uint64_t ms) {
  auto arguments = queue_arguments(options);
  arguments.set("x-message-ttl", static_cast<std::int64_t>(ms));
  arguments.set("x-expires", static_cast<std::int64_t>(ms + declared_for_ms));
  arguments.set("x-dead-letter-exchange", "");
  arguments.set("x-dead-letter-routing-key", target);
  if (options.queues == amqp_queues::quorum) keep_until_it_has_arrived(arguments);
  return {.queue = target + ".retry." + std::to_string(ms), .durable = true, .arguments = std::move(arguments)};
}

// What is due goes through an exchange that also leads to a queue which keeps nothing: quorum queues hold on to a
// message until somebody takes it, and one that no group wants would hold up those behind it.
task<result<>> declare_due(amqp::channel& ch, context ctx, const amqp_options& options) {
  if (options.queues == amqp_queues::classic) co_return result<>{};
  const auto exchange = due_exchange(options);
  WEFT_CO_TRY_VOID(
      co_await ch.declare(ctx, amqp::exchange_declare{.exchange = exchange, .type = "fanout", .durable = true}));
  WEFT_CO_TRY_VOID(co_await declare_queue(
      ch, ctx,
      {.queue = exchange,
       .durable = true,
       .arguments = {
           {"x-queue-type", "classic"}, {"x-message-ttl", std::int32_t{0}}, {"x-max-length", std::int32_t{1}}}}));
  WEFT_CO_TRY_VOID(co_await ch.bind(ctx, amqp::queue_bind{.queue = exchange, .exchange = exchange}));
  co_return co_await ch.bind(ctx, amqp::exchange_bind{.destination = options.exchange, .source = exchange});
}

queue_declare delay_queue(const amqp_options& options, std::uint64_t ms) {
  auto arguments = queue_arguments(options);
  arguments.set("x-message-ttl", static_cast<std::int64_t>(ms));
  arguments.set("x-expires", static_cast<std::int64_t>(ms + declared_for_ms));
  arguments.set("x-dead-letter-exchange",
                options.queues == amqp_queues::quorum ? due_exchange(options) : options.exchange);
  if (options.queues == amqp_queues::quorum) keep_until_it_has_arrived(arguments);
  auto name = options.exchange + ".delay." + std::to_string(ms);
  if (options.queues == amqp_queues::classic) name += ".classic";
  return {.queue = std::move(name), .durable = true, .arguments = std::move(arguments)};
}

}  // namespace weft::messaging
