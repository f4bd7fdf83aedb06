#include <weft/runtime/epoll_loop.hpp>
#include <weft/runtime/sleep.hpp>
#include <weft/runtime/task_group.hpp>

#include <gtest/gtest.h>
#include <poll.h>

#include <csignal>
#include <thread>

namespace weft {
namespace {
using namespace std::chrono_literals;

TEST(Signal, ReachesTheLoop) {
  epoll_loop loop;
  std::vector<int> got;
  const auto note = [&](int number) {
    got.push_back(number);
    if (got.size() == 2) loop.stop();
  };
  ASSERT_TRUE(loop.on_signal(SIGUSR1, note));
  ASSERT_TRUE(loop.on_signal(SIGUSR2, note));
  ::raise(SIGUSR1);
  loop.post([] { ::raise(SIGUSR2); });
  loop.run();
  EXPECT_EQ(got, (std::vector{SIGUSR1, SIGUSR2}));
}

// As a drain does it: the first signal is polite, and what it sets up makes the second one final.
TEST(Signal, AHandlerMayPutAnotherInItsPlace) {
  epoll_loop loop;
  std::string order;
  ASSERT_TRUE(loop.on_signal(SIGUSR1, [&](int) {
    ASSERT_TRUE(loop.on_signal(SIGUSR1, [&](int) {
      order += "second";
      loop.stop();
    }));
    order += "first ";
    ::raise(SIGUSR1);
  }));
  ::raise(SIGUSR1);
  loop.run();
  EXPECT_EQ(order, "first second");
}

bool readable(const epoll_loop& loop, int milliseconds) {
  pollfd descriptor{.fd = loop.descriptor(), .events = POLLIN, .revents = 0};
  return ::poll(&descriptor, 1, milliseconds) == 1;
}
task<void> tick(loop& l, int& ticks) {
  for (int i = 0; i < 5; ++i) {
    EXPECT_TRUE(co_await sleep(l, {}, 2ms));
    ++ticks;
  }
}
TEST(GuestLoop, ItsDescriptorTellsOfTimersAndIsQuietBetweenThem) {
  epoll_loop loop;
  task_group group{loop};
  int ticks = 0, rounds = 0;
  group.spawn(tick(loop, ticks));
  while (loop.poll()) {
  }
  while (ticks < 5) {
    ASSERT_TRUE(readable(loop, 10'000)) << "a timer is due and the descriptor does not say so";
    ++rounds;
    while (loop.poll()) {
    }
  }
  EXPECT_LT(rounds, 30) << "the descriptor is readable all the time";
  EXPECT_FALSE(readable(loop, 0)) << "nothing is left to do";
}
TEST(GuestLoop, APostFromAnotherThreadWakesIt) {
  epoll_loop loop;
  bool ran = false;
  while (loop.poll()) {
  }
  std::thread other{[&] { loop.post([&] { ran = true; }); }};
  EXPECT_TRUE(readable(loop, 10'000));
  other.join();
  while (loop.poll()) {
  }
  EXPECT_TRUE(ran);
}

}  // namespace
}  // namespace weft
