#pragma once
// Hands the outbox's messages to a broker, each at least once, in order per key.
//
//     outbox_relay relay{*out, *broker};
//     WEFT_CO_TRY_VOID(co_await relay.start(ctx));
//     ...
//     co_await relay.stop(ctx.with_timeout(loop, 20s));      // waits for what is being published
//
// A message is marked after the broker has confirmed it. A relay that dies in between leaves it to be published again
// under the same id: consumers recognise it by an inbox. What was published first keeps its order all the same.
//
// Any number of relays may run, in any number of processes. Each shard is leased to one of them, and each relay has its
// share of the shards: when one comes, the others give up some, once what they publish of them is marked; when one goes
// the others take its shards, at once after stop(), else when its leases expire. A lease has a number that only grows,
// and marking checks it, so that a relay which was stopped for longer than its lease marks nothing any more. Leases
// expire by the database's clock, the only one that all relays share.
//
// Of one key one message is with the broker at a time (see same_key), so that a failure never lets the next one
// overtake. While a message fails transiently its key waits, and no other; when everything fails the relay tries a few
// messages at growing intervals. What the broker refuses for good is parked with the reason: outbox::parked(),
// replay(), purge(). That is what is about the message itself: invalid_argument, out_of_range, unimplemented,
// resource_exhausted with limit_kind::size (too large), and not_found for one that was to be refused when nobody takes
// it (unroutable::refuse). Every other error is retried for ever: something is full, missing or away that may come
// back.
//
// Belongs to the loop of the outbox's database, and so does the broker. Both outlive it.
#include <weft/messaging/broker.hpp>
#include <weft/observe/log.hpp>
#include <weft/observe/metrics.hpp>
#include <weft/outbox/outbox.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

namespace weft::messaging {

// What happens to messages of the same key behind one that was parked.
enum class behind_parked : std::uint8_t {
  go_on,  // they are published
  wait,   // they wait until it is replayed or purged
};

struct relay_options {
  // Of this relay, unlike that of any other that runs. A relay that starts takes over at once what the one of its name
  // held before; so name it where names last (a pod of a stateful set). Empty: a new name each time; then what a
  // crashed process held is free when its lease expires. Over an SQLite file names do not matter: one process has it,
  // so a relay that starts takes over at once whatever processes before it held.
  std::string name = {};
  std::size_t batch = 256;  // messages in one call of broker::publish(), at most
  std::size_t calls = 8;    // calls at once, at most
  // Messages of one key in one call, at most; zero: as many as `batch` where the broker takes a call as a whole or not
  // at all (feature transactions), else one. With more than one a single key is faster than one confirm at a time; but
  // when such a broker refuses one of them for the moment and takes the next, that one has overtaken. Both are
  // published again then, in order.
  std::size_t same_key = 0;
  std::size_t window = 4096;  // messages in memory: read, and not yet marked
  std::size_t window_bytes = 64UL << 20;
  duration lease = std::chrono::seconds{15};  // renewed after a third of it
  duration poll = std::chrono::seconds{1};    // looks for messages by itself, when nobody wakes it
  duration publish_timeout = std::chrono::seconds{30};
  duration first_pause = std::chrono::milliseconds{100};  // after a transient failure; doubled each time
  duration longest_pause = std::chrono::seconds{30};
  behind_parked followers = behind_parked::go_on;
  duration keep_sent{};  // rows that were published are kept so long; zero: deleted at once. The least of all relays
  duration measure_every = std::chrono::seconds{15};
  // weft_outbox_published_total, weft_outbox_retried_total, weft_outbox_parked_total,
  // weft_outbox_lease_changes_total{change="taken|lost|handed_over"}, weft_outbox_leases, and every measure_every
  // weft_outbox_backlog, weft_outbox_parked, weft_outbox_oldest_age_seconds
  observe::registry* metrics = nullptr;
  const observe::logger* log = nullptr;
  // Both outlive the relay.

  // errc::invalid_argument names the field.
  [[nodiscard]] result<> validate() const;
};

class outbox_relay {
 public:
  // Throws std::invalid_argument for wrong options.
  outbox_relay(outbox& from, broker& to, relay_options options = {});
  ~outbox_relay();  // without stop(): what is being published may be published again
  outbox_relay(const outbox_relay&) = delete;
  outbox_relay& operator=(const outbox_relay&) = delete;

  // Begins, and goes on until stop() or the end of `ctx`. Once. The error of the database if it cannot be asked now.
  [[nodiscard]] task<result<>> start(context ctx);
  // Reads no more, waits for what is with the broker until `ctx` ends, marks it, gives the leases back.
  // errc::deadline_exceeded says how many messages were left unconfirmed or unmarked; they are published again.
  // errc::cancelled says the same when the context of start() had ended.
  task<result<>> stop(context ctx);

  struct figures {
    std::uint64_t published = 0, retried = 0, parked = 0;  // messages
    std::uint64_t leases_taken = 0, leases_lost = 0;
    std::size_t leases = 0;     // held now
    std::size_t in_memory = 0;  // messages read and not yet marked
  };
  [[nodiscard]] figures statistics() const noexcept;

 private:
  struct impl;
  std::unique_ptr<impl> impl_;
};

}  // namespace weft::messaging
