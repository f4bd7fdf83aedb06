#pragma once
// RabbitMQ 3.10 and newer behind messaging/broker.hpp.
//
//     brokers.add("amqp", amqp_brokers()).add("amqps", amqp_brokers());                    // broker_factory.hpp
//     auto bus = co_await brokers.open(loop, ctx, "amqp://user:secret@h1,h2/shop?queues=quorum");
//
//     WEFT_CO_TRY(auto options, amqp_options::parse("amqp://user:secret@h1,h2/shop"));     // or directly
//     WEFT_CO_TRY(auto direct, co_await amqp_broker::open(loop, ctx, std::move(options)));
//
// Messages go to a durable topic exchange; a group is a durable queue bound to it by its patterns. What is published is
// confirmed by the broker; after a lost connection (of several hosts in the URL another is tried) everything declared
// comes back, and what was not confirmed is published again under the same id.
//
// Order per key: one consumer of a group is served at a time (x-single-active-consumer), another takes over when it
// goes; with `partitions` the group has that many queues, chosen by the hash of the key, and consumers share them. A
// message that waits for its retry stays unacknowledged at its place in the queue, and its key waits in the consumer;
// the number of attempts and the failures are kept beside it, in <queue>.attempts. Where no order is asked for, a retry
// goes through a delay queue and takes no place in the consumer.
//
// Dead letters are in <queue>.dead. docs/decisions/0005-rabbitmq-groups.md says why it is done like this, README.md
// what is where in the broker. A delivery has to be settled within the broker's consumer_timeout (30 minutes): longer
// work goes into an inbox first.
//
// Settlements end in something. Where a copy cannot be written (the broker is short of memory, say), a retry waits in
// the consumer, where it takes a place of the prefetch; a dead letter fails, and is still out. A settlement whose
// caller gave up while the broker had not confirmed its copy goes on by itself.
//
// Belongs to one loop. Sources: rabbitmq.com/quorum-queues.html, /ttl.html, /dlx.html, /consumers.html (single active
// consumer), /confirms.html, and the plugin x-consistent-hash.
#include <weft/amqp/options.hpp>
#include <weft/messaging/broker.hpp>
#include <weft/messaging/broker_admin.hpp>
#include <weft/messaging/broker_factory.hpp>
#include <weft/observe/metrics.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace weft::messaging {

enum class amqp_queues : std::uint8_t {
  quorum,   // replicated; counts deliveries; no priorities
  classic,  // priorities
};

struct amqp_options {
  amqp::connection_options connection;
  std::string exchange = "weft.events";      // a topic exchange; made when it is not there
  std::string prefix = "weft.";              // of every queue's name
  amqp_queues queues = amqp_queues::quorum;  // of durable groups; as long as the group exists it cannot change
  // Queues of each durable group that is ordered per key. More than 1 needs the plugin
  // rabbitmq_consistent_hash_exchange, and the same number in every program that publishes or consumes.
  std::uint32_t partitions = 1;
  duration share_every = std::chrono::seconds{1};  // how often consumers look whether partitions are fairly shared
  std::size_t confirm_window = 256;                // publications that are not confirmed; more wait
  // Messages that an ordered consumer takes beyond its prefetch, so that others go on while keys wait for retries.
  std::uint32_t lookahead = 100;
  // A message that a quorum queue delivered as often as this without an answer may be what ends the programs that take
  // it: from then on it is handed out alone, and if it ends two more, it goes to the dead letters. 0: never.
  std::uint32_t delivery_limit = 20;
  std::uint32_t max_length = 0;  // messages of a group's queue; more are refused, errc::resource_exhausted. 0: no limit
  std::size_t max_message_bytes = 16 * 1024 * 1024;
  // Dead letters that the admin holds at a time, and replays with one call; fewer when they come to 256 MiB.
  std::size_t max_browse = 100'000;
  observe::registry* metrics = nullptr;  // weft_amqp_...; outlives the broker

  // Those of amqp::connection_options::parse, and the query parameters exchange, prefix, queues (quorum, classic),
  // partitions, confirm_window, lookahead, delivery_limit, max_length, max_message_bytes.
  [[nodiscard]] static result<amqp_options> parse(std::string_view url);
  // errc::invalid_argument names the field.
  [[nodiscard]] result<> validate() const;
};

class amqp_broker final : public broker, public broker_admin {
 public:
  // Connected and with its exchange; or why not, as amqp::connection::open() says.
  [[nodiscard]] static task<result<std::unique_ptr<amqp_broker>>> open(loop& l, context ctx, amqp_options options);
  ~amqp_broker() override;  // at once; what is not confirmed fails with errc::unavailable

  [[nodiscard]] const broker_features& features() const noexcept override;
  // Waits while the broker is short of memory or disk. unroutable::refuse: errc::not_found; of a message with a delay
  // by what the catalogue of groups, and the consumers of this object, take now. A full or refusing queue:
  // errc::resource_exhausted. Larger than the server's maximum: errc::invalid_argument. An exchange that somebody
  // deleted is made again with its bindings, and what met its absence fails with errc::unavailable, unprocessed.
  task<std::vector<result<>>> publish(context ctx, std::vector<outgoing> batch) override;
  // errc::failed_precondition: the group's queue is there in another shape (order, type, partitions).
  task<result<std::unique_ptr<consumer>>> subscribe(context ctx, subscription what) override;
  // errc::unavailable: there is no connection, or the broker takes no publications (short of memory or disk).
  [[nodiscard]] task<result<>> check(context ctx) override;
  [[nodiscard]] broker_admin* admin() noexcept override { return this; }
  task<void> close(context ctx) override;

  // Of the groups in the catalogue, which subscriptions fill. AMQP tells the number of ready messages and of
  // consumers; in flight is what consumers of this object hold; delayed and bytes stay 0.
  task<result<std::vector<group_depth>>> depths(context ctx) override;
  task<result<std::vector<dead_letter_entry>>> dead_letters(context ctx, dead_letter_query query) override;
  task<result<std::size_t>> replay(context ctx, std::string group, std::vector<std::uint64_t> numbers) override;
  task<result<std::size_t>> purge(context ctx, std::string group, std::vector<std::uint64_t> numbers) override;
  // What is ready. Messages in delay queues come later.
  task<result<std::size_t>> clear(context ctx, std::string group) override;
  task<result<>> remove_group(context ctx, std::string group) override;

 private:
  explicit amqp_broker(std::unique_ptr<class amqp_link> link);
  std::unique_ptr<class amqp_link> link_;
};

// For broker_factory: of these options, those that the URL names are taken from there.
[[nodiscard]] broker_opener amqp_brokers(amqp_options options = {});

}  // namespace weft::messaging
