// A4: a transaction never commits without a statement of it that failed, wherever that failed.
#include "suite.hpp"

namespace weft::storage {

namespace {

task<result<>> change(transaction& tx, context ctx, std::string sql, parameters values = {}) {
  WEFT_CO_TRY_VOID(co_await tx.execute(std::move(ctx), std::move(sql), std::move(values)));
  co_return result<>{};
}

}  // namespace

void SqlFailing::SetUp() {
  Sql::SetUp();
  if (IsSkipped() || HasFatalFailure()) return;
  execute("CREATE TABLE accounts (id text PRIMARY KEY, amount bigint)");
  execute("INSERT INTO accounts VALUES ('a', 100), ('b', 0)");
  tx.emplace(run(db->begin(context{})).value());
  ASSERT_TRUE(run(change(*tx, context{}, "UPDATE accounts SET amount = amount - 10 WHERE id = 'a'")));
}

void SqlFailing::TearDown() {
  tx.reset();
  Sql::TearDown();
}

void SqlFailing::expect_undone() {
  EXPECT_EQ(run(change(*tx, context{}, credit)).error().code(), errc::failed_precondition);
  EXPECT_EQ(run(tx->commit(context{})).error().code(), errc::failed_precondition);
  EXPECT_EQ(query("SELECT amount FROM accounts WHERE id = 'a'").scalar<int>().value(), 100);
  // The connection is free again.
  execute("UPDATE accounts SET amount = amount + 1 WHERE id = 'b'");
  EXPECT_EQ(query("SELECT amount FROM accounts WHERE id = 'b'").scalar<int>().value(), 1);
}

TEST_P(SqlFailing, AStatementWhoseContextHadEnded) {
  const auto over = context{}.with_deadline(loop_.now() - std::chrono::seconds{1});
  EXPECT_EQ(run(change(*tx, over, credit)).error().code(), errc::deadline_exceeded);
  expect_undone();
}

TEST_P(SqlFailing, AValueThatCannotBeStored) {
  const auto refused =
      run(change(*tx, context{}, "UPDATE accounts SET id = $1 WHERE id = 'b'", {std::string{"b\0b", 3}}));
  EXPECT_EQ(refused.error().code(), errc::invalid_argument);
  expect_undone();
}

TEST_P(SqlFailing, ATextThatIsNotUtf8) {
  const auto refused = run(change(*tx, context{}, "UPDATE accounts SET id = $1 WHERE id = 'b'", {"caf\xc3"}));
  EXPECT_EQ(refused.error().code(), errc::invalid_argument);
  expect_undone();
}

TEST_P(SqlFailing, MoreValuesThanAStatementTakes) {
  EXPECT_EQ(run(change(*tx, context{}, "SELECT $1", parameters(70'000, value{1}))).error().code(),
            errc::invalid_argument);
  expect_undone();
}

TEST_P(SqlFailing, AStatementThatIsRefused) {
  EXPECT_EQ(run(change(*tx, context{}, "COMMIT")).error().code(), errc::invalid_argument);
  expect_undone();
}

TEST_P(SqlFailing, OneStatementOfABatch) {
  const auto refused = run(tx->batch(context{}, {{credit}, {"SAVEPOINT mine"}}));
  EXPECT_EQ(refused.error().code(), errc::invalid_argument);
  expect_undone();
}

TEST_P(SqlFailing, AStatementGivenUpWhileAnotherRuns) {
  task_group patience{loop_};
  const auto give_up = [](task_group& g) -> task<result<>> {
    g.cancel();
    co_return result<>{};
  };
  auto outcomes = run(when_all(loop_, change(*tx, context{}, slower_statement()),
                               change(*tx, patience.derive(context{}), credit), give_up(patience)));
  EXPECT_TRUE(std::get<0>(outcomes) || std::get<0>(outcomes).error().code() != errc::internal);
  EXPECT_EQ(std::get<1>(outcomes).error().code(), errc::cancelled);
  expect_undone();
}

TEST_P(SqlFailing, AStatementWhoseAwaiterIsDestroyed) {
  {
    task_group group{loop_};
    const auto forget = [](transaction& t, std::string sql) -> task<void> {
      static_cast<void>(co_await t.execute(context{}, std::move(sql)));
    };
    group.spawn(forget(*tx, slower_statement()));
    group.spawn(forget(*tx, credit));
    run(turn(loop_));
  }
  expect_undone();
}

}  // namespace weft::storage
