#pragma once
// What a consumer says about a delivery when it is done with it.
//
//     co_await consumer.settle(ctx, d.tag, settlement::ack());
//     co_await consumer.settle(ctx, d.tag, settlement::retry(10s, problem));     // an attempt; its key waits with it
//     co_await consumer.settle(ctx, d.tag, settlement::dead_letter("no such user", problem));
//     co_await consumer.settle(ctx, d.tag, settlement::give_back());             // not handled: no attempt
#include <weft/base/error.hpp>
#include <weft/base/time.hpp>
#include <weft/base/utf8.hpp>
#include <weft/runtime/timer.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace weft::messaging {

// One attempt that failed.
struct failure {
  errc code = errc::unknown;
  std::string what;
  std::uint32_t attempt = 1;
  wall_time at;
  friend bool operator==(const failure&, const failure&) = default;
};
inline constexpr std::size_t max_failures = 10;  // kept of one message: the first, and the latest
// Of one failure's text, and of the reason of a dead letter: what is longer is cut, so that it fits wherever it goes.
inline constexpr std::size_t max_reason_bytes = 1024;

// Adds `f`, dropping the second oldest beyond max_failures. Its text becomes UTF-8 of at most max_reason_bytes.
void add_failure(std::vector<failure>& to, failure f);
// One line each, "2026-02-01T09:30:00Z attempt 3 unavailable: no connection", and back.
[[nodiscard]] std::string format_failures(const std::vector<failure>& list);
[[nodiscard]] std::vector<failure> parse_failures(std::string_view text);

enum class attempt_counting : std::uint8_t { counted, not_counted };

// How much is parked with a dead letter.
enum class dead_letter_scope : std::uint8_t {
  message,
  key,  // and whatever comes after it on its key, until it is replayed or purged; feature sequenced_dead_letter
};

struct settlement {
  enum class kind : std::uint8_t { ack, retry, dead_letter, give_back };

  kind what = kind::ack;
  duration after{};                                       // retry: earliest
  attempt_counting counting = attempt_counting::counted;  // retry
  dead_letter_scope scope = dead_letter_scope::message;   // dead_letter
  std::string reason;                                     // dead_letter
  std::optional<error> cause;                             // retry, dead_letter: added to the failures

  [[nodiscard]] static settlement ack() { return {}; }
  [[nodiscard]] static settlement retry(duration after, std::optional<error> cause = {},
                                        attempt_counting counting = attempt_counting::counted) {
    return {.what = kind::retry, .after = after, .counting = counting, .reason = {}, .cause = std::move(cause)};
  }
  [[nodiscard]] static settlement dead_letter(std::string_view reason, std::optional<error> cause = {},
                                              dead_letter_scope scope = dead_letter_scope::message) {
    return {.what = kind::dead_letter,
            .scope = scope,
            .reason = clean_text(reason, max_reason_bytes),
            .cause = std::move(cause)};
  }
  [[nodiscard]] static settlement give_back() { return {.what = kind::give_back, .reason = {}, .cause = {}}; }
};

[[nodiscard]] std::string_view to_string(settlement::kind kind) noexcept;

}  // namespace weft::messaging
