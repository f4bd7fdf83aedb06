// G1: what blocks a loop can be seen.
#include <weft/runtime/epoll_loop.hpp>
#include <weft/runtime/sleep.hpp>

#include <gtest/gtest.h>

#include <vector>

namespace weft {
namespace {
using namespace std::chrono_literals;

class recorded final : public turn_observer {
 public:
  recorded(loop& l, duration at_least) : turn_observer{l, at_least} {}
  void observe(slow_turn& turn) override {
    turns.push_back(turn);
    turn.explained = true;
  }
  std::vector<slow_turn> turns;
};

void burn(const loop& l, duration time) {
  for (const auto begin = l.clock(); l.clock() - begin < time;) {
  }
}

task<void> burn_once(loop& l) {
  co_await sleep(l, {}, 1ms);
  burn(l, 20ms);
  co_await sleep(l, {}, 1ms);
}

TEST(TurnObserver, SeesWhatBlocksTheLoop) {
  epoll_loop loop;
  recorded first{loop, 20ms}, second{loop, 20ms}, never{loop, duration::max()};
  {
    const recorded gone{loop, 0ms};
  }
  loop.run(burn_once(loop));
  ASSERT_EQ(first.turns.size(), 1U);
  EXPECT_GE(first.turns[0].took, 20ms);
  EXPECT_FALSE(first.turns[0].explained);
  ASSERT_EQ(second.turns.size(), 1U);
  EXPECT_TRUE(second.turns[0].explained);
  EXPECT_TRUE(never.turns.empty());
}

// F13: it ended the process.
TEST(TurnObserver, MayThrow) {
  class throwing final : public turn_observer {
   public:
    using turn_observer::turn_observer;
    void observe(slow_turn&) override { throw 7; }
  };
  epoll_loop loop;
  throwing first{loop, 0ms};
  recorded second{loop, 20ms};
  loop.run(burn_once(loop));
  EXPECT_EQ(second.turns.size(), 1U);
}

TEST(TurnObserver, ReadsTheClockWithinATurn) {
  epoll_loop loop;
  const auto at = loop.now();
  burn(loop, 2ms);
  EXPECT_EQ(loop.now(), at);
  EXPECT_GE(loop.clock() - at, 2ms);
}

}  // namespace
}  // namespace weft
