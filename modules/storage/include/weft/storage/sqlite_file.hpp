#pragma once
// One SQLite file, blocking, for a thread at a time: for code that gathers its writes by itself and hands them to the
// pool of whichever loop it is on. Everybody else wants sqlite.hpp.
//
//     WEFT_TRY(auto file, sqlite_file::open(loop, {.path = "data/broker.db"}));      // on the pool: it blocks
//     WEFT_TRY_VOID(file->transact([&](sqlite_session& s) -> result<> {
//       for (const auto& m : messages) WEFT_TRY_VOID(s.run("INSERT INTO messages (body) VALUES ($1)", {m}));
//       return {};
//     }));                                                                           // here they have been synced
//
// One connection, which writes, reads and checkpoints; otherwise as sqlite.hpp says: WAL, synchronous=FULL, one process
// and one object for a file.
#include <weft/storage/sqlite.hpp>

#include <functional>
#include <memory>

namespace weft::storage {

class sqlite_file {
 public:
  // Of the options, `readers`, `group` and `queue` mean nothing here. `clock` is asked for the time by SQLite's
  // functions, when there is a `disk`. errc::failed_precondition when the file is in use; errc::data_loss when it is no
  // database.
  static result<std::unique_ptr<sqlite_file>> open(loop& clock, sqlite_options options);
  ~sqlite_file();  // blocks: the log is moved into the file
  sqlite_file(const sqlite_file&) = delete;
  sqlite_file& operator=(const sqlite_file&) = delete;

  using closure = std::move_only_function<result<>(sqlite_session&)>;
  // In one transaction, committed and synced when the closure succeeds; else undone, with its error.
  result<> transact(closure work);
  // Reads, of one snapshot.
  result<> read(closure work);

 private:
  explicit sqlite_file(std::shared_ptr<class sqlite_engine> e);
  result<> run(const char* begin, closure& work, const char* end);
  std::shared_ptr<class sqlite_engine> engine_;
};

}  // namespace weft::storage
