#include "suite.hpp"

namespace weft::storage {

namespace {

task<result<>> change(transaction& tx, std::string sql, parameters values = {}) {
  WEFT_CO_TRY_VOID(co_await tx.execute(context{}, std::move(sql), std::move(values)));
  co_return result<>{};
}

}  // namespace

TEST_P(Sql, ShowsATransactionOnlyOnceItIsCommitted) {
  execute("CREATE TABLE t (a bigint)");
  auto tx = run(db->begin(context{})).value();
  ASSERT_TRUE(run(change(tx, "INSERT INTO t VALUES (1)")));
  EXPECT_EQ(run(tx.query(context{}, "SELECT count(*) FROM t")).value().scalar<int>().value(), 1);
  EXPECT_EQ(count("t"), 0);
  ASSERT_TRUE(run(tx.commit(context{})));
  EXPECT_EQ(count("t"), 1);
  EXPECT_EQ(run(tx.commit(context{})).error().code(), errc::failed_precondition);
  EXPECT_EQ(run(tx.query(context{}, "SELECT 1")).error().code(), errc::failed_precondition);
}

TEST_P(Sql, UndoesATransactionThatIsDropped) {
  execute("CREATE TABLE t (a bigint)");
  for (int i = 0; i < 20; ++i) {  // more than there are connections
    auto tx = run(db->begin(context{})).value();
    ASSERT_TRUE(run(change(tx, "INSERT INTO t VALUES (1)")));
  }
  {
    auto unused = run(db->begin(context{})).value();
  }
  auto undone = run(db->begin(context{})).value();
  ASSERT_TRUE(run(change(undone, "INSERT INTO t VALUES (1)")));
  ASSERT_TRUE(run(undone.rollback(context{})));
  execute("INSERT INTO t VALUES (2)");
  EXPECT_EQ(count("t"), 1);
}

TEST_P(Sql, AllowsOnlyRollbackAfterAFailedStatement) {
  execute("CREATE TABLE t (a bigint PRIMARY KEY)");
  auto tx = run(db->begin(context{})).value();
  ASSERT_TRUE(run(change(tx, "INSERT INTO t VALUES (1)")));
  EXPECT_EQ(run(change(tx, "INSERT INTO t VALUES (1)")).error().code(), errc::already_exists);
  EXPECT_EQ(run(change(tx, "INSERT INTO t VALUES (2)")).error().code(), errc::failed_precondition);
  EXPECT_EQ(run(tx.commit(context{})).error().code(), errc::failed_precondition);
  EXPECT_EQ(count("t"), 0);
}

TEST_P(Sql, PipelinesWhatATransactionAwaitsAtOnce) {
  execute("CREATE TABLE t (a bigint)");
  auto tx = run(db->begin(context{})).value();
  std::vector<task<result<std::int64_t>>> all;
  for (int i = 0; i < 50; ++i) all.push_back(tx.execute(context{}, "INSERT INTO t VALUES ($1)", {i}));
  for (const auto& r : run(when_all(loop_, std::move(all)))) EXPECT_TRUE(r) << r.error().describe();
  ASSERT_TRUE(run(tx.commit(context{})));
  EXPECT_EQ(count("t"), 50);
}

TEST_P(Sql, ReadsOneStateInAReadOnlyTransaction) {
  execute("CREATE TABLE t (a bigint)");
  auto tx = run(db->begin(context{}, {.mode = access::read_only, .level = isolation::repeatable_read})).value();
  EXPECT_EQ(run(tx.query(context{}, "SELECT count(*) FROM t")).value().scalar<int>().value(), 0);
  execute("INSERT INTO t VALUES (1)");
  EXPECT_EQ(run(tx.query(context{}, "SELECT count(*) FROM t")).value().scalar<int>().value(), 0);
  EXPECT_EQ(run(change(tx, "INSERT INTO t VALUES (2)")).error().code(), errc::failed_precondition);
  EXPECT_TRUE(run(tx.rollback(context{})));
  EXPECT_EQ(count("t"), 1);
}

TEST_P(Sql, TransfersBetweenManyWithoutLosingAnything) {
  execute("CREATE TABLE accounts (id bigint PRIMARY KEY, amount bigint NOT NULL)");
  for (int i = 0; i < 4; ++i) execute("INSERT INTO accounts VALUES ($1, 100)", {i});
  const auto transfer = [](database& d, int from, int to) -> task<result<>> {
    struct work {
      int from, to;
      task<result<>> operator()(transaction& tx, context ctx) const {
        WEFT_CO_TRY(const auto has, co_await tx.query(ctx, "SELECT amount FROM accounts WHERE id = $1", {from}));
        WEFT_CO_TRY(const auto amount, has.scalar<std::int64_t>());
        WEFT_CO_TRY_VOID(co_await tx.execute(ctx, "UPDATE accounts SET amount = $1 WHERE id = $2", {amount - 1, from}));
        WEFT_CO_TRY_VOID(co_await tx.execute(ctx, "UPDATE accounts SET amount = amount + 1 WHERE id = $1", {to}));
        co_return result<>{};
      }
    };
    co_return co_await transact(d, context{}, work{from, to},
                                {.transaction = {.level = isolation::serializable}, .tries = 100});
  };
  std::vector<task<result<>>> all;
  for (int i = 0; i < 40; ++i) all.push_back(transfer(*db, i % 4, (i + 1) % 4));
  for (const auto& r : run(when_all(loop_, std::move(all)))) EXPECT_TRUE(r) << r.error().describe();
  EXPECT_EQ(query("SELECT count(*) FROM accounts WHERE amount = 100").scalar<int>().value(), 4);
}

TEST_P(Sql, UndoesAStatementThatItsContextEnds) {
  execute("CREATE TABLE t (a bigint)");
  auto tx = run(db->begin(context{})).value();
  ASSERT_TRUE(run(change(tx, "INSERT INTO t VALUES (1)")));
  const auto ended =
      run(tx.query(context{}.with_timeout(loop_, std::chrono::milliseconds{50}), where->slow_statement()));
  EXPECT_EQ(ended.error().code(), errc::deadline_exceeded) << ended.error().describe();
  EXPECT_EQ(run(tx.commit(context{})).error().code(), errc::failed_precondition);
  execute("INSERT INTO t VALUES (2)");
  EXPECT_EQ(count("t"), 1);
}

TEST_P(Sql, SurvivesAwaitersThatAreDestroyed) {
  execute("CREATE TABLE t (a bigint)");
  {
    task_group group{loop_};
    const auto forget = [](database& d, std::string sql) -> task<void> {
      static_cast<void>(co_await d.query(context{}, std::move(sql)));
    };
    for (int i = 0; i < 5; ++i) group.spawn(forget(*db, where->slow_statement()));
    static_cast<void>(run(db->query(context{}.with_timeout(loop_, std::chrono::milliseconds{50}), "SELECT 1")));
  }  // destroyed at whatever point they were
  execute("INSERT INTO t VALUES (1)");
  EXPECT_EQ(count("t"), 1);
}

TEST_P(Sql, LosesATransactionWithItsConnectionAndGoesOn) {
  execute("CREATE TABLE t (a bigint)");
  auto tx = run(db->begin(context{})).value();
  ASSERT_TRUE(run(change(tx, "INSERT INTO t VALUES (1)")));
  if (!run(where->cut(tx, *db))) return;  // nothing to break
  const auto broken = run(change(tx, "INSERT INTO t VALUES (2)"));
  ASSERT_FALSE(broken);
  EXPECT_EQ(broken.error().code(), errc::unavailable) << broken.error().describe();
  EXPECT_TRUE(broken.error().unprocessed());
  execute("INSERT INTO t VALUES (3)");
  EXPECT_EQ(count("t"), 1);
}

TEST_P(Sql, MigratesOnceAndRefusesWhatItDoesNotKnow) {
  const std::vector<migration> first{{1, {.both = {"CREATE TABLE m (a bigint)", "INSERT INTO m VALUES (1)"}}}};
  auto second = first;
  second.push_back({2,
                    {.both = {"ALTER TABLE m ADD COLUMN b text"},
                     .sqlite = {"UPDATE m SET b = 'lite'"},
                     .postgres = {"UPDATE m SET b = 'gres'"}}});
  ASSERT_TRUE(run(migrate(*db, context{}, "shop", first)));
  ASSERT_TRUE(run(migrate(*db, context{}, "shop", first)));
  EXPECT_EQ(count("m"), 1);
  std::vector<task<result<>>> at_once;
  for (int i = 0; i < 4; ++i) at_once.push_back(migrate(*db, context{}, "shop", second));
  for (const auto& r : run(when_all(loop_, std::move(at_once)))) EXPECT_TRUE(r) << r.error().describe();
  EXPECT_EQ(query("SELECT b FROM m").scalar<std::string>().value(), sqlite() ? "lite" : "gres");

  const auto older = run(migrate(*db, context{}, "shop", first));
  EXPECT_EQ(older.error().code(), errc::failed_precondition);
  EXPECT_NE(older.error().message().find("version 2"), std::string::npos);
  auto rewritten = second;
  rewritten[0].statements.both[0] = "CREATE TABLE m (a text)";
  EXPECT_EQ(run(migrate(*db, context{}, "shop", rewritten)).error().code(), errc::failed_precondition);
  EXPECT_EQ(run(migrate(*db, context{}, "shop", {{2, {}}})).error().code(), errc::invalid_argument);

  const auto broken = run(migrate(*db, context{}, "other", {{1, {.both = {"CREATE TABLE o (a bigint)", "WRONG"}}}}));
  EXPECT_EQ(broken.error().operation(), "migration 1 of other");
  EXPECT_EQ(code("SELECT * FROM o"), errc::invalid_argument);
}

}  // namespace weft::storage
