#include <weft/storage/write_check.hpp>

#include <weft/base/uuid.hpp>
#include <weft/storage/migrate.hpp>

namespace weft::storage {

namespace {

// More than what a page has left, so that the file has to have room for more.
constexpr std::size_t written_bytes = 8 * 1024;

}  // namespace

task<result<>> write_check::prepare(context ctx) {
  return migrate(db_, std::move(ctx), "weft_write_check",
                 {{1, {.both = {"CREATE TABLE weft_write_check (id TEXT PRIMARY KEY, filling TEXT NOT NULL)"}}}});
}

// Under an id of its own, so that instances that share the database do not wait for each other.
task<result<>> write_check::run(context ctx) {
  auto& l = db_.owner();
  const auto id = uuid::v7(l.wall_now(), l.random()(), l.random()()).to_string();
  std::vector<statement> both;
  both.push_back({"INSERT INTO weft_write_check (id, filling) VALUES ($1, $2)", {id, std::string(written_bytes, '.')}});
  both.push_back({"DELETE FROM weft_write_check WHERE id = $1", {id}});
  WEFT_CO_TRY_VOID(co_await db_.batch(std::move(ctx), std::move(both)));
  co_return result<>{};
}

}  // namespace weft::storage
