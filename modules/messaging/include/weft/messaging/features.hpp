#pragma once
// What a broker can do, and the check that a program asks for nothing else.
//
//     WEFT_CO_TRY_VOID(require(bus.features(), {feature::delay, feature::priorities}, "router 'billing'"));
//     // failed_precondition: router 'billing' needs delay, priorities, which the broker amqp lacks
#include <weft/base/error.hpp>
#include <weft/runtime/timer.hpp>

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <limits>
#include <string>
#include <string_view>

namespace weft::messaging {

enum class feature : std::uint8_t {
  ordering_per_key,       // messages of one key arrive in order, as long as none of them fails
  ordered_retry,          // and while one of them waits for its retry, the others of its key wait behind it
  delay,                  // publish now, deliver later
  durable,                // survives a restart of the broker
  durable_attempts,       // the number of attempts survives the consumer
  dead_letter,            // keeps what failed for good, with the reason
  sequenced_dead_letter,  // and whatever comes after it on the same key
  dead_letter_admin,      // they can be listed, replayed and purged: broker::admin()
  priorities,
  expiry,          // time_to_live
  mandatory,       // tells when nobody takes a message
  ephemeral,       // subscriptions that end with their consumer; needed for request/reply
  topic_patterns,  // * and #
  transactions,    // a batch is taken as a whole or not at all
  replay,          // old messages can be read again
  deduplication,   // the broker itself drops a second message of the same id
};
inline constexpr std::size_t feature_count = 16;

[[nodiscard]] std::string_view to_string(feature f) noexcept;  // "ordering_per_key"

class feature_set {
 public:
  constexpr feature_set() = default;
  constexpr feature_set(std::initializer_list<feature> list) {
    for (const auto f : list) bits_ |= bit(f);
  }
  [[nodiscard]] constexpr bool has(feature f) const noexcept { return (bits_ & bit(f)) != 0; }
  [[nodiscard]] constexpr bool has_all(feature_set other) const noexcept { return (other.bits_ & ~bits_) == 0; }
  [[nodiscard]] constexpr bool empty() const noexcept { return bits_ == 0; }
  constexpr feature_set& operator|=(feature_set other) noexcept { return bits_ |= other.bits_, *this; }
  [[nodiscard]] friend constexpr feature_set operator|(feature_set a, feature_set b) noexcept { return a |= b; }
  [[nodiscard]] constexpr feature_set without(feature_set other) const noexcept {
    feature_set rest = *this;
    rest.bits_ &= ~other.bits_;
    return rest;
  }
  friend constexpr bool operator==(feature_set, feature_set) = default;

 private:
  static constexpr std::uint32_t bit(feature f) noexcept { return 1U << static_cast<unsigned>(f); }
  std::uint32_t bits_ = 0;
};

[[nodiscard]] std::string to_string(feature_set set);  // "delay, priorities"

struct broker_features {
  std::string broker;  // "memory", for messages
  feature_set set;
  std::size_t max_message_bytes = std::numeric_limits<std::size_t>::max();
  duration max_delay = duration::max();
};

// errc::failed_precondition that names what is missing, for whom, and which broker lacks it.
[[nodiscard]] result<> require(const broker_features& has, feature_set needs, std::string_view who);

}  // namespace weft::messaging
