#pragma once
// One timer for a connection. Moving the deadline later, as every request does, costs a store: the timer finds out when
// it fires.
#include <weft/base/saturating.hpp>
#include <weft/runtime/context.hpp>
#include <weft/runtime/loop.hpp>

namespace weft::http {

class connection_deadline final : timer_node {
 public:
  connection_deadline(loop& l, stream& s) noexcept : loop_{l}, stream_{s} {}

  void set(duration from_now) {
    deadline_ = later(loop_.now(), from_now);
    if (deadline_ != context::no_deadline && (!armed() || due() > deadline_)) loop_.arm(*this, deadline_);
  }
  [[nodiscard]] steady_time now() const noexcept { return loop_.now(); }
  void clear() noexcept { deadline_ = context::no_deadline; }

 private:
  void expire() override {
    if (deadline_ == context::no_deadline) return;
    if (loop_.now() < deadline_) return loop_.arm(*this, deadline_);
    // What waited may have been woken in this very turn, and begin to wait again: it is told until clear() or set().
    loop_.arm(*this, later(loop_.now(), again));
    stream_.cancel(errc::deadline_exceeded);
  }
  static constexpr auto again = std::chrono::milliseconds{5};

  loop& loop_;
  stream& stream_;
  steady_time deadline_ = context::no_deadline;
};

}  // namespace weft::http
