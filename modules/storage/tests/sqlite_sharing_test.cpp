// What callers that share SQLite's connections do to each other, and what is left when they go.
// weft-style: allow thread in this file: a latch holds a call up in the pool, so that others gather behind it
#include "sqlite_fixture.hpp"

#include <latch>

namespace weft::storage {
namespace {

struct SqliteSharing : Sqlite {
  std::unique_ptr<sqlite_database> db;
  void SetUp() override {
    db = open({.queue = 64});
    ASSERT_TRUE(run(db->execute(context{}, "CREATE TABLE t (a INTEGER PRIMARY KEY)")));
  }
  // What is asked for meanwhile waits, and is committed together.
  task<result<>> hold_up(std::latch& until) {
    co_return co_await db->write(context{}, [&until](sqlite_session&) -> result<> {
      until.wait();
      return {};
    });
  }
  static task<result<>> release(std::latch& l) {
    l.count_down();
    co_return result<>{};
  }
  task<result<>> execute(std::string sql) {
    WEFT_CO_TRY_VOID(co_await db->execute(context{}, std::move(sql)));
    co_return result<>{};
  }
  task<result<>> write(std::string sql) {
    co_return co_await db->write(context{}, [sql](sqlite_session& s) -> result<> {
      WEFT_TRY_VOID(s.run(sql));
      return {};
    });
  }
  std::string all() {
    return run(db->query(context{}, "SELECT COALESCE(group_concat(a), '') FROM (SELECT a FROM t ORDER BY a)"))
        .value()
        .scalar<std::string>()
        .value();
  }
  // Together in one group.
  std::vector<result<>> at_once(std::vector<task<result<>>> calls) {
    std::latch held{1};
    std::vector<task<result<>>> with;
    with.push_back(hold_up(held));
    for (auto& c : calls) with.push_back(std::move(c));
    with.push_back(release(held));
    auto outcomes = run(when_all(loop, std::move(with)));
    return {outcomes.begin() + 1, outcomes.end() - 1};
  }
};

// A4: a closure that goes on after the statement that undid its transaction writes nothing, alone or in a group.
TEST_F(SqliteSharing, NothingOfAClosureIsKeptOnceItsTransactionIsUndone) {
  ASSERT_TRUE(run(execute("INSERT INTO t VALUES (100)")));
  ASSERT_TRUE(
      run(execute("CREATE TRIGGER undo BEFORE INSERT ON t WHEN NEW.a = 13 BEGIN SELECT RAISE(ROLLBACK, 'no'); END")));
  for (const std::string undoing : {"INSERT OR ROLLBACK INTO t VALUES (100)", "INSERT INTO t VALUES (13)"}) {
    const auto goes_on = [&]() -> task<result<>> {
      return db->write(context{}, [undoing](sqlite_session& s) -> result<> {
        static_cast<void>(s.run("INSERT INTO t VALUES (1)"));
        EXPECT_FALSE(s.run(undoing));
        static_cast<void>(s.run("INSERT INTO t VALUES (2)"));
        return {};
      });
    };
    EXPECT_EQ(run(goes_on()).error().code(), errc::aborted);
    EXPECT_EQ(all(), "100") << undoing;
    std::vector<task<result<>>> calls;
    calls.push_back(goes_on());
    calls.push_back(goes_on());
    for (const auto& each : at_once(std::move(calls))) EXPECT_EQ(each.error().code(), errc::aborted);
    EXPECT_EQ(all(), "100") << undoing;
  }
}

// C10: one caller's OR ROLLBACK undoes nothing of others.
TEST_F(SqliteSharing, OrRollbackUndoesOnlyItsOwnCaller) {
  ASSERT_TRUE(run(execute("INSERT INTO t VALUES (100)")));
  for (const bool closure : {false, true}) {
    ASSERT_TRUE(run(execute("DELETE FROM t WHERE a <> 100")));
    std::vector<task<result<>>> calls;
    const std::string sql = "INSERT OR ROLLBACK INTO t VALUES (100)";
    calls.push_back(execute("INSERT INTO t VALUES (1)"));
    calls.push_back(write("INSERT INTO t VALUES (2)"));
    calls.push_back(closure ? write(sql) : execute(sql));
    calls.push_back(execute("INSERT INTO t VALUES (3)"));
    const auto outcomes = at_once(std::move(calls));
    EXPECT_TRUE(outcomes[0] && outcomes[1] && outcomes[3]);
    EXPECT_EQ(outcomes[2].error().code(), errc::already_exists) << outcomes[2].error().describe();
    EXPECT_EQ(all(), "1,2,3,100");
  }
  EXPECT_TRUE(run(execute("INSERT OR ROLLBACK INTO t VALUES (101)")));
  EXPECT_EQ(all(), "1,2,3,100,101");
}

// C10: a trigger or a column may do the same without a word of it in the statement.
TEST_F(SqliteSharing, ATriggerThatRollsBackUndoesNoStatementOfOthers) {
  ASSERT_TRUE(
      run(execute("CREATE TRIGGER no_sevens BEFORE INSERT ON t WHEN new.a = 7 BEGIN SELECT RAISE(ROLLBACK, "
                  "'no sevens'); END")));
  ASSERT_TRUE(run(execute("CREATE TABLE u (a INTEGER UNIQUE ON CONFLICT ROLLBACK)")));
  std::vector<task<result<>>> calls;
  calls.push_back(execute("INSERT INTO t VALUES (1)"));
  calls.push_back(execute("INSERT INTO t VALUES (7)"));
  calls.push_back(execute("INSERT INTO u VALUES (1)"));
  calls.push_back(execute("INSERT INTO u VALUES (1)"));
  calls.push_back(execute("INSERT INTO t VALUES (2)"));
  const auto outcomes = at_once(std::move(calls));
  EXPECT_TRUE(outcomes[0] && outcomes[2] && outcomes[4]);
  EXPECT_FALSE(outcomes[1]);
  EXPECT_EQ(outcomes[3].error().code(), errc::already_exists);
  EXPECT_EQ(all(), "1,2");
}

TEST_F(SqliteSharing, ATransactionRunsBeforeWritesThatCameAfterIt) {
  std::vector<task<result<>>> calls;
  const auto transaction_of = [](sqlite_database& d) -> task<result<>> {
    WEFT_CO_TRY(auto tx, co_await d.begin(context{}));
    WEFT_CO_TRY(const auto found, co_await tx.query(context{}, "SELECT group_concat(a) FROM t"));
    if (found.scalar<std::string>().value_or("") != "1") co_return fail(errc::internal, "it is not its turn");
    WEFT_CO_TRY_VOID(co_await tx.execute(context{}, "INSERT INTO t VALUES (2)"));
    co_return co_await tx.commit(context{});
  };
  calls.push_back(execute("INSERT INTO t VALUES (1)"));
  calls.push_back(transaction_of(*db));
  calls.push_back(execute("INSERT INTO t SELECT max(a) + 1 FROM t"));
  for (const auto& r : at_once(std::move(calls))) EXPECT_TRUE(r) << r.error().describe();
  EXPECT_EQ(all(), "1,2,3");
}

TEST_F(SqliteSharing, ClosingFailsWhoWaitsForRoomInTheQueue) {
  db.reset();
  db = open({.queue = 2});
  std::latch held{1};
  const auto close = [](sqlite_database& d, std::latch& l) -> task<result<>> {
    auto closing = d.close();
    l.count_down();
    co_return co_await std::move(closing);
  };
  std::vector<task<result<>>> calls;
  calls.push_back(hold_up(held));
  for (int i = 0; i < 6; ++i) calls.push_back(execute("INSERT INTO t VALUES (" + std::to_string(i) + ")"));
  calls.push_back(close(*db, held));
  const auto outcomes = run(when_all(loop, std::move(calls)));
  for (std::size_t i = 1; i <= 6; ++i) {
    ASSERT_FALSE(outcomes[i]) << i;
    EXPECT_EQ(outcomes[i].error().code(), errc::failed_precondition) << outcomes[i].error().describe();
    EXPECT_EQ(outcomes[i].error().message(), "the database is closed");
  }
  EXPECT_TRUE(outcomes.back());
}

// F15: who gave up takes no place in the queue.
TEST_F(SqliteSharing, CallersThatGaveUpMakeRoom) {
  db.reset();
  db = open({.queue = 2});
  auto tx = run(db->begin(context{})).value();
  ASSERT_TRUE(run(tx.execute(context{}, "INSERT INTO t VALUES (1)")));
  for (int round = 0; round < 3; ++round) {
    const auto soon = context{}.with_timeout(loop, std::chrono::milliseconds{10});
    std::vector<task<result<std::int64_t>>> calls;
    for (int i = 0; i < 2; ++i) calls.push_back(db->execute(soon, "INSERT INTO t VALUES (9)"));
    for (const auto& r : run(when_all(loop, std::move(calls)))) EXPECT_EQ(r.error().code(), errc::deadline_exceeded);
  }
  const auto commit_then_nothing = [](transaction& t) -> task<result<>> { co_return co_await t.commit(context{}); };
  const auto both = run(when_all(loop, execute("INSERT INTO t VALUES (2)"), commit_then_nothing(tx)));
  EXPECT_TRUE(std::get<0>(both) && std::get<1>(both));
  EXPECT_EQ(all(), "1,2");
}

// C10: what is said to read only does, also where one connection does everything.
TEST_F(SqliteSharing, ReadingDoesNotWriteInMemoryEither) {
  for (const auto* path : {":memory:", ""}) {
    auto other = open({.path = *path != '\0' ? path : in.file("other.db")});
    ASSERT_TRUE(run(other->execute(context{}, "CREATE TABLE t (a INTEGER)")));
    for (const auto* sql : {"INSERT INTO t VALUES (1)", "WITH x AS (SELECT 1) INSERT INTO t SELECT * FROM x",
                            "INSERT INTO t VALUES (1) RETURNING a", "CREATE TABLE u (a)", "DROP TABLE t"}) {
      auto tx = run(other->begin(context{}, {.mode = access::read_only})).value();
      EXPECT_TRUE(run(tx.query(context{}, "SELECT count(*) FROM t")));
      EXPECT_EQ(run(tx.execute(context{}, sql)).error().code(), errc::failed_precondition) << path << sql;
      EXPECT_EQ(run(tx.commit(context{})).error().code(), errc::failed_precondition);
      const auto read = run(other->read(context{}, [sql](sqlite_session& s) -> result<> {
        WEFT_TRY_VOID(s.run(sql));
        return {};
      }));
      EXPECT_EQ(read.error().code(), errc::failed_precondition) << path << sql;
    }
    EXPECT_EQ(run(other->query(context{}, "SELECT count(*) FROM t")).value().scalar<int>().value(), 0);
    EXPECT_TRUE(run(other->execute(context{}, "INSERT INTO t VALUES (1)")));
  }
}

// C10: nothing behind the statement is ignored.
TEST_F(SqliteSharing, TakesOneStatementAndNothingBehindIt) {
  for (const auto* sql : {"SELECT 1; 2", "SELECT 1; \"x\"", "SELECT 1;; (SELECT 2)", "SELECT 1; $1", "SELECT 1; .quit",
                          "SELECT 1; /* x */ 'y'", "SELECT 1; SELECT 2", "SELECT 1;\n-- x\n;@"})
    EXPECT_EQ(run(db->query(context{}, sql)).error().code(), errc::invalid_argument) << sql;
  for (const auto* sql : {"SELECT 1;", "SELECT 1 ; ; -- done", "SELECT 1;/* x */;\n\t", "/* a */ SELECT 1; /* open"})
    EXPECT_TRUE(run(db->query(context{}, sql))) << sql;
}

// G4: a full disk has an error of its own.
TEST_F(SqliteSharing, AFullDatabaseSaysSo) {
  ASSERT_TRUE(run(db->execute(context{}, "CREATE TABLE s (x TEXT)")));
  ASSERT_TRUE(run(db->write(context{}, [](sqlite_session& s) -> result<> {
    WEFT_TRY_VOID(s.run("PRAGMA max_page_count = 20"));
    return {};
  })));
  result<std::int64_t> done;
  for (int i = 0; i < 100 && done; ++i)
    done = run(db->execute(context{}, "INSERT INTO s VALUES ($1)", {std::string(4000, 'x')}));
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code(), errc::resource_exhausted);
  EXPECT_EQ(done.error().limit(), limit_kind::space);
  EXPECT_FALSE(done.error().transient());
}

}  // namespace
}  // namespace weft::storage
