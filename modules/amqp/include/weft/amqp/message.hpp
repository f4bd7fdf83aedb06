#pragma once
// What travels: a body with its properties, and where it is published to.
//
//     amqp::message m{.exchange = "domain_events", .routing_key = "user.created", .body = json};
//     m.properties.content_type = "application/json";
//
// An empty string is an absent property. Strings of properties, exchange and routing key hold at most 255 bytes.
// Source: AMQP 0-9-1, 1.8 (class basic).
#include <weft/amqp/value.hpp>

namespace weft::amqp {

enum class delivery_mode : std::uint8_t { transient = 1, persistent = 2 };

struct properties {
  std::string content_type, content_encoding;
  table headers;
  std::optional<amqp::delivery_mode> delivery_mode;
  std::optional<std::uint8_t> priority;
  std::string correlation_id, reply_to;
  std::string expiration;  // milliseconds in the queue, as decimal digits
  std::string message_id;
  std::optional<amqp::timestamp> timestamp;
  std::string type, user_id, app_id, cluster_id;
  friend bool operator==(const properties&, const properties&) = default;
};

// A message that no queue takes: an error tells the publisher, or the broker drops it.
enum class unroutable : std::uint8_t { is_an_error, is_dropped };

struct message {
  std::string exchange;  // empty: the default one, which routes to the queue named by routing_key
  std::string routing_key;
  amqp::properties properties;
  std::string body;
  amqp::unroutable unroutable = amqp::unroutable::is_an_error;
  friend bool operator==(const message&, const message&) = default;
};

}  // namespace weft::amqp
