#pragma once
// Whether a database takes writes, for health checks: with a full disk it still answers every SELECT.
//
//     write_check writes{*db};
//     WEFT_CO_TRY_VOID(co_await writes.prepare(ctx));               // once: a table of its own, weft_write_check
//     app.health().add("database", [&](context c) -> task<result<service::health_details>> {
//       WEFT_CO_TRY_VOID(co_await writes.run(c));
//       co_return service::health_details{};
//     }, {.keep = 5s});
//
// Each run writes a few kilobytes and takes them out again, in one transaction that is synced like any other: let the
// answer be kept for some seconds. Belongs to the loop of the database, which outlives it.
#include <weft/storage/database.hpp>

namespace weft::storage {

class write_check {
 public:
  explicit write_check(database& db) : db_{db} {}

  task<result<>> prepare(context ctx);
  // The error of the write: errc::resource_exhausted for a full disk.
  task<result<>> run(context ctx);

 private:
  database& db_;
};

}  // namespace weft::storage
