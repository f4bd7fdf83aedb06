#include <weft/runtime/epoll_loop.hpp>
#include <weft/runtime/sleep.hpp>
#include <weft/runtime/sync.hpp>
#include <weft/runtime/task_group.hpp>
#include <weft/runtime/wait_queue.hpp>
#include <weft/testkit/lost_grant.hpp>
#include <weft/testkit/run.hpp>

#include <gtest/gtest.h>

namespace weft {
namespace {

struct released_at_the_end {
  explicit released_at_the_end(semaphore& s) : of{s} {}
  released_at_the_end(const released_at_the_end&) = delete;
  released_at_the_end& operator=(const released_at_the_end&) = delete;
  ~released_at_the_end() { of.release(); }
  semaphore& of;
};

task<void> hold(semaphore& s, context ctx, testkit::entrance& e) {
  if (!co_await s.acquire(ctx)) co_return;
  const released_at_the_end leave{s};
  co_await e.inside(ctx);
}

// A9: a permit that was granted to a waiter which never ran went with it.
task<void> loses_a_permit(loop& l, testkit::loss how, int turns) {
  semaphore s{l, 0};
  const auto handed_on = co_await testkit::lose_grant(
      l, [&s](context ctx, testkit::entrance& e) { return hold(s, std::move(ctx), e); }, [&s] { s.release(); },
      {.by = how, .after_turns = turns});
  EXPECT_TRUE(handed_on.has_value()) << handed_on.error().describe();
  EXPECT_EQ(s.waiting(), 0u);
  EXPECT_EQ(s.available(), 1u);
}
TEST(Semaphore, HandsOnAGrantThatIsLost) {
  for (const auto how : {testkit::loss::destroyed, testkit::loss::cancelled})
    for (const int turns : {0, 1, 2}) testkit::run([&](loop& l) { return loses_a_permit(l, how, turns); });
}

// A9: who comes later waits behind those who wait, also while a permit is on its way to one of them.
task<void> in_order(semaphore& s, std::vector<int>& order, int me) {
  if (co_await s.acquire({})) order.push_back(me);
}
task<std::vector<int>> queues(loop& l) {
  semaphore s{l, 0};
  std::vector<int> order;
  task_group group{l};
  group.spawn(in_order(s, order, 1));
  co_await yield(l);
  s.release();
  EXPECT_FALSE(s.try_acquire());
  group.spawn(in_order(s, order, 2));
  s.release();
  s.release();
  co_await group.join();
  EXPECT_TRUE(s.try_acquire());
  co_return order;
}
TEST(Semaphore, NobodyOvertakesAWaiter) {
  epoll_loop loop;
  EXPECT_EQ(loop.run(queues(loop)), (std::vector<int>{1, 2}));
}

// A9: an acquisition that is never awaited keeps nothing.
TEST(Semaphore, AnOperationThatIsNotAwaitedGivesItsPermitBack) {
  epoll_loop loop;
  semaphore s{loop, 1};
  {
    const auto unused = s.acquire({});
  }
  EXPECT_EQ(s.available(), 1u);
}

task<void> outlives(std::optional<semaphore>& s, std::optional<result<>>& got) { got = co_await s->acquire({}); }
TEST(Semaphore, MayBeDestroyedBeforeAWaiterThatItGranted) {
  epoll_loop loop;
  std::optional<semaphore> s{std::in_place, loop, 0u};
  std::optional<result<>> got;
  task_group group{loop};
  group.spawn(outlives(s, got));
  loop.poll();
  s->release();
  s.reset();
  loop.poll();
  ASSERT_TRUE(got.has_value());
  EXPECT_EQ(got->error().code(), errc::cancelled);
}

// A9: values of a channel go to those who wait, in order, and are not lost with one of them.
task<void> pop_one(channel<int>& c, context ctx, std::vector<int>& got) {
  auto next = co_await c.pop(ctx);
  if (next && *next) got.push_back(**next);
}
task<void> loses_a_reader(loop& l) {
  channel<int> c{l, 4};
  std::vector<int> first, second;
  std::optional<task_group> leaving{l};
  task_group staying{l};
  leaving->spawn(pop_one(c, {}, first));
  co_await yield(l);
  staying.spawn(pop_one(c, {}, second));
  co_await yield(l);
  EXPECT_TRUE(c.try_push(7));
  EXPECT_FALSE(c.try_pop().has_value());  // it is for who waits
  leaving.reset();
  co_await staying.join();
  EXPECT_TRUE(first.empty());
  EXPECT_EQ(second, std::vector<int>{7});
}
TEST(Channel, AValueIsNotLostWithTheReaderItWasFor) {
  epoll_loop loop;
  loop.run(loses_a_reader(loop));
}

task<void> push_one(channel<int>& c, int value, bool& ok) { ok = (co_await c.push({}, value)).has_value(); }
task<void> loses_a_writer(loop& l) {
  channel<int> c{l, 1};
  EXPECT_TRUE(c.try_push(1));
  bool first = false, second = false;
  std::optional<task_group> leaving{l};
  task_group staying{l};
  leaving->spawn(push_one(c, 2, first));
  co_await yield(l);
  staying.spawn(push_one(c, 3, second));
  co_await yield(l);
  EXPECT_EQ(c.try_pop(), 1);
  EXPECT_FALSE(c.try_push(9));  // the room is for who waits
  leaving.reset();
  co_await staying.join();
  EXPECT_TRUE(second);
  EXPECT_EQ(c.try_pop(), 3);
}
TEST(Channel, RoomIsNotLostWithTheWriterItWasFor) {
  epoll_loop loop;
  loop.run(loses_a_writer(loop));
}

task<void> closes(loop& l) {
  channel<int> c{l, 1};
  EXPECT_TRUE(c.try_push(1));
  bool pushed = true;
  std::vector<int> got;
  task_group group{l};
  group.spawn(push_one(c, 2, pushed));
  co_await yield(l);
  c.close();
  co_await group.join();
  EXPECT_FALSE(pushed);
  EXPECT_EQ(c.try_pop(), 1);
  EXPECT_FALSE((co_await c.pop({})).value().has_value());
  EXPECT_FALSE((co_await c.pop({})).value().has_value());
}
TEST(Channel, WakesAllWhenItIsClosed) {
  epoll_loop loop;
  loop.run(closes(loop));
}

}  // namespace
}  // namespace weft
