#pragma once
// The interface between weft and what carries messages. Two verbs: publish, and subscribe.
//
//     WEFT_CO_TRY(auto bus, co_await brokers.open(loop, ctx, "memory:"));            // broker_factory.hpp
//     auto sent = co_await publish_one(*bus, ctx, {.what = {.id = "1", .topic = "user.created", .body = "{}"}});
//
//     WEFT_CO_TRY(auto c, co_await bus->subscribe(ctx, {.group = "mail", .patterns = {"user.*"}}));
//     while (auto d = (co_await c->next(ctx)).value()) co_await c->settle(ctx, d->tag, settlement::ack());
//
// Most programs use publisher and router, which stand on it. A broker object, its consumers and their calls belong to
// one loop. Consumers end before the broker that made them. Every backend passes the suite in
// testkit/broker_conformance.hpp, by what its features() declare.
#include <weft/messaging/features.hpp>
#include <weft/messaging/message.hpp>
#include <weft/messaging/settlement.hpp>
#include <weft/runtime/context.hpp>
#include <weft/runtime/task.hpp>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace weft::messaging {

// What becomes of a message whose topic no group takes.
enum class unroutable : std::uint8_t {
  drop,    // published with success, and nowhere: for news that may go unheard
  refuse,  // errc::not_found, also when it has a delay; success means that a group has it. Feature mandatory
};

struct outgoing {
  message what;
  duration delay{};  // delivered no earlier; feature delay
  unroutable if_unroutable = unroutable::drop;

  // As of its message; errc::invalid_argument for a negative delay.
  [[nodiscard]] result<> validate(const message_limits& limits = {}) const;
};

enum class ordering : std::uint8_t { none, per_key };
enum class lifetime : std::uint8_t {
  durable,    // the group's messages wait for it while it is away
  ephemeral,  // they are gone with the last consumer; feature ephemeral
};

struct subscription {
  // Consumers of one group share its messages; each group gets every message. Empty: a group of its own, ephemeral.
  std::string group;
  // Of the topics it takes. A durable group takes what any of its subscriptions ever asked for.
  std::vector<std::string> patterns;
  std::uint32_t prefetch = 100;  // messages handed to this consumer and not settled, at most
  ordering order = ordering::per_key;
  lifetime lives = lifetime::durable;

  // errc::invalid_argument names the field.
  [[nodiscard]] result<> validate() const;
};

// Names one delivery within its consumer. One that was lost with a connection is settled by nobody: errc::aborted.
struct delivery_tag {
  std::uint64_t channel = 0, number = 0;
  friend bool operator==(const delivery_tag&, const delivery_tag&) = default;
};

struct raw_delivery {
  message_ptr what;
  std::uint32_t attempt = 1;  // 1 at first; survives the consumer where the broker has durable_attempts
  bool redelivered = false;   // it was handed to somebody before
  delivery_tag tag;
  std::vector<failure> failures;  // of earlier attempts, as far as the broker keeps them
};

class consumer {
 public:
  virtual ~consumer() = default;  // what is not settled is delivered again
  consumer(const consumer&) = delete;
  consumer& operator=(const consumer&) = delete;

  // The next message; nullopt once stopped. Survives the loss of a connection. One call at a time.
  // An ephemeral group may be lost with its connection, and what was in it too: then it is made again, and after that
  // one call fails with errc::aborted, so that nobody waits for what cannot come.
  virtual task<result<std::optional<raw_delivery>>> next(context ctx) = 0;
  // What is there already, without waiting.
  [[nodiscard]] virtual std::optional<raw_delivery> try_next() = 0;
  // Waits for the next message, and takes along what is there already, within the prefetch; empty once stopped. For who
  // handles several at a time: a broker that writes down what is out does it once for all of them.
  virtual task<result<std::vector<raw_delivery>>> next_some(context ctx);
  // Any number at a time, in any order. errc::aborted: nothing is left to settle, since the delivery was lost and comes
  // again, or an earlier call has settled it after all. After any other error the delivery is still out and holds its
  // place: settle it again, as a retry if the broker refuses what was asked for.
  virtual task<result<>> settle(context ctx, delivery_tag tag, settlement how) = 0;
  // The same for what needs no waiting, and nullopt for what does: then it is still to be settled, and `how` as it was.
  [[nodiscard]] virtual std::optional<result<>> try_settle(delivery_tag tag, settlement& how);
  // Whether it can still be settled: not so once it was lost with a connection, for then it comes again. To be asked
  // before a delivery is handled that had to wait for its turn.
  [[nodiscard]] virtual bool holds(delivery_tag tag) const noexcept;
  // Until what is published from now on reaches this consumer: at once, but for the time after the loss of a
  // connection. Of an ephemeral group, also until next() has told of its loss.
  [[nodiscard]] virtual task<result<>> attached(context ctx);
  // Fetches no more: next() gives nullopt. What was handed out can still be settled.
  virtual task<result<>> stop(context ctx) = 0;

 protected:
  consumer() = default;
};

class broker {
 public:
  virtual ~broker() = default;
  broker(const broker&) = delete;
  broker& operator=(const broker&) = delete;

  [[nodiscard]] virtual const broker_features& features() const noexcept = 0;
  // Returns when the broker has taken responsibility for each message, or refused it: as many results as messages, in
  // their order. Success: every group that takes the topic has the message, or will have it when its delay is over, as
  // safely as the broker keeps anything; see `unroutable` for topics that no group takes. Messages of one call are
  // taken in order; those of calls that overlap in any. A message whose result is errc::deadline_exceeded, cancelled or
  // unavailable may have been taken: repeat it under the same id.
  virtual task<std::vector<result<>>> publish(context ctx, std::vector<outgoing> batch) = 0;
  virtual task<result<std::unique_ptr<consumer>>> subscribe(context ctx, subscription what) = 0;
  // Whether it can be reached now, for health checks; the error says why not. Waits for no connection to come back.
  [[nodiscard]] virtual task<result<>> check(context ctx);
  // Null: the broker has none.
  [[nodiscard]] virtual class broker_admin* admin() noexcept { return nullptr; }
  // Waits for what is being published, then ends the connection.
  virtual task<void> close(context ctx) = 0;

 protected:
  broker() = default;
};

[[nodiscard]] task<result<>> publish_one(broker& to, context ctx, outgoing what);

}  // namespace weft::messaging
