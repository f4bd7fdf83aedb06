#include <weft/storage/sqlite_file.hpp>

#include "engine.hpp"

namespace weft::storage {

sqlite_file::sqlite_file(std::shared_ptr<sqlite_engine> e) : engine_{std::move(e)} {}
sqlite_file::~sqlite_file() = default;

result<std::unique_ptr<sqlite_file>> sqlite_file::open(loop& clock, sqlite_options options) {
  options.readers = 0;
  auto engine = std::make_shared<sqlite_engine>(clock, std::move(options));
  WEFT_TRY_VOID(engine->open());
  return std::unique_ptr<sqlite_file>{new sqlite_file{std::move(engine)}};
}

result<> sqlite_file::run(const char* begin, closure& work, const char* end) {
  if (engine_->suspect()) WEFT_TRY_VOID(engine_->reopen());
  auto& c = engine_->connection();
  struct look {
    sqlite_engine& engine;
    sqlite_connection& connection;
    ~look() {
      if (connection.sync_failed()) engine.note_failed_sync();
    }
  } at_end{*engine_, c};
  struct undo {
    sqlite_connection& connection;
    ~undo() {
      if (connection.in_transaction()) static_cast<void>(connection.control_prepared("ROLLBACK"));
    }
  } on_return{c};
  if (auto begun = c.control_prepared(begin); !begun) return fail(begun.error().as_unprocessed());
  WEFT_TRY_VOID(work(c));
  if (!c.in_transaction()) return fail(errc::aborted, "the transaction ended while it was used");
  return c.control_prepared(end);
}

result<> sqlite_file::transact(closure work) { return run("BEGIN IMMEDIATE", work, "COMMIT"); }
result<> sqlite_file::read(closure work) { return run("BEGIN", work, "ROLLBACK"); }

}  // namespace weft::storage
