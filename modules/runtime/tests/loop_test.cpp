#include <weft/runtime/blocking.hpp>
#include <weft/runtime/epoll_loop.hpp>
#include <weft/runtime/from_callback.hpp>
#include <weft/runtime/sleep.hpp>
#include <weft/runtime/sync.hpp>
#include <weft/runtime/task_group.hpp>
#include <weft/runtime/when.hpp>

#include <gtest/gtest.h>

#include <thread>

namespace weft {
namespace {
using namespace std::chrono_literals;

task<int> answer() { co_return 42; }
task<int> twice(task<int> t) { co_return 2 * co_await std::move(t); }

TEST(Loop, RunsATaskToItsValue) {
  epoll_loop loop;
  EXPECT_EQ(loop.run(twice(answer())), 84);
}

task<int> throws() {
  throw std::runtime_error{"bug"};
  co_return 1;
}
TEST(Loop, PassesAnExceptionOn) {
  epoll_loop loop;
  EXPECT_THROW(loop.run(throws()), std::runtime_error);
}

task<steady_time> after_sleep(loop& l, duration d) {
  const auto before = l.now();
  EXPECT_TRUE(co_await sleep(l, {}, d));
  co_return before;
}
TEST(Loop, SleepsNoShorterThanAsked) {
  epoll_loop loop;
  const auto before = loop.run(after_sleep(loop, 5ms));
  EXPECT_GE(loop.now() - before, 5ms);
}

task<errc> sleeping_under(loop& l, context ctx) {
  auto slept = co_await sleep(l, ctx, 1h);
  co_return slept.error().code();
}
TEST(Loop, ASleepEndsWithItsContext) {
  epoll_loop loop;
  EXPECT_EQ(loop.run(sleeping_under(loop, context{}.with_timeout(loop, 1ms))), errc::deadline_exceeded);
  cancel_source source;
  loop.post([&] { source.cancel(); });
  EXPECT_EQ(loop.run(sleeping_under(loop, context{}.with_cancellation(source.token()))), errc::cancelled);
}

// A11: without limit, in every way to say so.
task<void> never(loop& l, context ctx, std::vector<errc>& ended) {
  const auto slept = co_await sleep(l, ctx, duration::max());
  ended.push_back(slept.error().code());
}
task<void> sleeps_for_ever(loop& l) {
  cancel_source source;
  const auto endless = context{}.with_timeout(l, duration::max());
  EXPECT_FALSE(endless.has_deadline());
  EXPECT_EQ(endless.remaining(l.now()), duration::max());
  EXPECT_TRUE(context{}.with_deadline(l.now()).with_timeout(l, duration::max()).has_deadline());
  EXPECT_EQ(context{}.with_timeout(l, duration::min()).remaining(l.now()), duration::zero());
  std::vector<errc> ended;
  task_group group{l};
  group.spawn(never(l, endless.with_cancellation(source.token()), ended));
  group.spawn(never(l, context{}.with_timeout(l, 2ms), ended));
  static_cast<void>(co_await sleep(l, {}, 5ms));
  EXPECT_EQ(ended, std::vector{errc::deadline_exceeded});
  source.cancel();
  co_await group.join();
  EXPECT_EQ(ended.back(), errc::cancelled);
}
TEST(Loop, ASleepMayHaveNoEnd) {
  epoll_loop loop;
  loop.run(sleeps_for_ever(loop));
}
task<result<std::vector<address>>> local(loop& l) { co_return co_await l.resolve({}, "localhost", 80); }
TEST(Loop, NamesMayBeResolvedWithoutLimit) {
  epoll_loop loop{{.dns_timeout = duration::max()}};
  EXPECT_TRUE(loop.run(local(loop)).has_value());
}

task<std::thread::id> on_pool(loop& l) {
  co_return co_await blocking(l, [] { return std::this_thread::get_id(); });
}
TEST(Loop, BlockingCallsRunElsewhere) {
  epoll_loop loop;
  EXPECT_NE(loop.run(on_pool(loop)), std::this_thread::get_id());
}

task<int> from_thread(loop& l, std::thread& t) {
  auto [value] = co_await from_callback<int>(
      l, [&t](auto done) { t = std::thread{[done = std::move(done)]() mutable { done(7); }}; });
  co_return value;
}
TEST(Loop, ACallbackFromAnotherThreadResumesHere) {
  epoll_loop loop;
  std::thread t;
  EXPECT_EQ(loop.run(from_thread(loop, t)), 7);
  t.join();
}

task<int> both(loop& l) {
  auto [a, b] = co_await when_all(l, answer(), twice(answer()));
  co_return a + b;
}
TEST(Loop, WhenAllWaitsForEach) {
  epoll_loop loop;
  EXPECT_EQ(loop.run(both(loop)), 126);
}

task<void> wait_forever(loop& l, context ctx, int& ended) {
  static_cast<void>(co_await sleep(l, ctx, 24h));
  ++ended;
}
task<void> group_of_two(loop& l, int& ended) {
  task_group group{l};
  group.spawn(wait_forever(l, group.derive({}), ended));
  group.spawn(wait_forever(l, group.derive({}), ended));
  co_await yield(l);
  EXPECT_EQ(group.size(), 2u);
  co_await group.stop();
  EXPECT_EQ(ended, 2);
}
TEST(TaskGroup, StopsWhatItOwns) {
  epoll_loop loop;
  int ended = 0;
  loop.run(group_of_two(loop, ended));
}

struct counted {
  explicit counted(int& n) : n_{n} { ++n_; }
  ~counted() { --n_; }
  int& n_;
};
task<void> holding(loop& l, int& alive) {
  const counted c{alive};
  static_cast<void>(co_await sleep(l, {}, 24h));
}
TEST(TaskGroup, DestroysSuspendedFramesWithItself) {
  epoll_loop loop;
  int alive = 0;
  {
    task_group group{loop};
    group.spawn(holding(loop, alive));
    loop.poll();
    EXPECT_EQ(alive, 1);
  }
  EXPECT_EQ(alive, 0);
  loop.poll();
}

struct noted_end {
  noted_end(std::vector<int>& into, int who) : order{into}, me{who} {}
  noted_end(const noted_end&) = delete;
  noted_end& operator=(const noted_end&) = delete;
  ~noted_end() { order.push_back(me); }
  std::vector<int>& order;
  int me;
};
task<void> waits_with(loop& l, std::vector<int>& order, int me) {
  const noted_end local{order, me};
  static_cast<void>(co_await sleep(l, {}, 24h));
}
TEST(TaskGroup, EndsTheLocalsOfItsMembersNewestFirst) {
  epoll_loop loop;
  std::vector<int> order;
  {
    task_group group{loop};
    for (int i = 1; i <= 3; ++i) group.spawn(waits_with(loop, order, i));
    loop.poll();
    EXPECT_EQ(group.size(), 3u);
  }
  EXPECT_EQ(order, (std::vector<int>{3, 2, 1}));
}

task<void> producer(channel<int>& c) {
  for (int i = 0; i < 10; ++i) EXPECT_TRUE(co_await c.push({}, i));
  c.close();
}
task<std::vector<int>> consumer(channel<int>& c) {
  std::vector<int> got;
  for (;;) {
    auto next = co_await c.pop({});
    if (!next.value()) co_return got;
    got.push_back(**next);
  }
}
task<std::vector<int>> through_channel(loop& l) {
  channel<int> c{l, 2};
  task_group group{l};
  group.spawn(producer(c));
  auto got = co_await consumer(c);
  co_await group.join();
  co_return got;
}
TEST(Channel, KeepsOrderAndItsBound) {
  epoll_loop loop;
  EXPECT_EQ(loop.run(through_channel(loop)), (std::vector<int>{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}));
}

task<void> take(semaphore& s, context ctx, std::vector<int>& order, int me) {
  if (co_await s.acquire(ctx)) order.push_back(me);
}
task<std::vector<int>> queue_for_permit(loop& l) {
  semaphore s{l, 0};
  std::vector<int> order;
  cancel_source gives_up;
  task_group group{l};
  group.spawn(take(s, {}, order, 1));
  group.spawn(take(s, context{}.with_cancellation(gives_up.token()), order, 2));
  group.spawn(take(s, {}, order, 3));
  co_await yield(l);
  gives_up.cancel();
  s.release();
  s.release();
  co_await group.join();
  EXPECT_EQ(s.available(), 0u);
  co_return order;
}
TEST(Semaphore, GrantsInOrderAndSkipsWhoLeft) {
  epoll_loop loop;
  EXPECT_EQ(loop.run(queue_for_permit(loop)), (std::vector<int>{1, 3}));
}

// F13: it ended the process, or left whoever waits for `done` waiting.
task<bool> waits_for(loop& l, event& e) { co_return (co_await e.wait(context{}.with_timeout(l, 10s))).has_value(); }
TEST(Loop, OffloadedWorkMayThrow) {
  for (const unsigned threads : {0U, 1U}) {
    epoll_loop loop{{.blocking_threads = threads}};
    int done = 0;
    event all{loop};
    for (int i = 0; i < 3; ++i)
      loop.offload([] { throw 7; },
                   [&] {
                     if (++done == 3) all.set();
                   });
    EXPECT_TRUE(loop.run(waits_for(loop, all)));
  }
}

}  // namespace
}  // namespace weft
