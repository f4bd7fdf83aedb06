#include <weft/runtime/cores.hpp>
#include <weft/runtime/sleep.hpp>

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

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

struct fate {
  std::atomic<int> begun = 0, ended = 0, destroyed = 0;
};
struct destroyed_with {
  explicit destroyed_with(fate& f) : of{f} { ++of.begun; }
  destroyed_with(const destroyed_with&) = delete;
  destroyed_with& operator=(const destroyed_with&) = delete;
  ~destroyed_with() { ++of.destroyed; }
  fate& of;
};
// Heeds no context: only the end of its loop ends it.
task<void> forever(loop& l, fate& f, cores& all) {
  const destroyed_with mark{f};
  if (f.begun == 2) all.stop_now();
  static_cast<void>(co_await sleep(l, {}, 24h));
  ++f.ended;
}
TEST(Cores, StopNowLeavesAtOnce) {
  cores all{{.count = 2}};
  fate f;
  all.run([&](loop& l, unsigned) { return forever(l, f, all); });
  EXPECT_EQ(f.begun, 2);
  EXPECT_EQ(f.ended, 0);
  EXPECT_EQ(f.destroyed, 2);
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

// A20: the kernel lets any process of the same user join a port that is shared. A socket that the runtime did not open
// stands for another process.
TEST(Cores, APortThatAnotherProcessSharesIsTaken) {
  const int other = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int on = 1;
  ASSERT_EQ(::setsockopt(other, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on), 0);
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof at;
  ASSERT_EQ(::bind(other, reinterpret_cast<sockaddr*>(&at), size), 0);
  ASSERT_EQ(::listen(other, 1), 0);
  ASSERT_EQ(::getsockname(other, reinterpret_cast<sockaddr*>(&at), &size), 0);
  epoll_loop loop;
  const auto where = address::loopback(ntohs(at.sin_port));
  const auto refused = loop.listen(where, {.share_port = true});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), errc::already_exists);
  EXPECT_FALSE(refused.error().remedy().empty());
  ::close(other);
  EXPECT_TRUE(loop.listen(where, {.share_port = true}));
}

// A20: what was shared can be taken again once all have left it.
TEST(Cores, ASharedPortIsFreeOnceAllHaveLeftIt) {
  epoll_loop one, two;
  auto first = one.listen(address::loopback(0), {.share_port = true}).value();
  auto second = two.listen(first->local(), {.share_port = true}).value();
  const auto at = first->local();
  first->close();
  EXPECT_FALSE(one.listen(at)) << "the second still listens";
  EXPECT_TRUE(one.listen(at, {.share_port = true})) << "and may be joined";
  second.reset();
  EXPECT_TRUE(one.listen(at));
}

}  // namespace
}  // namespace weft
