#pragma once
// How to reach a broker, and what a connection may use.
//
//     WEFT_TRY(auto options, amqp::connection_options::parse("amqp://user:secret@h1:5672,h2/orders?heartbeat=20"));
//     options.connection_name = "orders service";
//
// URLs are RabbitMQ's (rabbitmq.com/uri-spec.html, uri-query-parameters.html): amqp:// or amqps://, several hosts with
// commas between them, percent-encoded user, password and virtual host ("/%2f" and no path are the host "/"). Query:
// heartbeat (seconds), connection_timeout (milliseconds), channel_max, frame_max, auth_mechanism (plain, external),
// cacertfile, certfile, keyfile, verify (verify_peer, verify_none), server_name_indication. The password is in no error
// and in no log line; to_string() leaves it out.
#include <weft/base/error.hpp>
#include <weft/net/endpoint.hpp>
#include <weft/net/tls.hpp>

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace weft::amqp {

enum class auth_mechanism : std::uint8_t {
  plain,     // user and password
  external,  // the client's certificate
};
enum class first_connection : std::uint8_t {
  fails_fast,  // open() fails when no host can be used
  is_retried,  // open() goes on trying until its context ends
};

// What happens to a connection, for logs and metrics.
struct connection_event {
  enum class kind : std::uint8_t {
    connected,           // to `subject`
    connect_failed,      // `subject` did not answer, or refused: `why`
    disconnected,        // `why`; it will be connected again, unless it was closed
    recovered,           // after a new connection: topology, channels and consumers are as before
    blocked,             // the broker takes no publications: `subject` is its reason
    unblocked,           //
    channel_failed,      // the broker closed a channel: `why`; it will be opened again
    channel_recovered,   //
    consumer_cancelled,  // by the broker, `subject` is the queue; it will be consumed again
    consumer_recovered,  // `subject` is the queue
    recovery_failed,     // of `subject`, an exchange, a queue, a binding or a consumer: `why`
    callback_failed,     // a settled_callback threw, for the message with id `subject`: `why`
  };
  kind what = kind::connected;
  std::string subject;
  std::optional<error> why;
};
[[nodiscard]] std::string_view to_string(connection_event::kind what) noexcept;

struct connection_options {
  std::vector<net::endpoint> hosts;  // tcp or tls; tried in an order that is shuffled each time
  std::string user = "guest", password = "guest", virtual_host = "/";
  auth_mechanism mechanism = auth_mechanism::plain;
  std::optional<net::tls_context> tls;  // needed for tls endpoints
  std::string server_name;              // for TLS, instead of the host's name
  std::string connection_name;          // shown by the broker

  std::chrono::seconds heartbeat{30};  // of silence; twice that means dead. 0: none
  std::uint16_t channel_max = 2047;
  std::uint32_t frame_max = 131'072;
  duration connect_timeout = std::chrono::seconds{10};  // for each host: TCP, TLS and AMQP together
  duration backoff_first = std::chrono::milliseconds{200}, backoff_most = std::chrono::seconds{20};
  first_connection first = first_connection::fails_fast;

  std::uint64_t message_max = 128ULL * 1024 * 1024;  // bytes of a received message; more ends the connection
  std::size_t output_max = 1024UL * 1024;            // bytes waiting for the network, beyond which publishing pauses
  // Bytes delivered and not taken, beyond which reading pauses, unless an answer or a confirm is awaited on the same
  // connection, for that stands behind what the broker delivers: then the prefetch bounds what comes.
  std::size_t unread_max = 64UL * 1024 * 1024;

  // Called on the loop. It must not destroy the connection. What it throws is ignored.
  std::function<void(const connection_event&)> on_event;

  // errc::invalid_argument names the part that is wrong. Certificates are read here.
  [[nodiscard]] static result<connection_options> parse(std::string_view url);
  // errc::invalid_argument names the field.
  [[nodiscard]] result<> validate() const;
  // "amqp://user@h1:5672,h2:5672/orders": without the password.
  [[nodiscard]] std::string to_string() const;
};

}  // namespace weft::amqp
