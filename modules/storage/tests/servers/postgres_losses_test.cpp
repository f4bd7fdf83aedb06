// Connections that are lost at the worst moment, and servers that do not answer.
#include "cutting_proxy.hpp"
#include "postgres_place.hpp"

#include <weft/storage/sqlite.hpp>

#include <fstream>

namespace weft::storage {
namespace {

struct PostgresLosses : Postgres {
  void SetUp() override {
    Postgres::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    proxy.emplace(server_port());
    ASSERT_TRUE(run(admin->batch(
        context{}, {{"CREATE TABLE payments (id bigint)"},
                    {"CREATE FUNCTION pay(id bigint) RETURNS bigint LANGUAGE plpgsql AS $$ BEGIN INSERT INTO payments "
                     "VALUES (id); RETURN id; END $$"}})));
  }
  std::unique_ptr<postgres_database> open_through(postgres_options options = {}) {
    options.url = through(where.url(), proxy->port());
    return open(std::move(options));
  }
  std::int64_t payments() { return number("SELECT count(*) FROM payments"); }
  std::int64_t number(std::string sql) {
    return run(admin->query(context{}, std::move(sql))).value().scalar<std::int64_t>().value();
  }
  static task<result<>> turn(weft::loop& l, const context& ctx) {
    co_return co_await weft::sleep(l, ctx, std::chrono::milliseconds{1});
  }
  // Until it holds; false after 20 s.
  template <class Holds>
  bool until(Holds holds) {
    const auto ctx = context{}.with_timeout(loop, std::chrono::seconds{20});
    while (!holds())
      if (!run(turn(loop, ctx))) return false;
    return true;
  }
  std::optional<cutting_proxy> proxy;
};

// A3: whatever a statement looks like, it is not sent twice once the server may have it.
TEST_F(PostgresLosses, NothingThatTheServerHasIsSentTwice) {
  const std::pair<const char*, errc> statements[] = {
      {"SELECT pay(1)", errc::unavailable},
      {"(SELECT pay(1))", errc::unavailable},
      {"VALUES (pay(1))", errc::unavailable},
      {"WITH paid AS (SELECT pay(1)) SELECT * FROM paid", errc::unavailable},
      {"EXPLAIN ANALYZE SELECT pay(1)", errc::unavailable},
      {"INSERT INTO payments SELECT pay(0 * 1)", errc::unknown},
      {"DO $$ BEGIN PERFORM pay(1); END $$", errc::unknown},
  };
  for (const auto& [sql, code] : statements) {
    SCOPED_TRACE(sql);
    ASSERT_TRUE(run(admin->execute(context{}, "DELETE FROM payments")));
    auto db = open_through({.connections = 2});
    proxy->cut_after("pay(");
    const auto cuts = proxy->cuts();
    const auto lost = run(db->query(context{}, sql));
    proxy->cut_after("");
    ASSERT_FALSE(lost);
    EXPECT_EQ(lost.error().code(), code) << lost.error().describe();
    EXPECT_FALSE(lost.error().unprocessed());
    EXPECT_EQ(proxy->cuts(), cuts + 1);
    // The server works on for a while on behalf of a client that is gone.
    ASSERT_TRUE(until([&] {
      return number("SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%pay(%' AND "
                    "pid <> pg_backend_pid()") == 0;
    }));
    EXPECT_LE(payments(), 2);  // the INSERT pays, and writes down that it did
    EXPECT_TRUE(run(db->query(context{}, "SELECT 1")));
  }
  // And SELECT ... INTO makes its table once.
  auto db = open_through();
  proxy->cut_after("INTO paid");
  EXPECT_FALSE(run(db->query(context{}, "SELECT pay(1) INTO paid")));
}

// What the caller says only reads is asked again.
TEST_F(PostgresLosses, AReadOnlyTransactionIsRunAgain) {
  auto db = open_through();
  proxy->cut_after("41 + 1");
  int tries = 0;
  struct reading {
    cutting_proxy& proxy;
    int& tries;
    task<result<int>> operator()(transaction& tx, context ctx) const {
      if (++tries == 2) proxy.cut_after("");
      WEFT_CO_TRY(const auto found, co_await tx.query(ctx, "SELECT 41 + 1"));
      co_return found.scalar<int>();
    }
  };
  const reading work{*proxy, tries};
  const auto read = run(transact(*db, context{}, work, {.transaction = {.mode = access::read_only}}));
  EXPECT_EQ(read.value(), 42);
  EXPECT_EQ(tries, 2);
}

// Cut between COMMIT and its answer.
TEST_F(PostgresLosses, NobodyKnowsWhetherALostCommitHappened) {
  auto db = open_through();
  int tries = 0;
  proxy->cut_after({"COMMIT\0", 7});  // not the BEGIN ... READ COMMITTED before it
  // weft-style: closure outlives the coroutine
  const auto lost = run(transact(*db, context{}, [&](transaction& tx, context ctx) -> task<result<>> {
    ++tries;
    WEFT_CO_TRY_VOID(co_await tx.query(ctx, "SELECT pay(7)"));
    co_return result<>{};
  }));
  EXPECT_EQ(lost.error().code(), errc::unknown) << lost.error().describe();
  EXPECT_FALSE(lost.error().unprocessed());
  EXPECT_EQ(tries, 1);
  EXPECT_EQ(payments(), 1);
}

TEST_F(PostgresLosses, AStatementWhoseAwaiterIsGoneIsCancelled) {
  auto db = open({.application_name = "weft-sleeper"});
  const auto sleeping = [&] {
    return number(
               "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep(60%' AND state = 'active' "
               "AND application_name = 'weft-sleeper'") > 0;
  };
  {
    task_group group{loop};
    const auto forget = [](database& d) -> task<void> {
      static_cast<void>(co_await d.query(context{}, "SELECT pg_sleep(60)"));
    };
    group.spawn(forget(*db));
    EXPECT_TRUE(until(sleeping));
  }
  EXPECT_TRUE(until([&] { return !sleeping(); }));
}

// A13: one row that is far too large is not gathered whole, whatever the socket: the connection ends while it arrives.
TEST_F(PostgresLosses, ALargeRowIsBoundedWhileItArrivesOverEachKindOfSocket) {
  const auto folders = run(admin->query(context{}, "SHOW unix_socket_directories"))->scalar<std::string>().value();
  auto local = where.url() + "&host=" + folders.substr(0, folders.find(',')) + "&port=" + std::to_string(server_port());
  const auto begin = local.find('@') + 1;
  local.erase(begin, local.find('/', begin) - begin);
  std::vector<std::string> urls{where.url()};
  if (!folders.empty()) urls.push_back(local);
  for (const auto& url : urls) {
    auto db = open({.url = url, .connections = 1, .result_bytes = 1UL << 20});
    ASSERT_TRUE(db);
    EXPECT_EQ(run(db->query(context{}, "SELECT inet_server_addr() IS NULL"))->scalar<bool>().value(), url == local);
    EXPECT_EQ(run(db->query(context{}, "SELECT repeat('x', 1000000)")).value()[0].get<std::string>(0)->size(),
              1'000'000u);
    EXPECT_EQ(db->statistics().broken, 0u);
    const auto large = run(db->query(context{}, "SELECT repeat('y', 300000000)"));
    ASSERT_FALSE(large);
    EXPECT_EQ(large.error().code(), errc::resource_exhausted) << large.error().describe();
    EXPECT_EQ(large.error().limit(), limit_kind::size);
    EXPECT_EQ(db->statistics().broken, 1u);
    EXPECT_TRUE(run(db->query(context{}, "SELECT 1")));
  }
}

// A13: the bound of a result is one of memory.
TEST_F(PostgresLosses, AResultIsBoundedWhileItArrives) {
  auto db = open({.connections = 1, .result_bytes = 1UL << 20});
  const auto largest_size = [] {  // of this process so far, in kB
    std::ifstream status{"/proc/self/status"};
    for (std::string line; std::getline(status, line);)
      if (line.starts_with("VmHWM:")) return std::stol(line.substr(6));
    return 0L;
  };
  const auto before = largest_size();
  long after_many_rows = 0;
  for (const auto* sql : {"SELECT repeat('x', 1000) FROM generate_series(1, 300000)",
                          "SELECT repeat('x', 300000), repeat('x', 300000), repeat('x', 600000)",
                          "SELECT repeat('x', 1000) AS s UNION ALL SELECT repeat('y', 150000000)"}) {
    const auto large = run(db->query(context{}, sql));
    ASSERT_FALSE(large) << sql;
    EXPECT_EQ(large.error().code(), errc::resource_exhausted) << large.error().describe();
    EXPECT_EQ(large.error().limit(), limit_kind::size);
    EXPECT_FALSE(large.error().transient());
    if (after_many_rows == 0) after_many_rows = largest_size();
    EXPECT_EQ(run(db->query(context{}, "SELECT repeat('x', 1000000)")).value()[0].get<std::string>(0)->size(),
              1'000'000u);
  }
  const auto all = run(db->query(context{}, "SELECT i, i::text AS t FROM generate_series(1, 5000) AS i")).value();
  ASSERT_EQ(all.size(), 5000u);
  EXPECT_EQ(all[4999].get<std::string>("t").value(), "5000");
  EXPECT_LT(after_many_rows - before, 40'000);
}

// A4, A13: a transaction ends with a result that was too large.
TEST_F(PostgresLosses, AResultThatIsTooLargeFailsItsTransaction) {
  auto db = open({.result_bytes = 10'000});
  auto tx = run(db->begin(context{})).value();
  ASSERT_TRUE(run(tx.query(context{}, "SELECT pay(1)")));
  EXPECT_EQ(run(tx.query(context{}, "SELECT repeat('x', 20000)")).error().code(), errc::resource_exhausted);
  EXPECT_EQ(run(tx.commit(context{})).error().code(), errc::failed_precondition);
  EXPECT_EQ(payments(), 0);
}

// F11: a host that swallows packets takes no thread of the pool for blocking calls, which files and SQLite need.
TEST_F(PostgresLosses, AServerThatSwallowsEverythingHoldsUpNothingElse) {
  auto db = open_through({.connections = 8, .cancel_grace = std::chrono::milliseconds{200}});
  auto other = run(open_sqlite(loop, {.path = ":memory:"})).value();
  std::vector<transaction> open_ones;
  for (int i = 0; i < 8; ++i) {
    open_ones.push_back(run(db->begin(context{})).value());
    ASSERT_TRUE(run(open_ones.back().query(context{}, "SELECT 1")));
  }
  proxy->swallow();
  std::vector<task<result<rows>>> all;
  for (auto& tx : open_ones)
    all.push_back(tx.query(context{}.with_timeout(loop, std::chrono::milliseconds{50}), "SELECT pg_sleep(60)"));
  for (const auto& r : run(when_all(loop, std::move(all))))
    EXPECT_EQ(r.error().code(), errc::deadline_exceeded) << r.error().describe();
  EXPECT_TRUE(run(other->query(context{}.with_timeout(loop, std::chrono::seconds{10}), "SELECT 1")));
}

// F15: who gave up does not count as waiting.
TEST_F(PostgresLosses, CallersThatGaveUpMakeRoom) {
  auto db = open({.connections = 1, .queue = 3});
  auto held = run(db->begin(context{})).value();
  for (int round = 0; round < 5; ++round) {
    std::vector<task<result<rows>>> all;
    for (int i = 0; i < 3; ++i)
      all.push_back(db->query(context{}.with_timeout(loop, std::chrono::milliseconds{10}), "SELECT 1"));
    for (const auto& r : run(when_all(loop, std::move(all))))
      EXPECT_EQ(r.error().code(), errc::deadline_exceeded) << r.error().describe();
    EXPECT_EQ(db->statistics().waiting, 0u);
  }
}

TEST_F(PostgresLosses, AWaiterThatIsGrantedAConnectionAndGoesLeavesItIdle) {
  auto db = open({.connections = 1});
  for (const bool destroyed : {false, true}) {
    std::optional<transaction> held = run(db->begin(context{})).value();
    auto group = std::make_optional<task_group>(loop);
    const auto wait = [](database& d, context ctx) -> task<void> { static_cast<void>(co_await d.begin(ctx)); };
    group->spawn(wait(*db, group->derive(context{})));
    ASSERT_TRUE(until([&] { return db->statistics().waiting == 1; }));
    held.reset();  // grants
    if (destroyed)
      group.reset();
    else
      group->cancel();
    ASSERT_TRUE(until([&] { return db->statistics().idle == 1; })) << destroyed;
    EXPECT_EQ(db->statistics().waiting, 0u);
    EXPECT_TRUE(run(db->query(context{}, "SELECT 1")));
  }
}

TEST_F(PostgresLosses, WhenAllConnectionsBreakThoseThatWaitGetNewOnes) {
  auto db = open({.connections = 2, .application_name = "weft-doomed"});
  auto a = run(db->begin(context{})).value(), b = run(db->begin(context{})).value();
  ASSERT_TRUE(run(a.query(context{}, "SELECT 1")));
  ASSERT_TRUE(run(b.query(context{}, "SELECT 1")));
  const auto cut = [](PostgresLosses& test, postgres_database& waited_for) -> task<result<>> {
    while (waited_for.statistics().waiting < 2) WEFT_CO_TRY_VOID(co_await turn(test.loop, context{}));
    WEFT_CO_TRY_VOID(co_await test.admin->query(context{},
                                                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE "
                                                "application_name = 'weft-doomed'"));
    co_return result<>{};
  };
  const auto in_time = context{}.with_timeout(loop, std::chrono::seconds{20});
  auto outcomes = run(when_all(loop, db->query(in_time, "SELECT 1"), db->query(in_time, "SELECT 2"), cut(*this, *db)));
  EXPECT_TRUE(std::get<0>(outcomes));
  EXPECT_TRUE(std::get<1>(outcomes));
}

TEST_F(PostgresLosses, ASecondUnitGetsItsOwnErrorWhenThePreparationOfTheFirstFails) {
  auto db = open({.connections = 1});
  auto tx = run(db->begin(context{})).value();
  ASSERT_TRUE(run(tx.query(context{}, "SELECT 1")));
  auto both =
      run(when_all(loop, tx.query(context{}, "SELECT * FROM missing"), tx.query(context{}, "SELECT * FROM missing")));
  EXPECT_EQ(std::get<0>(both).error().code(), errc::invalid_argument);
  EXPECT_NE(std::get<1>(both).error().code(), errc::aborted) << std::get<1>(both).error().describe();
}

// A14: a server that takes connections and refuses LISTEN is not asked faster and faster.
TEST_F(PostgresLosses, ARefusedListenIsNotRepeatedAtOnce) {
  ASSERT_TRUE(run(admin->execute(context{}, "SELECT 1")));
  auto db = open_through({.longest_pause = std::chrono::seconds{60}});
  // As on a standby, where LISTEN fails and the connection stays.
  proxy->cut_after("LISTEN");
  const auto before = proxy->connections();
  auto heard = db->listen("orders").value();
  const auto for_a_while = context{}.with_timeout(loop, std::chrono::seconds{2});
  EXPECT_FALSE(run(heard->next(for_a_while)));
  EXPECT_LE(proxy->connections() - before, 8u);  // pauses of 50, 100, 200 ms and so on, the half of them drawn
}

// F3: 0A000 after ALTER TABLE, and statements that somebody else has deallocated.
TEST_F(PostgresLosses, APreparedStatementThatIsOfNoUseIsPreparedAnew) {
  auto db = open({.connections = 1});
  for (int round = 0; round < 3; ++round) {
    const auto column = "c" + std::to_string(round);
    for (int i = 0; i < 2; ++i) ASSERT_TRUE(run(db->query(context{}, "SELECT * FROM payments")));
    ASSERT_TRUE(run(admin->execute(context{}, "ALTER TABLE payments ADD COLUMN " + column + " bigint")));
    for (int i = 0; i < 2; ++i) {
      const auto again = run(db->query(context{}, "SELECT * FROM payments"));
      ASSERT_TRUE(again) << again.error().describe();
      EXPECT_EQ(again->columns().back(), column);
    }
  }
  ASSERT_TRUE(run(db->execute(context{}, "DEALLOCATE ALL")));
  for (int i = 0; i < 2; ++i) EXPECT_TRUE(run(db->query(context{}, "SELECT * FROM payments")));
}

}  // namespace
}  // namespace weft::storage
