#include "sql_text.hpp"

#include <gtest/gtest.h>

namespace weft::storage {
namespace {

TEST(SqlText, KnowsWhatReads) {
  for (const auto* sql : {"SELECT 1", "  -- why\n select a FROM t", "/* x */ VALUES (1)", "SHOW server_version",
                          "WITH updates AS (SELECT 1) SELECT * FROM updates", "EXPLAIN SELECT 1",
                          "(SELECT 1) UNION (SELECT 2)", "( /* x */ (SELECT 1))"})
    EXPECT_TRUE(looks_reading(sql)) << sql;
}

TEST(SqlText, KnowsThatAWithMayWrite) {
  for (const auto* sql :
       {"WITH gone AS (DELETE FROM t RETURNING a) SELECT * FROM gone",
        "with x as (select 1)\nInsert into t select * from x", "WITH x AS (SELECT 1) UPDATE t SET a = 1",
        "EXPLAIN ANALYZE DELETE FROM t", "INSERT INTO t VALUES (1)", "DELETE FROM t", ""})
    EXPECT_FALSE(looks_reading(sql)) << sql;
}

TEST(SqlText, FindsWhatStandsBehindAStatement) {
  for (const auto* rest : {"", ";", " ; -- x", ";\n/* x */;", "-- open", "/* open"})
    EXPECT_TRUE(nothing_follows(rest)) << rest;
  for (const auto* rest : {"; 2", ";\"x\"", ";(", "2", "; -- x\n;$1"}) EXPECT_FALSE(nothing_follows(rest)) << rest;
}

TEST(SqlText, FindsWords) {
  EXPECT_TRUE(names("INSERT OR RollBack INTO t", "rollback"));
  EXPECT_FALSE(names("SELECT rollbacks, rollback_at FROM t", "rollback"));
}

// What ends a transaction is refused, whatever stands before it.
TEST(SqlText, RefusesTheEndsOfTransactions) {
  for (const auto* sql : {"COMMIT", " (commit", "-- x\nEND", "/* */ ROLLBACK TO a", "savepoint s", "", ";COMMIT", "()"})
    EXPECT_EQ(check_statement({sql}).error().code(), errc::invalid_argument) << sql;
}

// A4: nor where the engines read a comment in different ways: in these PostgreSQL ends the transaction.
TEST(SqlText, RefusesCommentsThatHideTheEndOfATransaction) {
  for (const auto* sql : {"/* /* */ SELECT 1 */ COMMIT", "-- x\rCOMMIT /*\nSELECT */",
                          "(/* a */ /* /* */ SELECT */ END", "-- x\n-- y\rCOMMIT /*\r\nSELECT */"})
    EXPECT_EQ(check_statement({sql}).error().code(), errc::invalid_argument) << sql;
  for (const auto* sql : {"-- x\r\nSELECT 1", "/* a */ -- b\n /**/ SELECT 1", "/* -- */ SELECT '/* /* */'",
                          "-- /* /* \nSELECT 1", "--\nSELECT 1", "SELECT 1 -- a\r"})
    EXPECT_TRUE(check_statement({sql})) << sql;
}

}  // namespace
}  // namespace weft::storage
