#pragma once
// May it be sent again? One question with one answer, for everything that sends a request, a statement or a message
// more than once: retries, hedges, connections that went stale, transactions that begin anew.
//
//     if (may_send_again(replay_of(request), effect_of(problem))) { ... }        // after a failure
//     if (may_send_again(replay_of(request), prior_effect::possible)) { ... }  // beside one under way: a hedge
//
// What the sender has to know is two things: what the request is (`replay`), and what came of the copies that were sent
// before (`prior_effect`). Neither is ever guessed: what is not certain is `unsafe`, and `possible`.
#include <weft/base/error.hpp>

#include <cstdint>

namespace weft {

// Whether the same request may take effect twice.
enum class replay : std::uint8_t {
  safe,    // idempotent, and its content can be sent again: GET, PUT, DELETE, a query that provably only reads
  keyed,   // it carries an idempotency key, so the callee recognises the second
  unsafe,  // everything else: sent again only when no copy had an effect. So is what can be read only once.
};

// What the copies that were sent before may have done.
enum class prior_effect : std::uint8_t {
  none,      // provably nothing: they were never sent, or the peer says that it did not process them
  possible,  // everything else: no answer, a connection cut, or one that is still under way
};

[[nodiscard]] constexpr bool may_send_again(replay request, prior_effect earlier) noexcept {
  return request != replay::unsafe || earlier == prior_effect::none;
}

[[nodiscard]] inline prior_effect effect_of(const error& problem) noexcept {
  return problem.unprocessed() ? prior_effect::none : prior_effect::possible;
}

}  // namespace weft
