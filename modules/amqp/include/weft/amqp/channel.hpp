#pragma once
// A channel: publishing with confirms, consuming with acknowledgements, and the broker's topology. See connection.hpp
// for an example and for what happens when a connection is lost.
//
// A channel that the broker closes (it does so on every refused request) is opened again, with its consumers; the
// request fails with the broker's reason. Declarations and the like run on a channel of the connection's own, so a
// refused one disturbs nobody.
#include <weft/amqp/message.hpp>
#include <weft/amqp/method.hpp>
#include <weft/runtime/loop.hpp>

namespace weft::amqp {

enum class confirms : std::uint8_t {
  on,
  off,  // published means written: it may be lost, and nobody is told
};
struct channel_options {
  amqp::confirms confirms = confirms::on;
  std::size_t confirm_window = 256;  // publications that are not confirmed; more wait
  std::uint16_t prefetch = 250;      // deliveries of each consumer that are not acknowledged; 0: no limit
};

// A message from a queue. Acknowledge it on the channel that it came from.
struct delivery {
  amqp::message message;
  bool redelivered = false;
  std::string consumer_tag;
  std::uint64_t tag = 0;         // counts within a generation
  std::uint64_t generation = 0;  // of the channel: it changes when the channel is opened again; no other has the same
  // How often it was delivered before; only quorum queues count (x-delivery-count).
  [[nodiscard]] std::optional<std::int64_t> delivery_count() const noexcept;
};

enum class cumulative : std::uint8_t { no, yes };  // yes: this delivery and all before it on the channel
enum class rejected : std::uint8_t { requeue, dead_letter };
enum class acknowledged : std::uint8_t {
  sent,
  stale,  // the channel was opened again since: the broker delivers the message once more
};

enum class acknowledgement : std::uint8_t { by_consumer, automatic };
struct consume_options {
  std::string queue;
  acknowledgement acknowledge = acknowledgement::by_consumer;
  bool exclusive = false;
  table arguments;  // x-priority, x-stream-offset, ...
};

struct queue_status {
  std::string queue;
  std::uint32_t messages = 0, consumers = 0;
};

// Destroying it stops consuming; what was delivered and not taken goes back to the queue.
class consumer {
 public:
  consumer(consumer&&) noexcept;
  consumer& operator=(consumer&&) noexcept;
  ~consumer();

  // The next delivery, in the queue's order; while the consumer recovers, it waits. One waits at a time.
  // errc::failed_precondition once the channel or the connection is closed.
  [[nodiscard]] task<result<delivery>> next(context ctx);
  [[nodiscard]] std::optional<delivery> try_next();
  [[nodiscard]] std::size_t waiting() const noexcept;  // deliveries that nobody took yet
  // Whether the broker delivers to it now; not so while it recovers.
  [[nodiscard]] bool attached() const noexcept;
  // Until it does. errc::failed_precondition once the channel or the connection is closed.
  [[nodiscard]] task<result<>> wait_attached(context ctx);
  [[nodiscard]] task<result<>> cancel(context ctx);

 private:
  friend class channel;
  explicit consumer(std::shared_ptr<struct consumer_impl> impl) noexcept;
  std::shared_ptr<struct consumer_impl> impl_;
};

// Whether a declaration is made again after a reconnect, until what it declared is deleted here.
enum class restored : std::uint8_t { yes, no };

// Destroying it closes it.
class channel {
 public:
  channel(channel&&) noexcept;
  channel& operator=(channel&&) noexcept;
  ~channel();

  // A queue without a name gets one, as in the result.
  [[nodiscard]] task<result<>> declare(context ctx, exchange_declare what, restored again = restored::yes);
  [[nodiscard]] task<result<queue_status>> declare(context ctx, queue_declare what, restored again = restored::yes);
  [[nodiscard]] task<result<>> bind(context ctx, queue_bind what, restored again = restored::yes);
  [[nodiscard]] task<result<>> bind(context ctx, exchange_bind what, restored again = restored::yes);
  [[nodiscard]] task<result<>> unbind(context ctx, queue_unbind what);
  [[nodiscard]] task<result<>> unbind(context ctx, exchange_unbind what);
  [[nodiscard]] task<result<>> remove(context ctx, exchange_delete what);
  [[nodiscard]] task<result<std::uint32_t>> remove(context ctx, queue_delete what);  // messages lost with it
  [[nodiscard]] task<result<std::uint32_t>> purge(context ctx, std::string queue);

  // Until the broker has taken responsibility. Without a message id it gets one; without a delivery mode it is
  // persistent. errc::not_found: no queue takes it (unless that is wanted); errc::resource_exhausted: refused (nack);
  // errc::failed_precondition: there is no such exchange; errc::invalid_argument: the broker never takes this message
  // (too large, a property that it does not allow). When the context ends: as_unprocessed() if it was not sent, else it
  // may have been published, and stays in the window until it is settled.
  [[nodiscard]] task<result<>> publish(context ctx, message m);
  // Called once, on the loop; it must not destroy the connection. What it throws is a connection_event.
  using settled_callback = std::move_only_function<void(result<>)>;
  // The same; when the context ends after the message was sent (errc::deadline_exceeded or cancelled, not
  // unprocessed()), `late` is called with what becomes of it, else not at all.
  [[nodiscard]] task<result<>> publish(context ctx, message m, settled_callback late);
  // Waits only for room in the window, in the order of the calls.
  [[nodiscard]] task<result<>> publish_nowait(context ctx, message m, settled_callback settled);
  // The same without waiting: errc::resource_exhausted when the window is full. `settled` is then not called.
  result<> try_publish(message m, settled_callback settled);
  // Until everything published so far is settled.
  [[nodiscard]] task<result<>> flush(context ctx);
  [[nodiscard]] std::size_t unconfirmed() const noexcept;

  [[nodiscard]] task<result<consumer>> consume(context ctx, consume_options options);
  // One message, if there is one.
  [[nodiscard]] task<result<std::optional<delivery>>> get(context ctx, std::string queue,
                                                          acknowledgement acknowledge = acknowledgement::by_consumer);
  // For consumers that begin later.
  [[nodiscard]] task<result<>> qos(context ctx, std::uint16_t prefetch);

  acknowledged ack(const delivery& d, cumulative all = cumulative::no);
  acknowledged nack(const delivery& d, rejected how = rejected::requeue, cumulative all = cumulative::no);

  [[nodiscard]] task<result<>> close(context ctx);
  [[nodiscard]] std::uint64_t generation() const noexcept;  // of deliveries that can be acknowledged
  [[nodiscard]] bool ready() const noexcept;                // open now; not so while it comes back

 private:
  friend class connection;
  explicit channel(std::shared_ptr<class channel_impl> impl) noexcept;
  std::shared_ptr<class channel_impl> impl_;
};

}  // namespace weft::amqp
