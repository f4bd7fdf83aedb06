#pragma once
// How a call ended, as policies see it. `outcome_traits<T>` turns a `result<T>` into an `outcome_view`; a protocol
// specialises it for its response, so that a 503 is a failure although a response arrived:
//
//     template <>
//     struct weft::resilience::outcome_traits<weft::http::response> {
//       static outcome_view view(const result<weft::http::response>& r);
//       static bool cacheable(const weft::http::response& r);
//     };
//
// Classification is per purpose: a limit that the callee enforces (429, resource_exhausted) says that it is alive and
// busy, and an answer that blames the caller (404, invalid_argument) says that it is well, so neither trips a breaker.
#include <weft/base/error.hpp>
#include <weft/base/replay.hpp>
#include <weft/runtime/timer.hpp>

#include <boost/describe/enum.hpp>
#include <cstdint>
#include <optional>

namespace weft::resilience {

// What an outcome says about the health of the thing called.
enum class verdict : std::uint8_t {
  success,  // it answered, be it that the caller is wrong
  failure,
  ignored,  // it says nothing: cancelled, limited, refused before it was sent
};

// Whether the same request may be sent twice (base/replay.hpp); retry and hedge ask the same question.
using weft::replay;

// Who is served first when there is too much to do.
enum class priority : std::uint8_t { critical, high, normal, low };
BOOST_DESCRIBE_ENUM(priority, critical, high, normal, low)

struct outcome_view {
  resilience::verdict verdict = verdict::success;
  std::optional<errc> code{};             // none when a value came
  int status = 0;                         // of the protocol, such as HTTP's; 0: none
  bool not_processed = false;             // provably: connect failure, refused stream, GOAWAY, reset before it left
  bool committed = false;                 // the answer, or its body, was handed on already: no second try
  bool local = false;                     // refused on this side, by a policy
  bool push_back = false;                 // the callee said not to retry
  bool peer_fault = false;                // of the instance that was asked, while others of its service answer
  std::optional<duration> retry_after{};  // the callee said when
};

[[nodiscard]] verdict verdict_of(errc code) noexcept;
[[nodiscard]] verdict verdict_of_status(int http_status) noexcept;

template <class T>
struct outcome_traits {
  static outcome_view view(const result<T>& r) noexcept {
    if (r) [[likely]]
      return {};
    return {.verdict = verdict_of(r.error().code()), .code = r.error().code()};
  }
  static bool cacheable(const T&) noexcept { return true; }
};
template <>
struct outcome_traits<void> {
  static outcome_view view(const result<>& r) noexcept {
    if (r) return {};
    return {.verdict = verdict_of(r.error().code()), .code = r.error().code()};
  }
};

}  // namespace weft::resilience
