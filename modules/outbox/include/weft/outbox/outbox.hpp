#pragma once
// Publishes inside the transaction that makes the change: both happen, or neither. A relay (relay.hpp) then hands the
// messages to the broker.
//
//     WEFT_CO_TRY(auto out, co_await outbox::open(*db, ctx));
//     co_await out->transact(ctx, [&](storage::transaction& tx, context c) -> task<result<>> {
//       WEFT_CO_TRY_VOID(co_await tx.execute(c, "INSERT INTO orders (id) VALUES ($1)", {order.id}));
//       co_return co_await out->add(tx, c, bus, orders_placed, order, order.id);        // the key keeps their order
//     });
//
// Order: messages of one key are published in the order in which add() was called for them, if the transactions that
// call it for one key exclude each other, as they do when each first locks the row that the key names. Of transactions
// that run beside each other either may come first.
//
// The tables weft_outbox, weft_outbox_shards and weft_outbox_relays belong to this class, which migrates them. A key (a
// message without one: its id) belongs to one of a fixed number of shards. Belongs to the database's loop; the database
// outlives it.
#include <weft/messaging/publisher.hpp>
#include <weft/storage/transact.hpp>

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace weft::messaging {

struct outbox_options {
  // 1 to 1024. Fixed once the tables are made: open() refuses another number.
  unsigned shards = 16;
  // What add() takes. A message that the broker finds too large is parked by the relay.
  message_limits limits = {.max_body_bytes = 16 * 1024 * 1024};
  // PostgreSQL: relays of other processes are notified after a commit, at most this often.
  duration notify_every = std::chrono::milliseconds{20};

  // errc::invalid_argument names the field.
  [[nodiscard]] result<> validate() const;
};

// What the broker refused for good.
struct parked_message {
  std::int64_t number = 0;  // names it; in the order of add()
  outgoing what;
  std::string reason;
  wall_time added, parked;  // by the database's clock
};

struct parked_query {
  std::int64_t after = 0;  // numbers above it
  std::size_t limit = 100;
};

struct outbox_depth {
  std::uint64_t waiting = 0;  // counted up to a million
  std::uint64_t parked = 0;
  duration oldest{};  // how long the oldest of those that wait has done so
};

class outbox {
 public:
  // Makes or migrates the tables. errc::failed_precondition when they were made for another number of shards.
  // errc::invalid_argument for wrong options.
  [[nodiscard]] static task<result<std::unique_ptr<outbox>>> open(storage::database& db, context ctx,
                                                                  outbox_options options = {});
  ~outbox();
  outbox(const outbox&) = delete;
  outbox& operator=(const outbox&) = delete;

  // Part of the transaction. A message without an id gets one. errc::invalid_argument or resource_exhausted for one
  // that no broker takes, before anything is written; the transaction can go on. Ids and keys are UTF-8.
  [[nodiscard]] task<result<>> add(storage::transaction& tx, context ctx, outgoing what);
  // All or none, in one round trip, in their order.
  [[nodiscard]] task<result<>> add(storage::transaction& tx, context ctx, std::vector<outgoing> batch);
  // With the envelope that the publisher would give it.
  template <class Event>
  [[nodiscard]] task<result<>> add(storage::transaction& tx, const context& ctx, const publisher& envelope,
                                   const topic<Event>& to, const Event& what, std::string_view key = {},
                                   publish_options options = {}) {
    return add_prepared(tx, ctx, envelope.prepare(ctx, to, what, key, std::move(options)));
  }

  // storage::transact(), then committed().
  template <class Work>
  auto transact(context ctx, Work work, storage::transact_options options = {})
      -> std::invoke_result_t<Work&, storage::transaction&, context> {
    auto done = co_await storage::transact(database(), std::move(ctx), std::move(work), options);
    if (done) committed();
    co_return done;
  }
  // Wakes the relays, here at once and elsewhere soon. For those who commit by themselves; without it messages wait
  // until a relay looks by itself (relay_options::poll).
  void committed();

  [[nodiscard]] task<result<outbox_depth>> depth(context ctx);
  // In the order of their numbers.
  [[nodiscard]] task<result<std::vector<parked_message>>> parked(context ctx, parked_query query = {});
  // To be published again, in the place that the number gives among what waits; no numbers: all. How many there were.
  [[nodiscard]] task<result<std::size_t>> replay(context ctx, std::vector<std::int64_t> numbers = {});
  [[nodiscard]] task<result<std::size_t>> purge(context ctx, std::vector<std::int64_t> numbers = {});

  [[nodiscard]] storage::database& database() noexcept;
  [[nodiscard]] unsigned shards() const noexcept;

 private:
  friend class outbox_relay;
  struct impl;
  explicit outbox(std::unique_ptr<impl> i);
  [[nodiscard]] task<result<>> add_prepared(storage::transaction& tx, context ctx, result<outgoing> what);

  std::unique_ptr<impl> impl_;
};

}  // namespace weft::messaging
