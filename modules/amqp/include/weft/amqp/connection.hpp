#pragma once
// A connection to RabbitMQ that comes back by itself, and the channels on it.
//
//     WEFT_CO_TRY(auto options, amqp::connection_options::parse("amqp://user:secret@h1,h2/orders"));
//     WEFT_CO_TRY(auto broker, co_await amqp::connection::open(loop, ctx, std::move(options)));
//     WEFT_CO_TRY(auto ch, co_await broker.open_channel(ctx, {.prefetch = 100}));
//     WEFT_CO_TRY_VOID(co_await ch.declare(ctx, amqp::queue_declare{.queue = "mails", .durable = true}));
//     WEFT_CO_TRY_VOID(co_await ch.publish(ctx, {.routing_key = "mails", .body = "hello"}));   // confirmed
//     WEFT_CO_TRY(auto mails, co_await ch.consume(ctx, {.queue = "mails"}));
//     WEFT_CO_TRY(auto mail, co_await mails.next(ctx));
//     ch.ack(mail);
//
// When the connection is lost it is made again (several hosts, backoff with jitter). What was declared is declared
// again: exchanges, queues, bindings; then channels with their prefetch and consumers; then what was published and not
// confirmed is published again, in order, under the same message ids, before anything newer: it may arrive twice.
// Calls that waited for an answer fail with errc::unavailable; publications go on waiting for their confirm.
//
// All objects belong to the loop's thread. Channels and consumers may outlive the connection; their calls then fail.
// Waits end with their context. Sources: AMQP 0-9-1; rabbitmq.com/confirms.html, /connection-blocked.html,
// /consumer-cancel.html.
#include <weft/amqp/channel.hpp>
#include <weft/amqp/options.hpp>

namespace weft::amqp {

enum class connection_state : std::uint8_t {
  connecting,  // for the first time or again
  recovering,  // connected, restoring what was there before
  open,
  blocked,  // open, but the broker takes no publications (it is short of memory or disk); they wait
  closed,   // for good
};
[[nodiscard]] std::string_view to_string(connection_state state) noexcept;

class connection {
 public:
  // Connected, or why not: errc::unauthenticated (user, password, certificate), errc::not_found (virtual host),
  // errc::permission_denied, errc::failed_precondition (not AMQP 0-9-1), errc::unavailable.
  [[nodiscard]] static task<result<connection>> open(loop& l, context ctx, connection_options options);
  connection(connection&&) noexcept;
  connection& operator=(connection&&) noexcept;
  ~connection();  // at once; what is not confirmed fails with errc::unavailable

  [[nodiscard]] task<result<channel>> open_channel(context ctx, channel_options options = {});

  // Says goodbye to the broker. What is not confirmed fails with errc::unavailable: await channel::flush() before.
  // Waits no longer than connect_timeout: a broker that is short of memory does not read.
  [[nodiscard]] task<result<>> close(context ctx);
  // For tokens that expire (OAuth 2): the connection goes on with the new one, and reconnects with it.
  [[nodiscard]] task<result<>> update_secret(context ctx, std::string secret, std::string reason);

  [[nodiscard]] connection_state state() const noexcept;
  // Until the state is `wanted`.
  [[nodiscard]] task<result<>> wait_for(context ctx, connection_state wanted);
  // Why the broker blocks publications; empty when it does not.
  [[nodiscard]] const std::string& blocked_reason() const noexcept;
  // The last reason why it was not open; for health checks.
  [[nodiscard]] std::optional<error> last_problem() const;
  [[nodiscard]] std::uint64_t connects() const noexcept;  // 1 after open()
  // As agreed on with the broker: the properties of a message, with its headers, fit into one frame.
  [[nodiscard]] std::uint32_t frame_max() const noexcept;

 private:
  explicit connection(std::shared_ptr<class connection_impl> impl) noexcept;
  std::shared_ptr<class connection_impl> impl_;
};

}  // namespace weft::amqp
