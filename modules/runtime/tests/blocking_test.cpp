// What calls that block do to each other.
#include <weft/runtime/blocking.hpp>
#include <weft/runtime/epoll_loop.hpp>

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <semaphore>

namespace weft {
namespace {

using namespace std::chrono_literals;

task<int> one_after_the_other(loop& l, int times) {
  int sum = 0;
  for (int i = 0; i < times; ++i) sum += co_await blocking(l, [] { return 1; });
  co_return sum;
}

// F11: calls that hang take the threads, and hold up no other call.
TEST(Blocking, CallsThatHangHoldUpNoOthers) {
  std::counting_semaphore<> release{0};
  std::atomic<int> gave_up{0};
  int ended = 0;
  epoll_loop loop;
  for (int i = 0; i < 20; ++i)
    loop.offload(
        [&] {
          if (!release.try_acquire_for(20s)) ++gave_up;
        },
        [&] { ++ended; });
  EXPECT_EQ(loop.run(one_after_the_other(loop, 50)), 50);
  EXPECT_EQ(gave_up, 0);
  EXPECT_EQ(ended, 0);
  release.release(20);
  while (ended < 20) loop.run(one_after_the_other(loop, 1));
  EXPECT_EQ(gave_up, 0);
}

TEST(Blocking, EndsWithCallsThatWait) {
  for (int round = 0; round < 20; ++round) {
    epoll_loop loop;
    for (int i = 0; i < 100; ++i) loop.offload([] {}, [] {});
  }
}

}  // namespace
}  // namespace weft
