// SQLite on the simulator's disk: hosts lose power in the middle of commits, and what was acknowledged is there.
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
  int opened = 0;
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
    if (!done) co_return;  // the disk fails: wait for the end
    book.acknowledged.insert(number);
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

void crash_often(simulation& sim, testkit::disk_options disk) {
  auto& book = sim.make<ledger>();
  auto& h = sim.add_host("db");
  h.set_disk_options(disk);
  h.on_boot([&book](host& self) { return program(self, book); });
  for (int crash = 0; crash < 6; ++crash) {
    sim.run_until([&] { return !h.running(); }, duration{sim.random().between(0, 20'000'000)});
    h.crash(sim.random().chance(0.5) ? testkit::crash_kind::power : testkit::crash_kind::process);
    h.restart();
  }
  disk.power_loss_in_call = 0;
  h.set_disk_options(disk);
  h.restart();
  const auto written = book.acknowledged.size();
  sim.run_for(50ms);
  sim.check(book.problem.empty(), book.problem);
  sim.check(book.acknowledged.size() > written, "it goes on after the last crash");
}

TEST(SqliteSimulation, KeepsWhatWasAcknowledgedThroughPowerLosses) {
  const auto report = testkit::explore({.name = "SqliteSimulation.PowerLosses", .seeds = 60},
                                       [](simulation& sim) { crash_often(sim, {.power_loss_in_call = 0.01}); });
  EXPECT_TRUE(report.passed()) << report;
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
