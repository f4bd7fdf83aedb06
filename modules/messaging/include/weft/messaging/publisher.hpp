#pragma once
// Publishes typed events, with their envelope filled in, confirmed by the broker.
//
//     publisher bus{loop, *broker, {.source = "/orders"}};
//     co_await bus.publish(ctx, orders_placed, event, order.id);              // key: order among its messages
//     co_await bus.publish(ctx, reminder, event, order.id, {.delay = 24h});
//
//     publisher::batch several;                                              // one round trip, a result for each
//     several.push_back(bus.prepare(ctx, orders_placed, a, a.id).value());
//     auto results = co_await bus.publish(ctx, std::move(several));
//
// The envelope: a UUID v7 as id, the source, the time, and from the context the correlation id, the trace position and
// the tenant. Success means that the broker has taken responsibility. A failure that is transient() may have been
// taken: repeat it under the same id. Belongs to one loop.
#include <weft/json/decode.hpp>
#include <weft/messaging/broker.hpp>
#include <weft/messaging/cloud_events.hpp>
#include <weft/messaging/topic.hpp>
#include <weft/observe/metrics.hpp>
#include <weft/observe/span.hpp>
#include <weft/runtime/loop.hpp>

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace weft::messaging {

struct publisher_options {
  std::string source = "/unknown";  // the CloudEvents source: a URI reference that names the service
  event_mode mode = event_mode::binary;
  feature_set needs;                        // beyond what calls show; checked at once
  const observe::tracer* tracer = nullptr;  // a span for each event; outlives the publisher
  observe::registry* metrics = nullptr;     // weft_messaging_published_total{topic,outcome}; outlives the publisher
};

struct publish_options {
  std::string id;       // instead of a new one: to repeat a message
  std::string subject;  // of the event; empty: the key
  duration delay{};
  unroutable if_unroutable = unroutable::drop;
  std::uint8_t priority = default_priority;
  duration time_to_live{};
  // The event being handled: its id becomes causationid, its correlation goes on.
  const event_view* cause = nullptr;
  std::string_view aggregate_type;
  headers extensions;  // further ones
};

class publisher {
 public:
  using batch = std::vector<outgoing>;

  // Both outlive the publisher. Throws std::invalid_argument for a source that is no URI reference, and for needs that
  // the broker does not have, by name.
  publisher(loop& l, broker& to, publisher_options options = {});
  ~publisher();
  publisher(publisher&&) noexcept;

  template <class Event>
  task<result<>> publish(const context& ctx, const topic<Event>& to, const Event& what, std::string_view key = {},
                         publish_options options = {}) {
    return publish_json(ctx, to.name, to.event_type_name(), to.version, json::encode(what), std::string{key},
                        std::move(options));
  }
  // JSON text that is an event's data already.
  [[nodiscard]] task<result<>> publish_json(context ctx, std::string_view topic, std::string_view type,
                                            std::uint32_t version, std::string data, std::string key,
                                            publish_options options);
  task<std::vector<result<>>> publish(context ctx, batch several);

  // The message that publish() would send: for batches, and for an outbox.
  template <class Event>
  [[nodiscard]] result<outgoing> prepare(const context& ctx, const topic<Event>& to, const Event& what,
                                         std::string_view key = {}, publish_options options = {}) const {
    return prepare_json(ctx, to.name, to.event_type_name(), to.version, json::encode(what), std::string{key},
                        std::move(options));
  }
  [[nodiscard]] result<outgoing> prepare_json(const context& ctx, std::string_view topic, std::string_view type,
                                              std::uint32_t version, std::string data, std::string key,
                                              publish_options options) const;

  [[nodiscard]] broker& target() const noexcept { return broker_; }

 private:
  [[nodiscard]] result<> check(const outgoing& what) const;
  void count(std::string_view topic, const result<>& outcome) const;

  loop& loop_;
  broker& broker_;
  publisher_options options_;
  std::unique_ptr<class event_stamp> stamp_;
  observe::counter_family published_;
};

}  // namespace weft::messaging
