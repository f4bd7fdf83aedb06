#include <weft/runtime/cores.hpp>
#include <weft/runtime/sleep.hpp>

#include <gtest/gtest.h>
#include <sched.h>

#include <atomic>
#include <csignal>
#include <mutex>
#include <set>
#include <thread>

namespace weft {
namespace {
using namespace std::chrono_literals;

struct seen {
  std::mutex mutex;
  std::set<std::thread::id> threads;
  std::set<unsigned> cores;
};
task<void> note(seen& s, unsigned core) {
  const std::lock_guard lock{s.mutex};
  s.threads.insert(std::this_thread::get_id());
  s.cores.insert(core);
  co_return;
}
TEST(Cores, EachHasItsOwnThreadAndTheFirstIsTheCallers) {
  cores all{{.count = 3}};
  seen s;
  all.run([&](loop&, unsigned core) { return note(s, core); });
  EXPECT_EQ(s.threads.size(), 3u);
  EXPECT_TRUE(s.threads.contains(std::this_thread::get_id()));
  EXPECT_EQ(s.cores, (std::set<unsigned>{0, 1, 2}));
}

task<void> until_stopped(loop& l, context ctx, std::atomic<int>& ended) {
  EXPECT_EQ((co_await sleep(l, ctx, 24h)).error().code(), errc::cancelled);
  ++ended;
}
TEST(Cores, StopAsksEveryCoreToEnd) {
  cores all{{.count = 3}};
  std::atomic<int> ended = 0;
  all.at(2).post([&] { all.stop(); });
  all.run([&](loop& l, unsigned core) { return until_stopped(l, all.stopping(core), ended); });
  EXPECT_EQ(ended, 3);
}
TEST(Cores, ASignalToTheProcessReachesTheFirst) {
  cores all{{.count = 2}};
  std::atomic<int> ended = 0;
  ASSERT_TRUE(all.at(0).on_signal(SIGUSR1, [&](int) { all.stop(); }));
  all.at(1).post([] { ::kill(::getpid(), SIGUSR1); });
  all.run([&](loop& l, unsigned core) { return until_stopped(l, all.stopping(core), ended); });
  EXPECT_EQ(ended, 2);
}

task<void> fail_on(unsigned which, loop& l, context ctx, unsigned core, std::atomic<int>& ended) {
  if (core == which) throw std::runtime_error{"no certificate"};
  co_await until_stopped(l, ctx, ended);
}
TEST(Cores, AFailureOfOneStopsTheOthersAndIsThrown) {
  for (unsigned which : {0u, 1u}) {
    cores all{{.count = 3}};
    std::atomic<int> ended = 0;
    try {
      all.run([&](loop& l, unsigned core) { return fail_on(which, l, all.stopping(core), core, ended); });
      ADD_FAILURE() << "the failure was swallowed";
    } catch (const std::runtime_error& e) {
      EXPECT_STREQ(e.what(), "no certificate");
    }
    EXPECT_EQ(ended, 2);
  }
}

task<void> forever(loop& l) { static_cast<void>(co_await sleep(l, {}, 24h)); }
TEST(Cores, StopNowLeavesAtOnce) {
  cores all{{.count = 2}};
  all.at(1).post([&] { all.stop_now(); });
  all.run([&](loop& l, unsigned) { return forever(l); });
}

task<void> where(std::atomic<int>& processors) {
  cpu_set_t set;
  ::sched_getaffinity(0, sizeof set, &set);
  processors += CPU_COUNT(&set);
  co_return;
}
TEST(Cores, PinsOnRequestAndLetsTheCallerGoAfterwards) {
  cpu_set_t before, after;
  ::sched_getaffinity(0, sizeof before, &before);
  cores all{{.count = 2, .pin = pinning::one_each}};
  std::atomic<int> processors = 0;
  all.run([&](loop&, unsigned) { return where(processors); });
  EXPECT_EQ(processors, 2);
  ::sched_getaffinity(0, sizeof after, &after);
  EXPECT_TRUE(CPU_EQUAL(&before, &after));
}

TEST(Cores, SeedsDifferByCore) {
  cores all{{.count = 2, .loop = {.seed = 7}}};
  EXPECT_NE(all.at(0).random()(), all.at(1).random()());
  EXPECT_GE(cores{}.size(), 1u);
}

// One port, a listener for each core: the kernel spreads the connections.
task<void> serve_on(loop& l, context ctx, address at, std::atomic<int>& served) {
  auto taking = l.listen(at, {.share_port = true}).value();
  struct closer final : cancel_callback {
    explicit closer(listener& t) : taking{t} {}
    void cancelled(errc) override { taking.close(); }
    listener& taking;
  } close_at_end{*taking};
  close_at_end.watch(ctx.cancellation());
  while (auto accepted = co_await taking->accept()) ++served;
}
task<void> visit(loop& l, address at, std::atomic<int>& served, cores& all) {
  while (served < 40) {
    static_cast<void>(co_await l.connect({}, at));
    co_await yield(l);
  }
  all.stop();
}
TEST(Cores, ShareAPort) {
  cores all{{.count = 3}};
  epoll_loop finder;
  auto reserved = finder.listen(address::loopback(0), {.share_port = true}).value();
  const auto at = reserved->local();
  reserved.reset();
  std::atomic<int> served = 0;
  all.run([&](loop& l, unsigned core) {
    return core == 0 ? visit(l, at, served, all) : serve_on(l, all.stopping(core), at, served);
  });
  EXPECT_GE(served, 40);
}

}  // namespace
}  // namespace weft
