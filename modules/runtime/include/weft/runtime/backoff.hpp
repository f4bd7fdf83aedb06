#pragma once
// The delays between attempts at something that fails: each `multiplier` times the one before it up to `max`, the last
// part of each drawn at random so that many programs that failed together do not come back together. Every loop that
// reconnects, asks again or retries takes its delays from here.
//
//     backoff delays{{.initial = 200ms, .max = 5s}};
//     while (alive) {
//       if (auto session = co_await open(ctx)) {
//         delays.succeeded(loop.now());   // once it does its work, not when its first step went well
//         co_await serve(*session);
//       }
//       co_await weft::sleep(loop, ctx, delays.next(loop.now(), loop.random()));
//     }
//
// A success forgives earlier failures only when it lasted at least as long as the delay before it: a server that takes
// connections and refuses what is asked over them is not asked faster and faster.
#include <weft/base/error.hpp>
#include <weft/runtime/rng.hpp>
#include <weft/runtime/timer.hpp>

#include <cstdint>
#include <optional>

namespace weft {

struct backoff_options {
  duration initial = std::chrono::milliseconds{200};  // the first delay; positive
  duration max = std::chrono::seconds{30};            // no delay is longer; at least initial
  double multiplier = 2;                              // at least 1
  double jitter = 0.5;  // the part of a delay that is drawn: 0.5 gives 50 % to 100 % of it

  // errc::invalid_argument that names the field. `name` stands before it: "reconnect" gives "reconnect.initial: ...".
  [[nodiscard]] result<> validate(std::string_view name = "backoff") const;
};

// The delay after the given number of failures in a row (1 is the first). Zero failures: no delay.
[[nodiscard]] duration backoff_delay(const backoff_options& options, std::uint32_t failures, rng& random);
// The same for a number that was drawn already, uniform in [0, 1).
[[nodiscard]] duration backoff_delay(const backoff_options& options, std::uint32_t failures, double drawn);

// A value type; one for each thing that is attempted.
class backoff {
 public:
  explicit backoff(const backoff_options& options = {}) : options_{options} {}

  // Counts a failure and gives the delay until the next attempt.
  [[nodiscard]] duration next(steady_time now, rng& random);
  // What is attempted works since `now`. Until the next failure only the first such call counts.
  void succeeded(steady_time now);
  // Forgets all failures at once, for when something else says that an attempt is worth it (a notification, a person).
  void reset() { failures_ = 0, works_since_.reset(), last_ = duration::zero(); }

  // Failures in a row so far.
  [[nodiscard]] std::uint32_t failures() const noexcept { return failures_; }
  [[nodiscard]] const backoff_options& options() const noexcept { return options_; }

 private:
  backoff_options options_;
  std::uint32_t failures_ = 0;
  std::optional<steady_time> works_since_;
  duration last_{};
};

}  // namespace weft
