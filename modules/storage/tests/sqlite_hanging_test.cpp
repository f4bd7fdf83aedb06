// Databases whose disk hangs, or that are busy for long.
// weft-style: allow thread in this file: a semaphore holds calls up in the pool
#include "sqlite_fixture.hpp"

#include <weft/runtime/blocking.hpp>

#include <atomic>
#include <fstream>
#include <semaphore>

namespace weft::storage {
namespace {

struct SqliteHanging : Sqlite {
  std::counting_semaphore<> release{0};
  std::atomic<int> gave_up{0};
  sqlite_database::closure hanging() {
    return [this](sqlite_session&) -> result<> {
      if (!release.try_acquire_for(std::chrono::seconds{20})) ++gave_up;
      return {};
    };
  }
  std::vector<task<result<>>> hang(sqlite_database& db) {
    std::vector<task<result<>>> all;
    all.push_back(db.write(context{}, hanging()));
    all.push_back(db.read(context{}, hanging()));
    all.push_back(db.read(context{}, hanging()));
    return all;
  }
  task<result<>> others(sqlite_database& db, int hung) {
    for (int i = 0; i < 20; ++i) {
      WEFT_CO_TRY_VOID(co_await db.execute(context{}, "INSERT INTO t VALUES ($1)", {i}));
      WEFT_CO_TRY_VOID(co_await db.query(context{}, "SELECT * FROM t"));
      co_await blocking(loop, [name = in.file("text")] { std::ofstream{name} << "x"; });
    }
    EXPECT_EQ(gave_up, 0);
    release.release(hung);
    co_return result<>{};
  }
};

// F11: databases that hang, with all their connections, hold up neither files nor another database.
TEST_F(SqliteHanging, HoldsUpNeitherFilesNorAnotherDatabase) {
  auto healthy = open({.path = in.file("healthy.db")});
  ASSERT_TRUE(run(healthy->execute(context{}, "CREATE TABLE t (a INTEGER)")));
  std::vector<std::unique_ptr<sqlite_database>> slow;
  std::vector<task<result<>>> all;
  for (const auto* name : {"a.db", "b.db", "c.db"}) {
    slow.push_back(open({.path = in.file(name)}));
    for (auto& each : hang(*slow.back())) all.push_back(std::move(each));
  }
  all.push_back(others(*healthy, 9));
  for (const auto& each : run(when_all(loop, std::move(all)))) EXPECT_TRUE(each) << each.error().describe();
  EXPECT_EQ(gave_up, 0);
}

}  // namespace
}  // namespace weft::storage
