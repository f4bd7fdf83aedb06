#include "postgres_place.hpp"

namespace weft::storage {
namespace {

const auto engines = testing::Values(engine_under_test{"postgresql", [] { return std::make_unique<schema>(); }});
INSTANTIATE_TEST_SUITE_P(Postgres, Sql, engines, [](const auto& info) { return info.param.name; });
INSTANTIATE_TEST_SUITE_P(Postgres, SqlFailing, engines, [](const auto& info) { return info.param.name; });

TEST_F(Postgres, NeverTellsThePassword) {
  const auto secret = std::string{"s3cr3t-word"};
  for (const auto& url : {"postgres://weft:" + secret + "@" + host_and_port() + "/weft",
                          "postgres://weft:" + secret + "@[::1", "postgres://weft:" + secret + "@127.0.0.1:x/weft?bad",
                          "postgres://weft:" + secret + "@127.0.0.1:1/w", "postgres://weft:" + secret + "%zz@h/"}) {
    const auto refused = run(open_postgres(loop, context{}, {.url = url}));
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().describe().find(secret), std::string::npos) << refused.error().describe();
  }
  const auto wrong =
      run(open_postgres(loop, context{}, {.url = "postgres://weft:" + secret + "@" + host_and_port() + "/weft"}));
  EXPECT_EQ(wrong.error().code(), errc::unauthenticated) << wrong.error().describe();
  EXPECT_NE(wrong.error().describe().find(host_and_port() + "/weft"), std::string::npos);
  const auto nowhere =
      run(open_postgres(loop, context{}, {.url = "postgres://weft:weft@" + host_and_port() + "/nowhere"}));
  EXPECT_EQ(nowhere.error().code(), errc::not_found) << nowhere.error().describe();
  const auto nobody = run(open_postgres(loop, context{}, {.url = "postgres://weft:weft@127.0.0.1:1/weft"}));
  EXPECT_EQ(nobody.error().code(), errc::unavailable);
  EXPECT_TRUE(nobody.error().unprocessed());
}

TEST_F(Postgres, LendsNoMoreConnectionsThanItMay) {
  auto db = open({.connections = 2, .queue = 2});
  auto a = run(db->begin(context{})).value();
  auto b = run(db->begin(context{})).value();
  const auto soon = context{}.with_timeout(loop, std::chrono::milliseconds{30});
  const auto late = run(db->query(soon, "SELECT 1"));
  EXPECT_EQ(late.error().code(), errc::deadline_exceeded);
  EXPECT_TRUE(late.error().unprocessed());
  std::vector<task<result<rows>>> all;
  for (int i = 0; i < 3; ++i)
    all.push_back(db->query(context{}.with_timeout(loop, std::chrono::milliseconds{30}), "SELECT 1"));
  const auto outcomes = run(when_all(loop, std::move(all)));
  EXPECT_EQ(outcomes[2].error().code(), errc::resource_exhausted);
  ASSERT_TRUE(run(a.commit(context{})));
  EXPECT_TRUE(run(db->query(context{}, "SELECT 1")));
  EXPECT_EQ(db->statistics().open, 2u);
}

TEST_F(Postgres, ReplacesConnectionsThatBreakWhileIdle) {
  auto db = open({.application_name = "weft-doomed"});
  for (int i = 0; i < 6; ++i) {
    // One that ends while the statement is on its way may have carried it out, for all that the client can know (A3).
    const auto got = run(db->query(context{}, "SELECT 1"));
    EXPECT_TRUE(got || (i % 2 == 0 && got.error().code() == errc::unavailable)) << got.error().describe();
    terminate_others();
    if (i % 2 == 0)  // otherwise it is used at once, dead or alive
      while (db->statistics().open > 0) ASSERT_TRUE(run(admin->query(context{}, "SELECT 1")));
  }
  EXPECT_GE(db->statistics().broken, 3u);
}

TEST_F(Postgres, SaysWhenTheOutcomeOfACommitIsUnknown) {
  auto db = open({.application_name = "weft-doomed"});
  ASSERT_TRUE(run(db->execute(context{}, "CREATE TABLE t (a bigint)")));
  // Writes, then dies while the answer is still to come: nobody can tell whether it committed.
  const auto lost = run(db->query(context{}, "INSERT INTO t SELECT 1 FROM pg_terminate_backend(pg_backend_pid())"));
  ASSERT_FALSE(lost);
  EXPECT_TRUE(lost.error().code() == errc::unknown || lost.error().unprocessed()) << lost.error().describe();
  EXPECT_EQ(run(db->query(context{}, "SELECT count(*) FROM t")).value().scalar<int>().value(), 0);
}

TEST_F(Postgres, AbortsOneOfTwoThatConflict) {
  auto db = open();
  ASSERT_TRUE(run(db->batch(
      context{}, {{"CREATE TABLE t (id bigint PRIMARY KEY, a bigint)"}, {"INSERT INTO t VALUES (1, 0), (2, 0)"}})));
  auto a = run(db->begin(context{})).value();
  auto b = run(db->begin(context{})).value();
  ASSERT_TRUE(run(a.execute(context{}, "UPDATE t SET a = 1 WHERE id = 1")));
  ASSERT_TRUE(run(b.execute(context{}, "UPDATE t SET a = 1 WHERE id = 2")));
  auto both = run(when_all(loop, a.execute(context{}, "UPDATE t SET a = 2 WHERE id = 2"),
                           b.execute(context{}, "UPDATE t SET a = 2 WHERE id = 1")));
  const auto& [first, second] = both;
  EXPECT_NE(first.has_value(), second.has_value());
  EXPECT_EQ((first ? second : first).error().code(), errc::aborted);
}

TEST_F(Postgres, EndsStatementsAtTheServersLimit) {
  auto db = open({.statement_timeout = std::chrono::milliseconds{50}});
  EXPECT_EQ(run(db->query(context{}, "SELECT pg_sleep(60)")).error().code(), errc::deadline_exceeded);
}

TEST_F(Postgres, PassesNoticesOn) {
  std::string heard;
  auto db = open({.on_notice = [&heard](std::string_view severity, std::string_view message) {
    heard = std::string{severity} + ": " + std::string{message};
  }});
  ASSERT_TRUE(run(db->execute(context{}, "DO $$ BEGIN RAISE WARNING 'careful'; END $$")));
  EXPECT_EQ(heard, "WARNING: careful");
}

TEST_F(Postgres, HearsNotificationsAndSaysWhenItMayHaveMissedSome) {
  auto db = open({.notifications = 3, .application_name = "weft-doomed"});
  auto orders = db->listen("orders \"new\"").value();
  const auto next = [&] { return run(orders->next(context{}.with_timeout(loop, std::chrono::seconds{20}))); };
  EXPECT_TRUE(next().value().lost);
  for (const auto* text : {"one", "zwölf"}) {
    ASSERT_TRUE(run(db->notify(context{}, "orders \"new\"", text)));
    EXPECT_EQ(next().value().payload, text);
  }
  terminate_others();
  EXPECT_TRUE(next().value().lost);
  ASSERT_TRUE(run(admin->query(context{}, "SELECT pg_notify($1, $2)", {"orders \"new\"", "again"})));
  EXPECT_EQ(next().value().payload, "again");

  for (int i = 0; i < 10; ++i) ASSERT_TRUE(run(db->notify(context{}, "orders \"new\"", std::to_string(i))));
  bool lost = false;
  for (std::string last; last != "9";) {
    const auto n = next().value();
    lost = lost || n.lost;
    last = n.payload;
  }
  EXPECT_TRUE(lost);
  auto other = db->listen("other").value();
  EXPECT_TRUE(run(other->next(context{}.with_timeout(loop, std::chrono::seconds{20}))).value().lost);
  ASSERT_TRUE(run(db->close()));
  EXPECT_EQ(run(other->next(context{})).error().code(), errc::failed_precondition);
  EXPECT_EQ(db->listen("").error().code(), errc::invalid_argument);
}

TEST_F(Postgres, LeavesOtherTypesAsText) {
  auto db = open();
  const auto r = run(db->query(context{},
                               "SELECT 1.50::numeric AS n, $1::timestamptz AT TIME ZONE 'UTC' AS t, $2::jsonb AS j, "
                               "'NaN'::float8 AS f, '-Infinity'::float4 AS i",
                               {"2026-01-02 03:04:05Z", R"({"a": [1]})"}))
                     .value();
  EXPECT_EQ(r[0].get<std::string>("n").value(), "1.50");
  EXPECT_EQ(r[0].get<std::string>("t").value(), "2026-01-02 03:04:05");
  EXPECT_EQ(r[0].get<std::string>("j").value(), R"({"a": [1]})");
  EXPECT_NE(r[0].get<double>("f").value(), r[0].get<double>("f").value());
  EXPECT_LT(r[0].get<double>("i").value(), -1e308);
}

TEST_F(Postgres, ReportsWhatFailsOnlyAtTheCommit) {
  auto db = open();
  ASSERT_TRUE(
      run(db->batch(context{}, {{"CREATE TABLE p (id bigint PRIMARY KEY)"},
                                {"CREATE TABLE c (p bigint REFERENCES p (id) DEFERRABLE INITIALLY DEFERRED)"}})));
  EXPECT_EQ(run(db->execute(context{}, "INSERT INTO c VALUES (1)")).error().code(), errc::failed_precondition);
  auto tx = run(db->begin(context{})).value();
  ASSERT_TRUE(run(tx.execute(context{}, "INSERT INTO c VALUES (1)")));
  EXPECT_EQ(run(tx.commit(context{})).error().code(), errc::failed_precondition);
  EXPECT_EQ(run(db->query(context{}, "SELECT count(*) FROM c")).value().scalar<int>().value(), 0);
}

}  // namespace
}  // namespace weft::storage
