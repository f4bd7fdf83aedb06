#include <weft/base/saturating.hpp>
#include <weft/runtime/sleep.hpp>
#include <weft/runtime/task_group.hpp>
#include <weft/testkit/lost_grant.hpp>

#include <optional>

namespace weft::testkit {

namespace {

// Lets the waiters go as far as they can without anything from outside.
task<void> settle(loop& l) {
  constexpr int turns = 64;
  for (int i = 0; i < turns; ++i) co_await yield(l);
}

}  // namespace

task<void> entrance::inside(context ctx) {
  entered_ = true;
  static_cast<void>(co_await let_out_.wait(ctx));
}

task<result<>> lose_grant(loop& l, waiter_function wait, std::function<void()> grant, lose_grant_options options) {
  entrance first_in{l}, second_in{l};
  std::optional<task_group> first{l}, second{l};
  first->spawn(wait(first->derive({}), first_in));
  co_await settle(l);
  second->spawn(wait(second->derive({}), second_in));
  co_await settle(l);
  if (first_in.entered() || second_in.entered())
    co_return fail(errc::internal, "a waiter got in before anything was granted");
  grant();
  for (int i = 0; i < options.after_turns; ++i) co_await yield(l);
  if (options.by == loss::destroyed) {
    first.reset();
  } else {
    first->cancel();
    first_in.let_out();  // who was granted it in time and is in, leaves
  }
  const auto until = later(l.now(), options.patience);
  co_await settle(l);
  while (!second_in.entered() && l.now() < until)
    static_cast<void>(co_await weft::sleep(l, {}, std::chrono::milliseconds{1}));
  const bool handed_on = second_in.entered();
  second_in.let_out();
  if (first) co_await first->stop();
  co_await second->stop();
  if (!handed_on)
    co_return fail(errc::internal, "the next waiter did not get in: the grant was lost with the one before it");
  co_return result<>{};
}

}  // namespace weft::testkit
