#pragma once
// What an answer says about the service that gave it, for the policies of `resilience`:
//
//     resilience::pipeline<http::response> guard{loop, "pricing", resilience::retry{}, resilience::circuit_breaker{}};
//
// 5xx is a failure, except 501 and 505, which blame the request; 429 and 408 say nothing about the service's health;
// all else is well. A failure to get an answer counts by its code, and carries whether the request was certainly not
// processed. Retry-After needs the time of day: see retry_after().
#include <weft/http/message.hpp>
#include <weft/resilience/outcome.hpp>

#include <optional>

namespace weft::resilience {

template <>
struct outcome_traits<http::response> {
  [[nodiscard]] static outcome_view view(const result<http::response>& r) noexcept;
  [[nodiscard]] static bool cacheable(const http::response&) noexcept { return false; }
};

}  // namespace weft::resilience

namespace weft::http {

// How long the service asks to be left alone, from Retry-After in either form (RFC 9110 10.2.3): never negative, none
// when the field is absent or malformed.
[[nodiscard]] std::optional<duration> retry_after(const response& r, wall_time now);

// Whether the request may be sent twice (base/replay.hpp): an idempotent method, an Idempotency-Key, or neither.
// Content that is streamed can be read only once, so such a request is unsafe whatever its method.
[[nodiscard]] resilience::replay replay_of(const request& r) noexcept;

}  // namespace weft::http
