#pragma once
// Tables that a library owns, brought to the version that its code needs.
//
//     WEFT_CO_TRY_VOID(co_await storage::migrate(*db, ctx, "orders", {
//         {1, {.sqlite = {"CREATE TABLE orders (id TEXT PRIMARY KEY, placed INTEGER NOT NULL)"},
//              .postgres = {"CREATE TABLE orders (id text PRIMARY KEY, placed bigint NOT NULL)"}}},
//         {2, {.both = {"CREATE INDEX orders_placed ON orders (placed)"}}},
//     }));
//
// Each component has versions of its own, recorded in the table weft_migrations with a digest of their statements.
// Several processes may start at once: one migrates, the others wait. All steps happen in one transaction, or none.
#include <weft/storage/database.hpp>

#include <string>
#include <vector>

namespace weft::storage {

// Statements in order, one a string. `both` runs before those of the engine.
struct migration_statements {
  std::vector<std::string> both = {};
  std::vector<std::string> sqlite = {};
  std::vector<std::string> postgres = {};
};

struct migration {
  int version = 0;  // 1, 2, 3 ... without gaps
  migration_statements statements = {};
};

// errc::failed_precondition when the database was migrated by newer code, or when a step that was taken reads
// differently now; errc::invalid_argument when the versions have gaps. Never change a step once it was released.
task<result<>> migrate(database& db, context ctx, std::string component, std::vector<migration> steps);

}  // namespace weft::storage
