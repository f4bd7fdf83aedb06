#include "suite.hpp"

#include <cstdlib>

namespace weft::storage {

void Sql::SetUp() {
  where = GetParam().make();
  auto opened = run(where->open(loop_));
  if (!opened && opened.error().code() == errc::unavailable && std::getenv("CI") == nullptr)
    GTEST_SKIP() << opened.error().describe() << "; ./dev services start " << GetParam().name;
  ASSERT_TRUE(opened) << opened.error().describe();
  db = *std::move(opened);
}

void Sql::TearDown() {
  if (db) EXPECT_TRUE(run(db->close()));
}

TEST_P(Sql, KeepsEveryTypeOfValue) {
  execute("CREATE TABLE t (id bigint, b boolean, r double precision, s text, x " + bytes_type() + ", n text)");
  const std::string bytes{"\0\x01\xff'\"\\", 6};
  execute("INSERT INTO t VALUES ($1, $2, $3, $4, $5, $6)",
          {std::int64_t{-9'007'199'254'740'993}, true, 0.1, "Grüße, 世界 🧵 'quoted' \\ $1", blob{bytes}, null});
  const auto all = query("SELECT id, b, r, s, x, n FROM t");
  ASSERT_EQ(all.size(), 1u);
  const auto r = all[0];
  EXPECT_EQ(r.get<std::int64_t>("id").value(), -9'007'199'254'740'993);
  EXPECT_EQ(r.get<bool>("b").value(), true);
  EXPECT_EQ(r.get<double>("r").value(), 0.1);
  EXPECT_EQ(r.get<std::string>("s").value(), "Grüße, 世界 🧵 'quoted' \\ $1");
  EXPECT_EQ(r.get<blob>("x").value().bytes, bytes);
  EXPECT_EQ(r.get<std::optional<std::string>>("n").value(), std::nullopt);
  EXPECT_EQ(r.get<std::string>("n").error().code(), errc::failed_precondition);
  EXPECT_EQ(r.get<int>("id").error().code(), errc::out_of_range);
  EXPECT_EQ(r.get<int>("missing").error().code(), errc::out_of_range);
}

TEST_P(Sql, TellsEmptyFromNull) {
  execute("CREATE TABLE t (s text, x " + bytes_type() + ")");
  execute("INSERT INTO t VALUES ($1, $2)", {"", blob{}});
  const auto r = query("SELECT s, x FROM t");
  EXPECT_EQ(r[0].get<std::optional<std::string>>(0).value(), "");
  EXPECT_EQ(r[0].get<std::optional<blob>>(1).value(), blob{});
}

TEST_P(Sql, FindsParametersByNumberAndTakesThemMoreThanOnce) {
  execute("CREATE TABLE t (a bigint, b text)");
  execute("INSERT INTO t (b, a) VALUES ($2, $1), ($2, $1 + 1)", {1, "x"});
  EXPECT_EQ(query("SELECT a FROM t WHERE b = $1 AND a < $2 ORDER BY a", {"x", 9}).size(), 2u);
  EXPECT_EQ(code("SELECT a FROM t WHERE a = $1", {}), errc::invalid_argument);
  EXPECT_EQ(code("SELECT a FROM t WHERE a = $1", {1, 2}), errc::invalid_argument);
}

TEST_P(Sql, NeverReadsAValueAsSql) {
  execute("CREATE TABLE t (s text)");
  const std::string attack = "x'); DROP TABLE t; --";
  execute("INSERT INTO t VALUES ($1)", {attack});
  EXPECT_EQ(query("SELECT s FROM t WHERE s = $1", {attack}).scalar<std::string>().value(), attack);
}

TEST_P(Sql, CountsWhatChanged) {
  execute("CREATE TABLE t (a bigint)");
  EXPECT_EQ(execute("INSERT INTO t VALUES (1), (2), (3)"), 3);
  EXPECT_EQ(execute("UPDATE t SET a = a + 10 WHERE a > $1", {1}), 2);
  EXPECT_EQ(execute("DELETE FROM t WHERE a = 99"), 0);
  const auto returned = query("INSERT INTO t VALUES (7) RETURNING a");
  EXPECT_EQ(returned.scalar<int>().value(), 7);
  EXPECT_EQ(returned.affected(), 1);
  EXPECT_EQ(query("WITH moved AS (SELECT 1 AS a) SELECT a FROM moved").scalar<int>().value(), 1);
}

TEST_P(Sql, NamesTheKindOfEachFailure) {
  execute("CREATE TABLE p (id bigint PRIMARY KEY)");
  execute(
      "CREATE TABLE t (id bigint PRIMARY KEY, u text UNIQUE, n text NOT NULL, c bigint CHECK (c > 0), "
      "p bigint REFERENCES p (id))");
  execute("INSERT INTO t VALUES (1, 'a', 'n', 1, NULL)");
  EXPECT_EQ(code("INSERT INTO t VALUES (1, 'b', 'n', 1, NULL)"), errc::already_exists);
  EXPECT_EQ(code("INSERT INTO t VALUES (2, 'a', 'n', 1, NULL)"), errc::already_exists);
  EXPECT_EQ(code("INSERT INTO t VALUES (2, 'b', NULL, 1, NULL)"), errc::invalid_argument);
  EXPECT_EQ(code("INSERT INTO t VALUES (2, 'b', 'n', 0, NULL)"), errc::invalid_argument);
  EXPECT_EQ(code("INSERT INTO t VALUES (2, 'b', 'n', 1, 5)"), errc::failed_precondition);
  EXPECT_EQ(code("SELECT * FROM nowhere"), errc::invalid_argument);
  EXPECT_EQ(code("SELEKT 1"), errc::invalid_argument);
  EXPECT_EQ(code(""), errc::invalid_argument);
  EXPECT_EQ(code("SELECT 1; SELECT 2"), errc::invalid_argument);
  EXPECT_EQ(code("SELECT $1", {std::string{"a\0b", 3}}), errc::invalid_argument);
  EXPECT_EQ(count("t"), 1);
}

TEST_P(Sql, KeepsTransactionsToItself) {
  for (const auto* sql : {"BEGIN", " commit", "/* so */ ROLLBACK", "-- hidden\nSAVEPOINT x", "END"})
    EXPECT_EQ(code(sql), errc::invalid_argument) << sql;
}

TEST_P(Sql, IsNotPoisonedByAFailedStatement) {
  execute("CREATE TABLE t (a bigint)");
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(code("SELECT * FROM nowhere"), errc::invalid_argument);
    EXPECT_EQ(code("INSERT INTO t VALUES ($1, $2)", {1, 2}), errc::invalid_argument);
    EXPECT_EQ(execute("INSERT INTO t VALUES ($1)", {i}), 1);
  }
  EXPECT_EQ(count("t"), 20);
}

TEST_P(Sql, FollowsTablesThatChange) {
  execute("CREATE TABLE t (a bigint)");
  execute("INSERT INTO t VALUES (1)");
  EXPECT_EQ(query("SELECT * FROM t")[0].size(), 1u);
  execute("ALTER TABLE t ADD COLUMN b text");
  auto again = run(db->query(context{}, "SELECT * FROM t"));
  if (!again && again.error().code() == errc::aborted) again = run(db->query(context{}, "SELECT * FROM t"));
  ASSERT_TRUE(again) << again.error().describe();
  EXPECT_EQ((*again)[0].size(), 2u);
}

TEST_P(Sql, TakesABatchWholeOrNotAtAll) {
  execute("CREATE TABLE t (a bigint PRIMARY KEY)");
  std::vector<statement> many;
  for (int i = 0; i < 1000; ++i) many.push_back({"INSERT INTO t VALUES ($1)", {i}});
  many.push_back({"SELECT count(*) FROM t"});
  const auto done = run(db->batch(context{}, many));
  ASSERT_TRUE(done) << done.error().describe();
  ASSERT_EQ(done->size(), 1001u);
  EXPECT_EQ(done->back().scalar<int>().value(), 1000);

  std::vector<statement> broken{{"INSERT INTO t VALUES (5000)"}, {"INSERT INTO t VALUES (1)"}, {"SELECT 1"}};
  const auto refused = run(db->batch(context{}, broken));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), errc::already_exists);
  EXPECT_EQ(refused.error().operation(), "statement 2 of 3");
  EXPECT_EQ(count("t"), 1000);
  EXPECT_TRUE(run(db->batch(context{}, {})));
}

TEST_P(Sql, DefinesAndUsesInOneBatch) {
  const auto done = run(db->batch(context{}, {{"CREATE TABLE t (a bigint)"}, {"INSERT INTO t VALUES ($1)", {3}}}));
  ASSERT_TRUE(done) << done.error().describe();
  EXPECT_EQ(count("t"), 1);
}

TEST_P(Sql, CarriesLargeBlobs) {
  execute("CREATE TABLE t (x " + bytes_type() + ")");
  std::string large(8 << 20, '\0');
  for (std::size_t i = 0; i < large.size(); ++i) large[i] = static_cast<char>(i * 2654435761U >> 13);
  execute("INSERT INTO t VALUES ($1)", {blob{large}});
  EXPECT_TRUE(query("SELECT x FROM t").scalar<blob>().value().bytes == large);
}

TEST_P(Sql, UsesMoreStatementsThanItKeepsPrepared) {
  for (int round = 0; round < 2; ++round)
    for (int i = 0; i < 200; ++i) ASSERT_EQ(query("SELECT " + std::to_string(i) + " AS n").scalar<int>().value(), i);
}

TEST_P(Sql, ServesManyAtOnce) {
  execute("CREATE TABLE t (a bigint PRIMARY KEY)");
  std::vector<task<result<std::int64_t>>> all;
  for (int i = 0; i < 200; ++i) {
    all.push_back(db->execute(context{}, "INSERT INTO t VALUES ($1)", {i % 150}));
  }
  int done = 0, taken = 0;
  for (const auto& r : run(when_all(loop_, std::move(all)))) {
    if (r)
      ++done;
    else if (r.error().code() == errc::already_exists)
      ++taken;
    else
      ADD_FAILURE() << r.error().describe();
  }
  EXPECT_EQ(done, 150);
  EXPECT_EQ(taken, 50);
  EXPECT_EQ(count("t"), 150);
}

TEST_P(Sql, EndsAStatementWithItsContext) {
  const auto begun = loop_.now();
  const auto ended =
      run(db->query(context{}.with_timeout(loop_, std::chrono::milliseconds{100}), where->slow_statement()));
  ASSERT_FALSE(ended);
  EXPECT_EQ(ended.error().code(), errc::deadline_exceeded) << ended.error().describe();
  EXPECT_LT(loop_.now() - begun, std::chrono::seconds{20});
  EXPECT_EQ(query("SELECT 1").scalar<int>().value(), 1);

  cancel_source source;
  source.cancel();
  const auto never = run(db->query(context{}.with_cancellation(source.token()), "SELECT 1"));
  ASSERT_FALSE(never);
  EXPECT_EQ(never.error().code(), errc::cancelled);
  EXPECT_TRUE(never.error().unprocessed());
}

TEST_P(Sql, RefusesCallsOnceClosed) {
  ASSERT_TRUE(run(db->close()));
  const auto refused = run(db->query(context{}, "SELECT 1"));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), errc::failed_precondition);
  EXPECT_EQ(run(db->begin(context{})).error().code(), errc::failed_precondition);
  db.reset();
}

}  // namespace weft::storage
