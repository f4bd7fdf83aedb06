#pragma once
// What happens around a handler. The first one given to router::use() is the outermost. The router refuses to start when
// dead_letter stands inside retry, which would never see a failure, and when either of them is there twice.
//
//     bus.use(outage_mode{}).use(deduplicate{.window = 60min}).use(dead_letter{"orders.dead"})
//         .use(retry{.max_attempts = 8}).use(timeout{.after = 10s});
//
// One of your own is any type with `stage wrap(stage next, const middleware_wiring&) const`, and, where they make
// sense, `feature_set needs() const` and `result<> validate() const`. Each subscription gets stages of its own; they
// belong to the router's loop.
#include <weft/messaging/duplicate_store.hpp>
#include <weft/messaging/features.hpp>
#include <weft/messaging/handling.hpp>
#include <weft/runtime/loop.hpp>

#include <concepts>
#include <functional>
#include <memory>
#include <string>

namespace weft::messaging {

struct middleware_wiring {
  loop& l;
  broker& bus;
  std::string group;
};

template <class M>
concept middleware = requires(const M& m, stage next, const middleware_wiring& w) {
  { m.wrap(std::move(next), w) } -> std::same_as<stage>;
};

// Tries again: at once, then later with the message given back to the broker, which keeps the count. When the attempts
// are used up, or no retry can help, it leaves the failure to the stages outside. A message whose handler ended the
// process so often is not handed to it again, where the broker has durable_attempts.
struct retry {
  std::uint32_t immediate = 1;     // further calls at once, in each delivery
  std::uint32_t max_attempts = 5;  // calls of the handler for one message in all, those at once included; at least 1
  duration first_delay = std::chrono::seconds{1};
  double factor = 2;  // each delay to the one before it
  duration max_delay = std::chrono::minutes{5};
  double jitter = 0.2;                          // the part of a delay that is drawn: 80 % to 100 % of it
  std::function<bool(const error&)> when = {};  // default: all but invalid_argument and unimplemented

  [[nodiscard]] stage wrap(stage next, const middleware_wiring& w) const;
  [[nodiscard]] result<> validate() const;
};

// Puts what failed for good aside: with the broker, or as a message on a topic, which is confirmed before the original
// is acknowledged. If the topic cannot take it, since no group does or it is too large, the message goes to the broker's
// own dead letters instead. That message is the original with the headers weft-dead-letter-reason, -group, -topic, -attempts and
// -failures.
struct dead_letter {
  std::string topic = {};                                // empty: the broker's own dead letters
  dead_letter_scope scope = dead_letter_scope::message;  // key: without a topic only

  [[nodiscard]] stage wrap(stage next, const middleware_wiring& w) const;
  [[nodiscard]] feature_set needs() const;
  [[nodiscard]] result<> validate() const;
};

// Acknowledges what was handled already, by the message's id. What fails may come again.
struct deduplicate {
  duration window = std::chrono::hours{1};
  std::shared_ptr<duplicate_store> store = {};  // null: in memory, for each subscription
  std::size_t max_ids = 100'000;                // of that

  [[nodiscard]] stage wrap(stage next, const middleware_wiring& w) const;
};

// Ends the handler's context after that time: errc::deadline_exceeded. It is up to the handler to look at it.
struct timeout {
  duration after = std::chrono::seconds{30};
  [[nodiscard]] stage wrap(stage next, const middleware_wiring& w) const;
  [[nodiscard]] result<> validate() const;
};

// At most so many messages a second; the rest waits.
struct rate {
  double per_second = 100;
  std::uint32_t burst = 1;
  [[nodiscard]] stage wrap(stage next, const middleware_wiring& w) const;
  [[nodiscard]] result<> validate() const;
};

// When everything fails: after so many transient failures in a row, one message at a time is tried, no attempt counts,
// and the others wait, until one succeeds.
struct outage_mode {
  std::uint32_t after = 10;
  duration probe_every = std::chrono::seconds{5};
  [[nodiscard]] stage wrap(stage next, const middleware_wiring& w) const;
  [[nodiscard]] result<> validate() const;
};

}  // namespace weft::messaging
