#include "programs.hpp"

#include <weft/runtime/blocking.hpp>
#include <weft/runtime/sync.hpp>

namespace weft::testkit {
namespace {

task<steady_time> sleep_a_day(loop& l) {
  EXPECT_TRUE(co_await sleep(l, {}, 24h));
  co_return l.now();
}
TEST(Simulation, TimePassesOnlyVirtually) {
  EXPECT_EQ(run([](loop& l) { return sleep_a_day(l); }, {.run_limit = 48h}) - simulation{1}.now(), 24h);
}

task<void> throws(loop&) {
  throw std::runtime_error{"bug"};
  co_return;
}
TEST(Simulation, PassesAnExceptionOn) {
  EXPECT_THROW(run([](loop& l) { return throws(l); }), std::runtime_error);
}

TEST(Simulation, AnExceptionInAProgramFailsTheSimulation) {
  simulation sim{1};
  sim.add_host("a").on_boot([](host& h) { return throws(h.loop()); });
  EXPECT_THROW(sim.run_for(1s), simulation_failed);
  EXPECT_EQ(sim.failure(), "a: a task ended with an exception: bug");
}

TEST(Simulation, AnExceptionInACallbackFailsTheSimulation) {
  simulation sim{1};
  sim.add_host("a").loop().post([] { throw std::runtime_error{"bug"}; });
  EXPECT_THROW(sim.run_for(1s), simulation_failed);
  EXPECT_EQ(sim.failure(), "a: a callback ended with an exception: bug");
}

task<void> spin(loop& l) {
  for (;;) co_await yield(l);
}
TEST(Simulation, ALivelockIsFound) {
  simulation sim{1, {.steps_at_once = 1000}};
  sim.add_host("a").on_boot([](host& h) { return spin(h.loop()); });
  EXPECT_THROW(sim.run_for(1s), simulation_failed);
  EXPECT_NE(sim.failure().find("livelock"), std::string::npos);
}

task<void> wait_for_nothing(loop& l) {
  event never{l};
  static_cast<void>(co_await never.wait({}));
}
TEST(Simulation, ATaskThatCannotEndIsFound) {
  simulation sim{1};
  auto& a = sim.add_host("a");
  EXPECT_THROW(sim.run(a, wait_for_nothing(a.loop())), simulation_failed);
  EXPECT_NE(sim.failure().find("waits for what never comes"), std::string::npos);
}

task<void> tick(loop& l, std::vector<std::string>& log, std::string name, duration every) {
  for (;;) {
    if (!co_await sleep(l, {}, every)) co_return;
    log.push_back(name);
  }
}
TEST(Simulation, EventsOfAllHostsHaveOneOrder) {
  simulation sim{1};
  auto& log = sim.make<std::vector<std::string>>();
  auto &a = sim.add_host("a"), &b = sim.add_host("b");
  a.spawn(tick(a.loop(), log, "a", 20ms));
  b.spawn(tick(b.loop(), log, "b", 30ms));
  sim.run_for(100ms);
  EXPECT_EQ(log, (std::vector<std::string>{"a", "b", "a", "b", "a", "a", "b", "a"}));
  EXPECT_TRUE(sim.run_until([&] { return log.size() == 10; }, 1h));
  EXPECT_EQ(sim.elapsed(), 120ms);
  EXPECT_FALSE(sim.run_until([] { return false; }, 1s));
}

task<int> offloaded(loop& l) {
  co_return co_await blocking(l, [] { return 42; });
}
TEST(Simulation, BlockingCallsTakeVirtualTime) {
  simulation sim{1, {.offload = 5ms}};
  auto& a = sim.add_host("a");
  EXPECT_EQ(sim.run(a, offloaded(a.loop())), 42);
  EXPECT_EQ(sim.elapsed(), 5ms);
  EXPECT_EQ(a.loop().watch(0).error().code(), errc::unimplemented);
}

TEST(Simulation, ClocksMayBeSkewed) {
  simulation sim{1};
  auto &a = sim.add_host("a"), &b = sim.add_host("b");
  EXPECT_EQ(format_rfc3339(a.loop().wall_now()), "2026-01-01T00:00:00Z");
  b.set_clock_skew(-3s);
  sim.run_for(10s);
  EXPECT_EQ(a.loop().wall_now() - b.loop().wall_now(), 3s);
  EXPECT_EQ(a.loop().now(), b.loop().now());
}

TEST(Host, APauseStopsEverythingUntilItResumes) {
  simulation sim{1};
  auto& log = sim.make<std::vector<std::string>>();
  auto& a = sim.add_host("a");
  a.spawn(tick(a.loop(), log, "a", 10ms));
  sim.run_for(25ms);
  a.pause();
  sim.run_for(1s);
  EXPECT_EQ(log.size(), 2u);
  a.resume();
  sim.run_for(15ms);
  EXPECT_EQ(log.size(), 4u);
}

struct counted {
  explicit counted(int& n) : n_{n} { ++n_; }
  ~counted() { --n_; }
  int& n_;
};
task<void> living(host& h, int& alive, int& started) {
  const counted c{alive};
  ++started;
  task_group group{h.loop()};
  group.spawn(echo_server(h.loop(), 80));
  static_cast<void>(co_await sleep(h.loop(), {}, 24h));
}
TEST(Host, ACrashDestroysItsProgramAndARestartBootsItAgain) {
  simulation sim{1};
  auto &alive = sim.make<int>(), &started = sim.make<int>();
  auto &a = sim.add_host("a"), &b = sim.add_host("b");
  a.on_boot([&](host& h) { return living(h, alive, started); });
  EXPECT_EQ(sim.run(b, ask(b.loop(), "a", 80, "x")).value(), "x");
  EXPECT_EQ(alive, 1);
  a.crash();
  EXPECT_EQ(alive, 0);
  EXPECT_FALSE(a.running());
  sim.run_for(1s);
  EXPECT_EQ(started, 1);
  a.restart();
  EXPECT_EQ(sim.run(b, ask(b.loop(), "a", 80, "y")).value(), "y");
  EXPECT_EQ(alive, 1);
  EXPECT_EQ(started, 2);
  EXPECT_EQ(a.boots(), 2u);
}

task<void> reboot_from_inside(host& h, int& started, int& too_far) {
  if (++started == 3) co_return;
  static_cast<void>(co_await sleep(h.loop(), {}, 1s));
  h.restart();
  static_cast<void>(co_await sleep(h.loop(), {}, 1s));
  ++too_far;
}
TEST(Host, MayRestartItselfFromItsOwnTask) {
  simulation sim{1};
  auto &started = sim.make<int>(), &too_far = sim.make<int>();
  sim.add_host("a").on_boot([&](host& h) { return reboot_from_inside(h, started, too_far); });
  sim.run_for(1min);
  EXPECT_EQ(started, 3);
  EXPECT_EQ(too_far, 0);
}

TEST(Host, ACrashUnderARunTaskIsReported) {
  simulation sim{1};
  auto& a = sim.add_host("a");
  sim.apply(fault_plan{}.at(1s).crash("a"));
  EXPECT_THROW(static_cast<void>(sim.run(a, sleep_a_day(a.loop()))), simulation_failed);
  EXPECT_EQ(sim.failure(), "a crashed while a task was run on it");
}

task<std::unique_ptr<file>> opened(disk& d, std::string name) {
  auto f = (co_await d.open(std::move(name), open_mode::create)).value();
  EXPECT_TRUE(co_await d.sync_directory());
  co_return f;
}

struct one_with_disk {
  explicit one_with_disk(std::uint64_t seed, disk_options options = {}) : sim{seed, {.disk = options}} {}
  template <class T>
  T run(task<T> work) {
    return sim.run(a, std::move(work));
  }
  std::string after_crash(std::string name) {
    a.crash();
    a.restart();
    auto f = run(a.disk().open(std::move(name), open_mode::existing));
    return f ? run(read_all(**f, 1 << 20)).value() : "(none)";
  }
  simulation sim;
  host& a = sim.add_host("a");
};

TEST(SimulatedDisk, AnUnsyncedWriteIsLostInPartOrWhole) {
  std::map<std::string, int> seen;
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    one_with_disk one{seed};
    auto f = one.run(opened(one.a.disk(), "wal"));
    ASSERT_TRUE(one.run(f->append("synced.")));
    ASSERT_TRUE(one.run(f->sync()));
    ASSERT_TRUE(one.run(f->append("AAAA")));
    ASSERT_TRUE(one.run(f->append("BBBB")));
    ++seen[one.after_crash("wal")];
  }
  for (const auto& [content, times] : seen) {
    EXPECT_EQ(content.substr(0, 7), "synced.");
    auto rest = content.substr(7);
    while (!rest.empty() && rest.back() == '\0') rest.pop_back();
    EXPECT_EQ((std::string{"AAAABBBB"}).substr(0, rest.size()), rest);
  }
  EXPECT_GT(seen["synced."], 50);
  EXPECT_GT(seen["synced.AAAABBBB"], 5);
  EXPECT_GT(seen.size(), 6u);
}

TEST(SimulatedDisk, ASyncedWriteStaysWhateverTheSeed) {
  for (std::uint64_t seed = 1; seed <= 50; ++seed) {
    one_with_disk one{seed};
    auto f = one.run(opened(one.a.disk(), "wal"));
    ASSERT_TRUE(one.run(f->append("0123456789")));
    ASSERT_TRUE(one.run(f->write_at(3, "x")));
    ASSERT_TRUE(one.run(f->truncate(6)));
    ASSERT_TRUE(one.run(f->sync()));
    EXPECT_EQ(one.after_crash("wal"), "012x45");
  }
}

TEST(SimulatedDisk, ANameIsCertainOnlyAfterSyncingTheDirectory) {
  int kept = 0, lost = 0;
  for (std::uint64_t seed = 1; seed <= 50; ++seed) {
    one_with_disk one{seed};
    auto f = one.run(one.a.disk().open("new", open_mode::create)).value();
    ASSERT_TRUE(one.run(f->append("x")));
    ASSERT_TRUE(one.run(f->sync()));
    const auto content = one.after_crash("new");
    EXPECT_TRUE(content == "x" || content == "(none)");
    ++(content == "x" ? kept : lost);
  }
  EXPECT_GT(kept, 5);
  EXPECT_GT(lost, 5);
}

TEST(SimulatedDisk, AKilledProcessLosesNothingThatWasWritten) {
  one_with_disk one{1, {.keep_unsynced = 0}};
  auto f = one.run(opened(one.a.disk(), "wal"));
  ASSERT_TRUE(one.run(f->append("x")));
  one.a.crash(crash_kind::process);
  one.a.restart();
  auto again = one.run(one.a.disk().open("wal", open_mode::existing)).value();
  EXPECT_EQ(one.run(read_all(*again, 10)).value(), "x");
  EXPECT_EQ(one.after_crash("wal"), "");
}

TEST(SimulatedDisk, AFailedSyncLosesItsWritesThoughTheNextSucceeds) {
  one_with_disk one{1, {.sync_failure = 1, .keep_unsynced = 0}};
  auto f = one.run(one.a.disk().open("wal", open_mode::create)).value();
  one.a.set_disk_options({});
  ASSERT_TRUE(one.run(one.a.disk().sync_directory()));
  one.a.set_disk_options({.sync_failure = 1});
  ASSERT_TRUE(one.run(f->append("lost")));
  EXPECT_EQ(one.run(f->sync()).error().code(), errc::data_loss);
  one.a.set_disk_options({});
  EXPECT_TRUE(one.run(f->sync()));
  EXPECT_EQ(one.run(read_all(*f, 10)).value(), "lost");
  EXPECT_EQ(one.after_crash("wal"), "");
}

// F20: what a failed sync loses are pages: untouched ones stay lost, and one that is written to comes back whole.
TEST(SimulatedDisk, AFailedSyncLosesWholePages) {
  std::size_t lost_pages = 0;
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    one_with_disk one{seed, {.keep_unsynced = 0}};
    auto f = one.run(opened(one.a.disk(), "data"));
    ASSERT_TRUE(one.run(f->append(std::string(4 * 4096UL, 'a'))));
    ASSERT_TRUE(one.run(f->sync()));
    one.a.set_disk_options({.sync_failure = 1});
    ASSERT_TRUE(one.run(f->write_at(0, std::string(4 * 4096UL, 'b'))));
    EXPECT_EQ(one.run(f->sync()).error().code(), errc::data_loss);
    one.a.set_disk_options({.keep_unsynced = 0});
    one.a.crash(crash_kind::process);  // the next process reads what the disk may not have
    one.a.restart();
    f = one.run(one.a.disk().open("data", open_mode::existing)).value();
    EXPECT_EQ(one.run(read_all(*f, 1 << 20)).value(), std::string(4 * 4096UL, 'b'));
    ASSERT_TRUE(one.run(f->write_at(4096 + 7, "c")));
    ASSERT_TRUE(one.run(f->sync()));
    const auto left = one.after_crash("data");
    ASSERT_EQ(left.size(), 4 * 4096UL);
    for (std::size_t page = 0; page < 4; ++page) {
      const auto content = left.substr(page * 4096, 4096);
      auto written = std::string(4096, 'b');
      if (page == 1) written[7] = 'c';
      if (page != 1 && content == std::string(4096, 'a'))
        ++lost_pages;
      else
        EXPECT_EQ(content, written) << "seed " << seed << ", page " << page;
    }
  }
  EXPECT_GE(lost_pages, 10u);
}

TEST(SimulatedDisk, AFullDiskRefuses) {
  one_with_disk one{1, {.capacity = 10}};
  auto f = one.run(opened(one.a.disk(), "wal"));
  ASSERT_TRUE(one.run(f->append("12345678")));
  EXPECT_EQ(one.run(f->append("more")).error().code(), errc::resource_exhausted);
  EXPECT_EQ(one.run(f->size()).value(), 8u);
  ASSERT_TRUE(one.run(f->truncate(0)));
  EXPECT_TRUE(one.run(f->append("more")));
}

TEST(FaultPlan, IsAValueThatPrintsItself) {
  fault_plan plan;
  plan.at(3s).crash("a").partition({"b"}, {"c", "d"});
  plan.at(1500ms).pause("b");
  plan.at(9s).heal_everything();
  EXPECT_EQ(plan.describe(),
            "1.500 s  pause b\n3.000 s  power off a\n3.000 s  partition {b} | {c, d}\n9.000 s  faults are over\n");
}

TEST(FaultPlan, ARandomOneKeepsItsLimitsAndEndsWhole) {
  std::size_t kinds = 0;
  for (std::uint64_t seed = 1; seed <= 50; ++seed) {
    simulation sim{seed};
    for (auto name : {"a", "b", "c"}) sim.add_host(name);
    const auto plan =
        fault_plan::random(sim.random(), {.hosts = sim.hosts(), .until = 5min, .down_at_once = 1, .skew_most = 2s});
    for (const auto word : {"power off", "kill", "pause", "partition", " -> ", "slow", "reset", "clock"})
      if (plan.describe().find(word) != std::string::npos) ++kinds;
    sim.apply(plan);
    std::size_t most_down = 0;
    EXPECT_FALSE(sim.run_until(
        [&] {
          std::size_t down = 0;
          for (auto name : {"a", "b", "c"}) down += sim.at(name).running() ? 0 : 1;
          most_down = std::max(most_down, down);
          return false;
        },
        5min));
    EXPECT_EQ(most_down, 1u);
    for (auto name : {"a", "b", "c"}) EXPECT_TRUE(sim.at(name).running());
  }
  EXPECT_GT(kinds, 50u * 7);
}

}  // namespace
}  // namespace weft::testkit
