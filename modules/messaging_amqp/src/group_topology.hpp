#pragma once
// What a group is in the broker.
//
//     <prefix><group>                its queue; with partitions <prefix><group>.0, .1, ...
//     <prefix><group>.partitions     the exchange before them, x-consistent-hash
//     <prefix><group>.members        with partitions: each consumer consumes it too, so that they can be counted
//     <its queue>.attempts           attempts of messages that wait for their retry at their place
//     <prefix><group>.dead           dead letters
//     <its queue>.retry.<ms>         retries without order, while they wait; gone when they are not needed
//     <prefix>groups                 a record of each group
//     <exchange>.delay.<ms>          the same for delayed publications, of all groups
//     <exchange>.due                 quorum queues: where these go then, an exchange, and a queue that keeps nothing
#include <weft/amqp/channel.hpp>
#include <weft/messaging_amqp/amqp_broker.hpp>

#include <string>
#include <vector>

namespace weft::messaging {

struct group_names {
  std::string group, base;
  std::uint32_t partitions = 1;

  [[nodiscard]] std::vector<std::string> queues() const;
  [[nodiscard]] std::string partition_exchange() const { return base + ".partitions"; }
  [[nodiscard]] std::string members() const { return base + ".members"; }
  [[nodiscard]] std::string dead() const { return base + ".dead"; }
  // Where a message for the group goes: exchange and routing key.
  [[nodiscard]] amqp::message addressed(amqp::message m) const;
};

// errc::invalid_argument: the name is too long, or ends like one of weft's own queues.
[[nodiscard]] result<group_names> name_group(const amqp_options& options, const std::string& group,
                                             std::uint32_t partitions);

[[nodiscard]] amqp::queue_declare catalogue_queue(const amqp_options& options);

// Declares the queues of a group and binds them; again is harmless.
[[nodiscard]] task<result<>> declare_durable_group(amqp::channel& ch, context ctx, const amqp_options& options,
                                                   const group_names& names, const subscription& what);
[[nodiscard]] task<result<>> declare_ephemeral_group(amqp::channel& ch, context ctx, const amqp_options& options,
                                                     const group_names& names, const subscription& what);

// Binds them to what they take, and nothing else.
[[nodiscard]] task<result<>> bind_group(amqp::channel& ch, context ctx, const amqp_options& options,
                                        const group_names& names, const std::vector<std::string>& patterns,
                                        amqp::restored again = amqp::restored::yes);

[[nodiscard]] amqp::exchange_declare event_exchange(const amqp_options& options);
[[nodiscard]] amqp::queue_declare dead_queue(const amqp_options& options, const group_names& names);
[[nodiscard]] amqp::queue_declare attempts_queue(const std::string& of);
[[nodiscard]] amqp::table queue_arguments(const amqp_options& options);
[[nodiscard]] amqp::queue_declare retry_queue(const amqp_options& options, const std::string& target, std::uint64_t ms);
// What delay queues lead to; before the first of them.
[[nodiscard]] task<result<>> declare_due(amqp::channel& ch, context ctx, const amqp_options& options);
// The exchange and the queue have the same name.
[[nodiscard]] amqp::queue_declare delay_queue(const amqp_options& options, std::uint64_t ms);

}  // namespace weft::messaging
