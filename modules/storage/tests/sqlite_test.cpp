#include "sqlite_fixture.hpp"

namespace weft::storage {
namespace {

class sqlite_file final : public place {
 public:
  task<result<std::unique_ptr<database>>> open(loop& l) override {
    return storage::open(l, context{}, "sqlite:" + in_.file());
  }
  std::string slow_statement() const override {
    return "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n";
  }

 private:
  folder in_;
};

class sqlite_memory final : public place {
 public:
  task<result<std::unique_ptr<database>>> open(loop& l) override {
    return storage::open(l, context{}, "sqlite::memory:");
  }
  std::string slow_statement() const override { return sqlite_file{}.slow_statement(); }
};

INSTANTIATE_TEST_SUITE_P(Sqlite, Sql,
                         testing::Values(engine_under_test{"file", [] { return std::make_unique<sqlite_file>(); }}),
                         [](const auto& info) { return info.param.name; });
INSTANTIATE_TEST_SUITE_P(Sqlite, SqlFailing,
                         testing::Values(engine_under_test{"file", [] { return std::make_unique<sqlite_file>(); }},
                                         engine_under_test{"memory", [] { return std::make_unique<sqlite_memory>(); }}),
                         [](const auto& info) { return info.param.name; });

result<> insert(sqlite_session& s, int number) {
  WEFT_TRY_VOID(s.run("INSERT INTO t VALUES ($1)", {number}));
  return {};
}

TEST_F(Sqlite, CommitsManyWritesTogetherAndUndoesOnlyThoseThatFail) {
  auto db = open();
  ASSERT_TRUE(run(db->execute(context{}, "CREATE TABLE t (a INTEGER PRIMARY KEY)")));
  const auto before = db->statistics();
  std::vector<task<result<>>> all;
  for (int i = 0; i < 100; ++i)
    all.push_back(db->write(context{}, [i](sqlite_session& s) -> result<> {
      WEFT_TRY_VOID(insert(s, i));
      if (i % 10 == 3) return insert(s, i);                 // the key is taken by itself
      if (i % 10 == 4) return fail(errc::cancelled, "no");  // changed its mind
      return {};
    }));
  int done = 0;
  for (const auto& r : run(when_all(loop, std::move(all)))) done += r ? 1 : 0;
  EXPECT_EQ(done, 80);
  EXPECT_EQ(run(db->query(context{}, "SELECT count(*) FROM t")).value().scalar<int>().value(), 80);
  EXPECT_EQ(db->statistics().commits - before.commits, 1u);
  EXPECT_EQ(db->statistics().writes - before.writes, 80u);
}

TEST_F(Sqlite, KeepsWhatWasCommitted) {
  {
    auto db = open();
    ASSERT_TRUE(run(db->execute(context{}, "CREATE TABLE t (a INTEGER)")));
    ASSERT_TRUE(run(db->execute(context{}, "INSERT INTO t VALUES (1)")));
  }  // without close()
  auto again = open();
  EXPECT_EQ(run(again->query(context{}, "SELECT count(*) FROM t")).value().scalar<int>().value(), 1);
}

TEST_F(Sqlite, RefusesASecondUserOfTheFile) {
  auto db = open();
  const auto second = run(open_sqlite(loop, {.path = in.file()}));
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code(), errc::failed_precondition);
  ASSERT_TRUE(run(db->close()));
  EXPECT_TRUE(run(open_sqlite(loop, {.path = in.file()})));
}

TEST_F(Sqlite, SaysWhatIsWrongWithAFile) {
  EXPECT_EQ(run(open_sqlite(loop, {.path = in.path + "/missing/x.db"})).error().code(), errc::not_found);
  EXPECT_EQ(run(open_sqlite(loop, {.path = ""})).error().code(), errc::invalid_argument);
  EXPECT_EQ(run(storage::open(loop, context{}, "mysql://x")).error().code(), errc::invalid_argument);
  std::FILE* f = std::fopen(in.file("text.db").c_str(), "w");
  std::fputs(std::string(4096, 'x').c_str(), f);
  std::fclose(f);
  EXPECT_EQ(run(open_sqlite(loop, {.path = in.file("text.db")})).error().code(), errc::data_loss);
}

TEST_F(Sqlite, LetsWritersWaitWithoutGrowing) {
  auto db = open({.queue = 4});
  ASSERT_TRUE(run(db->execute(context{}, "CREATE TABLE t (a INTEGER)")));
  std::vector<task<result<>>> all;
  for (int i = 0; i < 100; ++i) all.push_back(db->write(context{}, [](sqlite_session& s) { return insert(s, 1); }));
  for (const auto& r : run(when_all(loop, std::move(all)))) EXPECT_TRUE(r);
  EXPECT_EQ(run(db->query(context{}, "SELECT count(*) FROM t")).value().scalar<int>().value(), 100);
}

TEST_F(Sqlite, HoldsOtherWritesBackWhileATransactionIsOpen) {
  auto db = open();
  ASSERT_TRUE(run(db->execute(context{}, "CREATE TABLE t (a INTEGER)")));
  {
    auto tx = run(db->begin(context{})).value();
    ASSERT_TRUE(run(tx.execute(context{}, "INSERT INTO t VALUES (1)")));
    const auto soon = context{}.with_timeout(loop, std::chrono::milliseconds{50});
    const auto late = run(db->write(soon, [](sqlite_session& s) { return insert(s, 2); }));
    EXPECT_EQ(late.error().code(), errc::deadline_exceeded);
    EXPECT_TRUE(late.error().unprocessed());
    ASSERT_TRUE(run(tx.commit(context{})));
  }
  ASSERT_TRUE(run(db->write(context{}, [](sqlite_session& s) { return insert(s, 3); })));
  const auto all = run(db->query(context{}, "SELECT group_concat(a) FROM t")).value();
  EXPECT_EQ(all.scalar<std::string>().value(), "1,3");
}

TEST_F(Sqlite, BoundsAResult) {
  auto db = open({.result_bytes = 10'000});
  const auto large = run(db->query(context{},
                                   "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 10000) "
                                   "SELECT i FROM n"));
  EXPECT_EQ(large.error().code(), errc::resource_exhausted);
}

TEST_F(Sqlite, TellsTheCallerOfItsOwnException) {
  auto db = open();
  ASSERT_TRUE(run(db->execute(context{}, "CREATE TABLE t (a INTEGER)")));
  EXPECT_THROW(
      static_cast<void>(run(db->write(context{}, [](sqlite_session&) -> result<> { throw std::logic_error{"bug"}; }))),
      std::logic_error);
  EXPECT_TRUE(run(db->write(context{}, [](sqlite_session& s) { return insert(s, 1); })));
}

TEST_F(Sqlite, LivesInMemory) {
  auto db = open({.path = ":memory:"});
  ASSERT_TRUE(run(db->execute(context{}, "CREATE TABLE t (a INTEGER)")));
  auto tx = run(db->begin(context{})).value();
  ASSERT_TRUE(run(tx.execute(context{}, "INSERT INTO t VALUES (1)")));
  ASSERT_TRUE(run(tx.commit(context{})));
  EXPECT_EQ(run(db->query(context{}, "SELECT count(*) FROM t")).value().scalar<int>().value(), 1);
}

TEST_F(Sqlite, MovesTheLogIntoTheFile) {
  auto db = open({.checkpoint_pages = 10});
  ASSERT_TRUE(run(db->execute(context{}, "CREATE TABLE t (a TEXT)")));
  for (int i = 0; i < 300; ++i)
    ASSERT_TRUE(run(db->execute(context{}, "INSERT INTO t VALUES ($1)", {std::string(2000, 'x')})));
  EXPECT_LT(std::filesystem::file_size(in.file() + "-wal"), 400'000u);
  EXPECT_GT(std::filesystem::file_size(in.file()), 500'000u);
}

}  // namespace
}  // namespace weft::storage
