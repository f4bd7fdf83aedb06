#pragma once
// How to ask Consul again and again for what has changed: the rules of its blocking queries, as a sans-I/O core
// (https://developer.hashicorp.com/consul/api-docs/features/blocking).
//
//     blocking_query query;
//     for (;;) {
//       const auto ask = query.next(now);                // wait until ask.not_before, then GET ...?index=&wait=
//       if (answered) query.answered(index_header, now); else query.failed(now, random);
//     }
//
// - The first question, and the one after a reset, has no index and is answered at once.
// - An index that goes backwards is a reset; one below 1 counts as 1, or the next question would not block.
// - The server may take up to wait / 16 longer than asked; only then, and a little for the way, has it fallen silent.
// - An answer does not mean a change: compare. Answers that come in quick succession are limited in rate.
// - Failures are followed by pauses that double up to a minute, each drawn from its upper half. Answers forgive them
//   once they have gone on for as long as the last pause.
#include <weft/runtime/backoff.hpp>
#include <weft/runtime/rng.hpp>
#include <weft/runtime/timer.hpp>

#include <cstdint>

namespace weft::discovery {

struct blocking_query_options {
  duration wait = std::chrono::minutes{5};  // Consul takes at most 10
  duration way = std::chrono::seconds{2};   // for the network, beyond what the server may take
  // Questions in a row without a pause, and how soon one more is allowed.
  unsigned burst = 10;
  duration refill = std::chrono::seconds{1};
  duration first_backoff = std::chrono::seconds{1}, last_backoff = std::chrono::seconds{60};
};

class blocking_query {
 public:
  explicit blocking_query(blocking_query_options options = {}) noexcept
      : options_{options},
        delays_{{.initial = options.first_backoff, .max = options.last_backoff}},
        allowance_{static_cast<double>(options.burst)} {}

  struct question {
    std::uint64_t index = 0;  // 0: none, so that the answer comes at once
    duration wait{};          // for the server
    duration timeout{};       // for us
    steady_time not_before{};
  };
  [[nodiscard]] question next(steady_time now) noexcept;

  // With the X-Consul-Index of the answer, 0 when it had none.
  void answered(std::uint64_t index, steady_time now) noexcept;
  void failed(steady_time now, rng& random) noexcept;

  [[nodiscard]] std::uint64_t index() const noexcept { return index_; }
  [[nodiscard]] unsigned failures() const noexcept { return delays_.failures(); }  // in a row

 private:
  blocking_query_options options_;
  std::uint64_t index_ = 0;
  backoff delays_;
  steady_time not_before_ = steady_time::min();
  double allowance_;  // questions
  steady_time counted_at_ = steady_time::min();
};

}  // namespace weft::discovery
