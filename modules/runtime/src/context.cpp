#include <weft/base/saturating.hpp>
#include <weft/runtime/context.hpp>
#include <weft/runtime/frame_pool.hpp>
#include <weft/runtime/loop.hpp>

#include <algorithm>

namespace weft {

struct context::rep {
  steady_time deadline = no_deadline;
  cancel_token cancellation;
  std::shared_ptr<const trace_position> trace;
  std::shared_ptr<const std::string> correlation_id;
  std::shared_ptr<const identity> caller;
};

context::context(rep&& r) : rep_{std::allocate_shared<const rep>(frame_pool::allocator<rep>{}, std::move(r))} {}
context::rep context::copy() const { return rep_ ? *rep_ : rep{}; }

context context::with_deadline(steady_time at) const {
  auto r = copy();
  r.deadline = std::min(r.deadline, at);
  return context{std::move(r)};
}
context context::with_timeout(const loop& clock, duration after) const {
  return with_deadline(later(clock.now(), after));
}
context context::with_cancellation(cancel_token token) const {
  auto r = copy();
  r.cancellation = std::move(token);
  return context{std::move(r)};
}
context context::with_trace(trace_position trace) const {
  auto r = copy();
  r.trace = std::make_shared<const trace_position>(std::move(trace));
  return context{std::move(r)};
}
context context::with_correlation_id(std::string id) const {
  auto r = copy();
  r.correlation_id = std::make_shared<const std::string>(std::move(id));
  return context{std::move(r)};
}
context context::with_identity(identity who) const {
  auto r = copy();
  r.caller = std::make_shared<const identity>(std::move(who));
  return context{std::move(r)};
}
context context::detached() const {
  auto r = copy();
  r.deadline = no_deadline;
  r.cancellation = {};
  return context{std::move(r)};
}

steady_time context::deadline() const noexcept { return rep_ ? rep_->deadline : no_deadline; }
duration context::remaining(steady_time now) const noexcept {
  return std::max(time_between(now, deadline()), duration::zero());
}
const cancel_token& context::cancellation() const noexcept {
  static const cancel_token never;
  return rep_ ? rep_->cancellation : never;
}
const trace_position& context::trace() const noexcept {
  static const trace_position none;
  return rep_ && rep_->trace ? *rep_->trace : none;
}
std::string_view context::correlation_id() const noexcept {
  return rep_ && rep_->correlation_id ? std::string_view{*rep_->correlation_id} : std::string_view{};
}
const identity& context::caller() const noexcept {
  static const identity nobody;
  return rep_ && rep_->caller ? *rep_->caller : nobody;
}

result<> context::check(steady_time now) const {
  if (!rep_) return {};
  if (rep_->cancellation.cancelled()) return fail(rep_->cancellation.reason(), "the caller gave up");
  if (now >= rep_->deadline) return fail(errc::deadline_exceeded, "the deadline has passed");
  return {};
}

}  // namespace weft
