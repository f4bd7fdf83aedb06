// SQLite on the simulator's disk: hosts lose power in the middle of commits, and what was acknowledged is there.
#include <weft/runtime/sleep.hpp>
#include <weft/runtime/when.hpp>
#include <weft/storage.hpp>
#include <weft/testkit.hpp>

#include <gtest/gtest.h>

#include <set>

namespace weft::storage {
namespace {

using testkit::host;
using testkit::simulation;
using namespace std::chrono_literals;

struct ledger {
  std::set<int> acknowledged;
  int next = 0;
  int opened = 0, failed = 0;
  std::string problem;
};

task<void> write_on(sqlite_database& db, ledger& book) {
  for (;;) {
    const int number = book.next++;
    const auto done = co_await db.write(context{}, [number](sqlite_session& s) -> result<> {
      WEFT_TRY_VOID(s.run("INSERT INTO t VALUES ($1, $2)", {number, std::string(300, 'x')}));
      WEFT_TRY_VOID(s.run("INSERT INTO twice VALUES ($1)", {number}));
      return {};
    });
    if (done)
      book.acknowledged.insert(number);
    else if (++book.failed; !co_await sleep(db.owner(), context{}, 1ms))
      co_return;
  }
}

task<result<>> check(sqlite_database& db, const ledger& book) {
  WEFT_CO_TRY(const auto sound, co_await db.query(context{}, "SELECT * FROM pragma_integrity_check"));
  WEFT_CO_TRY(const auto word, sound.scalar<std::string>());
  if (word != "ok") co_return fail(errc::data_loss, "integrity: " + word);
  WEFT_CO_TRY(const auto all, co_await db.query(context{}, "SELECT id FROM t"));
  std::set<int> there;
  for (const auto& r : all) {
    WEFT_CO_TRY(const auto id, r.get<int>(0));
    there.insert(id);
  }
  for (const int id : book.acknowledged)
    if (!there.contains(id)) co_return fail(errc::data_loss, "lost " + std::to_string(id));
  WEFT_CO_TRY(const auto halves,
              co_await db.query(context{}, "SELECT count(*) FROM t WHERE id NOT IN (SELECT id FROM twice)"));
  WEFT_CO_TRY(const auto torn, halves.scalar<int>());
  if (torn != 0) co_return fail(errc::data_loss, std::to_string(torn) + " writes are half done");
  co_return result<>{};
}

task<void> program(host& h, ledger& book) {
  auto opened =
      co_await open_sqlite(h.loop(), {.path = "t.db", .disk = &h.blocking_disk(), .group = 8, .checkpoint_pages = 20});
  if (!opened) co_return;
  auto& db = **opened;
  ++book.opened;
  const auto ready = co_await db.batch(context{}, {{"CREATE TABLE IF NOT EXISTS t (id INTEGER PRIMARY KEY, s TEXT)"},
                                                   {"CREATE TABLE IF NOT EXISTS twice (id INTEGER PRIMARY KEY)"}});
  if (!ready) co_return;
  if (auto kept = co_await check(db, book); !kept && h.running()) {
    // A power loss during the check itself says nothing.
    if (kept.error().code() == errc::data_loss && !kept.error().message().contains("disk I/O"))
      book.problem = kept.error().describe();
    co_return;
  }
  task_group writers{h.loop()};
  for (int i = 0; i < 5; ++i) writers.spawn(write_on(db, book));
  co_await writers.join();
  co_await sleep(h.loop(), context{}, 1h);
}

int crash_often(simulation& sim, testkit::disk_options disk) {
  auto& book = sim.make<ledger>();
  auto& h = sim.add_host("db");
  h.set_disk_options(disk);
  h.on_boot([&book](host& self) { return program(self, book); });
  for (int crash = 0; crash < 6; ++crash) {
    sim.run_until([&] { return !h.running(); }, duration{sim.random().between(0, 20'000'000)});
    h.crash(sim.random().chance(0.5) ? testkit::crash_kind::power : testkit::crash_kind::process);
    h.restart();
  }
  disk.power_loss_in_call = disk.sync_failure = 0;
  h.set_disk_options(disk);
  h.restart();
  const auto written = book.acknowledged.size();
  sim.run_for(50ms);
  sim.check(book.problem.empty(), book.problem);
  sim.check(book.acknowledged.size() > written, "it goes on after the last crash");
  return book.failed;
}

TEST(SqliteSimulation, KeepsWhatWasAcknowledgedThroughPowerLosses) {
  const auto report = testkit::explore({.name = "SqliteSimulation.PowerLosses", .seeds = 60},
                                       [](simulation& sim) { crash_often(sim, {.power_loss_in_call = 0.01}); });
  EXPECT_TRUE(report.passed()) << report;
}

// F20: syncs fail, what the system has in memory is not on the disk, processes end and start, and the power goes.
TEST(SqliteSimulation, KeepsWhatWasAcknowledgedAfterFailedSyncs) {
  int failed = 0;
  const auto report = testkit::explore({.name = "SqliteSimulation.FailedSyncs", .seeds = 150}, [&](simulation& sim) {
    failed += crash_often(sim, {.sync_failure = 0.05, .power_loss_in_call = sim.random().chance(0.5) ? 0.003 : 0});
  });
  EXPECT_TRUE(report.passed()) << report;
  EXPECT_GT(failed, 100);
}

// A sync that fails fails every write of its group; the next ones are carried out on a log that the disk has.
TEST(SqliteSimulation, AFailedCommitFailsEveryWriteOfItsGroup) {
  simulation sim{11};
  auto& h = sim.add_host("db");
  const auto work = [](host& self) -> task<result<>> {
    WEFT_CO_TRY(const auto db, co_await open_sqlite(self.loop(), {.path = "t.db", .disk = &self.blocking_disk()}));
    WEFT_CO_TRY_VOID(co_await db->execute(context{}, "CREATE TABLE t (a INTEGER)"));
    const auto write = [](sqlite_database& d, int number) -> task<result<>> {
      co_return co_await d.write(context{}, [number](sqlite_session& s) -> result<> {
        WEFT_TRY_VOID(s.run("INSERT INTO t VALUES ($1)", {number}));
        return {};
      });
    };
    const auto three = [&] {
      std::vector<task<result<>>> all;
      for (int i = 0; i < 3; ++i) all.push_back(write(*db, i));
      return when_all(self.loop(), std::move(all));
    };
    self.set_disk_options({.sync_failure = 1});
    for (const auto& r : co_await three()) EXPECT_EQ(r.error().code(), errc::data_loss) << r.error().describe();
    co_await sleep(self.loop(), context{}, 1ms);  // it cannot be opened anew either, until the disk works again
    self.set_disk_options({});
    for (const auto& r : co_await three()) EXPECT_TRUE(r) << r.error().describe();
    WEFT_CO_TRY_VOID(co_await db->close());
    co_return result<>{};
  };
  const auto done = sim.run(h, work(h));
  EXPECT_TRUE(done) << done.error().describe();
}

// G4: a full disk has an error of its own, until there is room again.
TEST(SqliteSimulation, AFullDiskSaysSo) {
  simulation sim{12};
  auto& h = sim.add_host("db");
  h.set_disk_options({.capacity = 200'000});
  const auto work = [](host& self) -> task<result<>> {
    WEFT_CO_TRY(const auto db, co_await open_sqlite(self.loop(), {.path = "t.db", .disk = &self.blocking_disk()}));
    WEFT_CO_TRY_VOID(co_await db->execute(context{}, "CREATE TABLE t (a TEXT)"));
    result<std::int64_t> done;
    for (int i = 0; i < 100 && done; ++i)
      done = co_await db->execute(context{}, "INSERT INTO t VALUES ($1)", {std::string(5000, 'x')});
    EXPECT_EQ(done.error().code(), errc::resource_exhausted) << done.error().describe();
    EXPECT_EQ(done.error().limit(), limit_kind::space);
    EXPECT_TRUE(co_await db->query(context{}, "SELECT count(*) FROM t"));  // reading goes on
    self.set_disk_options({});
    EXPECT_TRUE(co_await db->execute(context{}, "INSERT INTO t VALUES ('y')"));
    co_return result<>{};
  };
  const auto done = sim.run(h, work(h));
  EXPECT_TRUE(done) << done.error().describe();
}

// A9: whoever is destroyed between the grant of the connection and his resumption leaves it to the next.
TEST(SqliteSimulation, ATransactionThatIsGrantedAndGoneLeavesTheConnectionToTheNext) {
  for (int turn = 0; turn < 12; ++turn) {
    simulation sim{13};
    auto& h = sim.add_host("db");
    const auto work = [](host& self, int turns) -> task<result<>> {
      WEFT_CO_TRY(const auto db, co_await open_sqlite(self.loop(), {.path = "t.db", .disk = &self.blocking_disk()}));
      WEFT_CO_TRY_VOID(co_await db->execute(context{}, "CREATE TABLE t (a INTEGER)"));
      const auto wait = [](sqlite_database& d, bool& resumed) -> task<void> {
        const auto tx = co_await d.begin(context{});
        resumed = true;
        co_await sleep(d.owner(), context{}, 1h);
      };
      struct after_turns final : ready_node {  // destroys the group after some steps of the loop
        loop& l;
        int left;
        std::unique_ptr<task_group> group;
        after_turns(loop& on, int turns_left) : l{on}, left{turns_left}, group{std::make_unique<task_group>(on)} {}
        void run() override {
          if (left-- > 0)
            l.schedule(*this);
          else
            group.reset();
        }
      } doom{self.loop(), turns};
      bool resumed = false;
      {
        WEFT_CO_TRY(auto holds, co_await db->begin(context{}));
        WEFT_CO_TRY_VOID(co_await holds.execute(context{}, "INSERT INTO t VALUES (1)"));
        doom.group->spawn(wait(*db, resumed));
        co_await sleep(self.loop(), context{}, 1ms);
      }  // gives it back
      self.loop().offload([] {}, [&doom] { doom.run(); });  // at the same time as the rollback ends
      co_await sleep(self.loop(), context{}, 10ms);
      EXPECT_EQ(doom.group, nullptr);
      const auto in_time = context{}.with_timeout(self.loop(), 1s);
      WEFT_CO_TRY(auto next, co_await db->begin(in_time));
      WEFT_CO_TRY_VOID(co_await next.execute(in_time, "INSERT INTO t VALUES (2)"));
      co_return co_await next.commit(in_time);
    };
    const auto done = sim.run(h, work(h, turn));
    EXPECT_TRUE(done) << "after " << turn << " steps: " << done.error().describe();
  }
}

TEST(SqliteSimulation, RunsOnOneConnectionInOrder) {
  simulation sim{7};
  auto& h = sim.add_host("db");
  const auto work = [](host& self) -> task<result<std::int64_t>> {
    WEFT_CO_TRY(const auto db, co_await open_sqlite(self.loop(), {.path = "t.db", .disk = &self.blocking_disk()}));
    WEFT_CO_TRY_VOID(co_await db->execute(context{}, "CREATE TABLE t (a INTEGER, at TEXT DEFAULT CURRENT_TIMESTAMP)"));
    WEFT_CO_TRY(auto tx, co_await db->begin(context{}));
    WEFT_CO_TRY_VOID(co_await tx.execute(context{}, "INSERT INTO t (a) VALUES ($1)", {41}));
    WEFT_CO_TRY_VOID(co_await tx.commit(context{}));
    WEFT_CO_TRY(const auto at, co_await db->query(context{}, "SELECT at FROM t"));
    EXPECT_EQ(at.scalar<std::string>().value(), "2026-01-01 00:00:00");  // the host's clock
    WEFT_CO_TRY(const auto got, co_await db->query(context{}, "SELECT a + 1 FROM t"));
    WEFT_CO_TRY_VOID(co_await db->close());
    co_return got.scalar<std::int64_t>();
  };
  EXPECT_EQ(sim.run(h, work(h)).value(), 42);
}

}  // namespace
}  // namespace weft::storage
