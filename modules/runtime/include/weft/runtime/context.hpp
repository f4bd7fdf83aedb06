#pragma once
// What travels with a request through every call it causes: deadline, cancellation, trace position, correlation id and
// the caller's identity. Immutable, one pointer wide; each with_*() gives a derived context.
//
//     auto ctx = request.context().with_timeout(loop, 300ms);
//     auto posts = co_await client.get(ctx, "/posts");
#include <weft/runtime/cancellation.hpp>
#include <weft/runtime/timer.hpp>

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace weft {

class loop;

// A position in a distributed trace, as W3C Trace Context Level 2 has it. All zero: no trace. `observe` reads, writes
// and propagates it.
struct trace_position {
  std::array<std::uint8_t, 16> trace_id{};
  std::array<std::uint8_t, 8> span_id{};
  std::uint8_t flags = 0;  // bit 0: sampled; bit 1: the trace id is random
  bool remote = false;     // it came from another process
  std::string state;       // the tracestate header, as it is sent on

  [[nodiscard]] bool valid() const noexcept {
    return trace_id != decltype(trace_id){} && span_id != decltype(span_id){};
  }
  [[nodiscard]] bool sampled() const noexcept { return (flags & 1) != 0; }
  friend bool operator==(const trace_position&, const trace_position&) = default;
};

// Who is asking. Filled by authentication; nothing in it is a secret.
struct identity {
  std::string subject;  // a user id, or a service's name
  std::vector<std::string> roles;
  std::string tenant;
  friend bool operator==(const identity&, const identity&) = default;
};

class context {
 public:
  static constexpr steady_time no_deadline = steady_time::max();

  context() noexcept = default;  // no deadline, never cancelled, no trace
  [[nodiscard]] static context background() noexcept { return {}; }

  // The earlier of this context's deadline and `at`.
  [[nodiscard]] context with_deadline(steady_time at) const;
  [[nodiscard]] context with_timeout(const loop& clock, duration after) const;
  // Cancelled by `token`. It replaces this context's token, so derive the source from it:
  // cancel_source{ctx.cancellation()}.
  [[nodiscard]] context with_cancellation(cancel_token token) const;
  [[nodiscard]] context with_trace(trace_position trace) const;
  [[nodiscard]] context with_correlation_id(std::string id) const;
  [[nodiscard]] context with_identity(identity who) const;
  // Without deadline and cancellation, for work that must outlive its request; trace, correlation and identity stay.
  [[nodiscard]] context detached() const;

  [[nodiscard]] steady_time deadline() const noexcept;
  [[nodiscard]] bool has_deadline() const noexcept { return deadline() != no_deadline; }
  // What is left until the deadline: never negative; duration::max() without one.
  [[nodiscard]] duration remaining(steady_time now) const noexcept;
  [[nodiscard]] const cancel_token& cancellation() const noexcept;
  [[nodiscard]] const trace_position& trace() const noexcept;
  [[nodiscard]] std::string_view correlation_id() const noexcept;
  [[nodiscard]] const identity& caller() const noexcept;

  // errc::cancelled or errc::deadline_exceeded once either has happened.
  [[nodiscard]] result<> check(steady_time now) const;

 private:
  struct rep;
  [[nodiscard]] rep copy() const;
  explicit context(rep&& r);
  std::shared_ptr<const rep> rep_;
};

}  // namespace weft
