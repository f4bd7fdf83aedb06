#pragma once
// The turn between a grant and its resumption: a waiter that is given a permit, a connection or a place, and is
// destroyed or cancelled before it runs, must hand it on, or the next one waits beside a free place for ever. This
// plays that turn for anything that is waited for in line.
//
//     task<void> hold(semaphore& s, context ctx, testkit::entrance& e) {
//       if (!co_await s.acquire(ctx)) co_return;
//       const permit_holder leave{s};             // gives it back at the end, however the task ends
//       co_await e.inside();                      // says that it is in, and stays there
//     }
//     task<void> test(loop& l) {
//       semaphore s{l, 0};
//       const auto handed_on = co_await testkit::lose_grant(
//           l, [&](context ctx, testkit::entrance& e) { return hold(s, ctx, e); }, [&] { s.release(); });
//       EXPECT_TRUE(handed_on) << handed_on.error().describe();
//     }
//
// Two waiters are started, one behind the other; `grant` lets the first in; in that turn the first is lost, and the
// second must get in. Where the grant comes out of a task or of the network, and nobody can say in which turn, run it
// for `after_turns` 0, 1, 2, ...: the waiter is lost that much later, also when it has got in meanwhile.
#include <weft/runtime/loop.hpp>
#include <weft/runtime/sync.hpp>

#include <functional>

namespace weft::testkit {

// What a waiter of lose_grant() does once it is in.
class entrance {
 public:
  explicit entrance(loop& l) : let_out_{l} {}
  // Stays until the waiter is destroyed, its context ends, or the trial does.
  [[nodiscard]] task<void> inside(context ctx = {});
  [[nodiscard]] bool entered() const noexcept { return entered_; }
  void let_out() noexcept { let_out_.set(); }

 private:
  bool entered_ = false;
  event let_out_;
};

enum class loss : std::uint8_t {
  destroyed,  // the waiter's frame
  cancelled,  // its context
};

struct lose_grant_options {
  loss by = loss::destroyed;
  int after_turns = 0;                          // of the loop, after the grant
  duration patience = std::chrono::seconds{5};  // for what has to come over a network or another thread
};

using waiter_function = std::function<task<void>(context, entrance&)>;

// errc::internal says which waiter did not get in. When it returns, neither is in any more.
[[nodiscard]] task<result<>> lose_grant(loop& l, waiter_function wait, std::function<void()> grant,
                                        lose_grant_options options = {});

}  // namespace weft::testkit
