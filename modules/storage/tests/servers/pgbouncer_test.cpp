// F3: behind a pooler that lends a session for one transaction only, whose sessions many programs use.
#include "postgres_place.hpp"

namespace weft::storage {
namespace {

std::string pooler() {
  const char* url = std::getenv("WEFT_PGBOUNCER_URL");
  return url != nullptr ? url : "postgres://weft:weft@127.0.0.1:24433/weft";
}

struct PgBouncer : testing::Test {
  void SetUp() override {
    for (auto* db : {&first, &second}) {
      auto opened = run(open_postgres(loop, context{}, {.url = pooler()}));
      if (!opened && std::getenv("CI") == nullptr)
        GTEST_SKIP() << opened.error().describe() << "; ./dev services start postgresql pgbouncer";
      ASSERT_TRUE(opened) << opened.error().describe();
      *db = *std::move(opened);
    }
    table = "pooled_" + std::to_string(loop.random().between(0, std::int64_t{1} << 60));
    ASSERT_TRUE(run(first->execute(context{}, "CREATE TABLE " + table + " (a bigint)")));
  }
  void TearDown() override {
    if (first) EXPECT_TRUE(run(first->execute(context{}, "DROP TABLE IF EXISTS " + table)));
  }
  template <class T>
  T run(task<T> work) {
    return loop.run(std::move(work));
  }

  epoll_loop loop;
  std::unique_ptr<postgres_database> first, second;  // as two programs would have them
  std::string table;
};

task<result<std::string>> ask(database& db, std::string who, int which) {
  const auto sql = "SELECT '" + who + std::to_string(which % 7) + ":' || $1::text";
  WEFT_CO_TRY(const auto got, co_await db.query(context{}, sql, {which}));
  co_return got.scalar<std::string>();
}

TEST_F(PgBouncer, EachProgramGetsItsOwnAnswers) {
  for (int round = 0; round < 10; ++round) {
    std::vector<task<result<std::string>>> all;
    for (int i = 0; i < 40; ++i) all.push_back(i % 2 == 0 ? ask(*first, "a", i) : ask(*second, "b", i));
    const auto answers = run(when_all(loop, std::move(all)));
    for (int i = 0; i < 40; ++i) {
      const auto& got = answers[static_cast<std::size_t>(i)];
      ASSERT_TRUE(got) << got.error().describe();
      EXPECT_EQ(*got, (i % 2 == 0 ? "a" : "b") + std::to_string(i % 7) + ":" + std::to_string(i));
    }
  }
}

task<result<>> add_both(transaction& tx, context ctx, std::string table, int i) {
  WEFT_CO_TRY_VOID(co_await tx.execute(ctx, "INSERT INTO " + table + " VALUES ($1)", {i}));
  WEFT_CO_TRY_VOID(co_await tx.execute(ctx, "INSERT INTO " + table + " SELECT a FROM " + table + " WHERE a = $1", {i}));
  co_return result<>{};
}

TEST_F(PgBouncer, TransactionsStayWhole) {
  struct adding {
    std::string table;
    int number;
    task<result<>> operator()(transaction& tx, context ctx) const { return add_both(tx, std::move(ctx), table, number); }
  };
  std::vector<task<result<>>> all;
  for (int i = 0; i < 40; ++i) all.push_back(transact(i % 2 == 0 ? *first : *second, context{}, adding{table, i}));
  for (const auto& r : run(when_all(loop, std::move(all)))) EXPECT_TRUE(r) << r.error().describe();
  EXPECT_EQ(run(first->query(context{}, "SELECT count(*) FROM " + table)).value().scalar<int>().value(), 80);
}

TEST_F(PgBouncer, TablesMayChangeAndBatchesGoOn) {
  for (int round = 0; round < 4; ++round) {
    for (auto* db : {first.get(), second.get()})
      for (int i = 0; i < 5; ++i) {
        const auto both = run(db->batch(context{}, {{"INSERT INTO " + table + " (a) VALUES ($1)", {i}},
                                                    {"SELECT * FROM " + table + " LIMIT 1"}}));
        ASSERT_TRUE(both) << both.error().describe();
        EXPECT_EQ((*both)[1].columns().size(), static_cast<std::size_t>(round) + 1);
      }
    ASSERT_TRUE(run(first->execute(
        context{}, "ALTER TABLE " + table + " ADD COLUMN b" + std::to_string(round) + " text DEFAULT 'x'")));
  }
  EXPECT_EQ(run(first->query(context{}, "SELECT count(*) FROM " + table)).value().scalar<int>().value(), 40);
}

TEST_F(PgBouncer, NothingIsPreparedIfTheUrlSaysSo) {
  auto db = run(open_postgres(loop, context{}, {.url = pooler() + "?statements=0&connections=2"})).value();
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(run(db->query(context{}, "SELECT 'unprepared " + table + "', $1::int", {i})));
  const auto prepared = run(db->query(context{}, "SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE "
                                                 "'%unprepared " + table + "%'"));
  EXPECT_EQ(prepared.value().scalar<int>().value(), 0);
}

TEST_F(PgBouncer, AStatementIsCancelledThroughIt) {
  const auto ended = run(first->query(context{}.with_timeout(loop, std::chrono::milliseconds{100}), "SELECT pg_sleep(60)"));
  EXPECT_EQ(ended.error().code(), errc::deadline_exceeded) << ended.error().describe();
  EXPECT_TRUE(run(first->query(context{}, "SELECT 1")));
}

}  // namespace
}  // namespace weft::storage
