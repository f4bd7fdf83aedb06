#include "sql_text.hpp"

#include <gtest/gtest.h>

namespace weft::storage {
namespace {

TEST(SqlText, KnowsWhatReads) {
  for (const auto* sql : {"SELECT 1", "  -- why\n select a FROM t", "/* x */ VALUES (1)", "SHOW server_version",
                          "WITH updates AS (SELECT 1) SELECT * FROM updates", "EXPLAIN SELECT 1"})
    EXPECT_TRUE(looks_reading(sql)) << sql;
}

// Taken for reading it would be repeated when its connection is lost, and so happen twice.
TEST(SqlText, KnowsThatAWithMayWrite) {
  for (const auto* sql :
       {"WITH gone AS (DELETE FROM t RETURNING a) SELECT * FROM gone",
        "with x as (select 1)\nInsert into t select * from x", "WITH x AS (SELECT 1) UPDATE t SET a = 1",
        "EXPLAIN ANALYZE DELETE FROM t", "INSERT INTO t VALUES (1)", "DELETE FROM t", ""})
    EXPECT_FALSE(looks_reading(sql)) << sql;
}

}  // namespace
}  // namespace weft::storage
