#include "conformance/suite.hpp"

#include <cstdlib>

namespace weft::storage {
namespace {

std::string server() {
  const char* url = std::getenv("WEFT_POSTGRES_URL");
  return url != nullptr ? url : "postgres://weft:weft@127.0.0.1:24432/weft";
}

// Its "host:port".
std::string host_and_port() {
  const auto url = server();
  const auto begin = url.find('@') + 1;
  return url.substr(begin, url.find('/', begin) - begin);
}

// A schema of its own, removed at the end.
class schema final : public place {
 public:
  ~schema() override {
    if (name_.empty()) return;
    epoll_loop l;
    if (auto admin = l.run(open_postgres(l, context{}, {.url = server()})))
      EXPECT_TRUE(l.run((*admin)->execute(context{}, "DROP SCHEMA " + name_ + " CASCADE")));
  }
  task<result<std::unique_ptr<database>>> open(loop& l) override {
    WEFT_CO_TRY(const auto admin, co_await open_postgres(l, context{}, {.url = server()}));
    const auto name = "weft_" + std::to_string(l.random().between(0, std::int64_t{1} << 60));
    WEFT_CO_TRY_VOID(co_await admin->execute(context{}, "CREATE SCHEMA " + name));
    name_ = name;
    co_return co_await storage::open(l, context{}, url());
  }
  task<bool> cut(transaction& tx, database& db) override {
    const auto pid = (co_await tx.query(context{}, "SELECT pg_backend_pid()"))->scalar<int>();
    const auto cut = co_await db.query(context{}, "SELECT pg_terminate_backend($1)", {*pid});
    co_return cut && cut->scalar<bool>().value();
  }
  std::string slow_statement() const override { return "SELECT pg_sleep(120)"; }
  [[nodiscard]] std::string url() const { return server() + "?options=-csearch_path%3D" + name_; }

 private:
  std::string name_;
};

INSTANTIATE_TEST_SUITE_P(Postgres, Sql,
                         testing::Values(engine_under_test{"postgresql", [] { return std::make_unique<schema>(); }}),
                         [](const auto& info) { return info.param.name; });

struct Postgres : testing::Test {
  void SetUp() override {
    auto opened = run(where.open(loop));
    if (!opened && opened.error().code() == errc::unavailable && std::getenv("CI") == nullptr)
      GTEST_SKIP() << opened.error().describe() << "; ./dev services start postgresql";
    ASSERT_TRUE(opened) << opened.error().describe();
    admin = *std::move(opened);
  }
  template <class T>
  T run(task<T> work) {
    return loop.run(std::move(work));
  }
  std::unique_ptr<postgres_database> open(postgres_options options = {}) {
    if (options.url.empty()) options.url = where.url();
    auto opened = run(open_postgres(loop, context{}, std::move(options)));
    EXPECT_TRUE(opened) << opened.error().describe();
    return opened ? *std::move(opened) : nullptr;
  }
  void terminate_others() {
    ASSERT_TRUE(run(admin->query(context{},
                                 "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() "
                                 "AND application_name = $1",
                                 {"weft-doomed"})));
  }

  epoll_loop loop;
  schema where;
  std::unique_ptr<database> admin;
};

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
  for (int i = 0; i < 5; ++i) {
    ASSERT_TRUE(run(db->query(context{}, "SELECT 1")));
    terminate_others();
    if (i % 2 == 0)  // otherwise it is used at once, dead or alive
      while (db->statistics().open > 0) ASSERT_TRUE(run(admin->query(context{}, "SELECT 1")));
  }
  EXPECT_TRUE(run(db->query(context{}, "SELECT 1")));
  EXPECT_GE(db->statistics().broken, 4u);
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
