#pragma once
// SQLite, for one process: one connection that writes, others that read, group commit, every commit on the disk before
// it is reported.
//
//     WEFT_CO_TRY(auto db, co_await storage::open_sqlite(loop, {.path = "data/queue.db"}));
//     WEFT_CO_TRY_VOID(co_await db->write(ctx, [body = message](storage::sqlite_session& s) -> result<> {
//       WEFT_TRY_VOID(s.run("INSERT INTO messages (body) VALUES ($1)", {body}));
//       return {};
//     }));                                          // here it has been synced
//
// Writes that wait at the same time are committed together, each inside a savepoint of its own, so that one fsync
// serves them all and one that fails takes nothing with it. WAL, synchronous=FULL, BEGIN IMMEDIATE. Only the writing
// connection checkpoints. A second process, or a second database object on the same file, is refused at opening
// (SQLite before 3.51.3 can damage a file that several connections write and checkpoint).
//
// A statement that may undo a whole transaction (OR ROLLBACK) does not share one: its closure is called again, alone.
//
// When the device fails to sync, the database opens itself anew, from a log that is written once more, before anything
// else is carried out (docs/decisions/0007-after-a-failed-sync.md).
//
// Calls run on the loop's pool for blocking calls, one at a time for each connection. With a `disk` (the simulator's)
// SQLite's files are kept there; then, and for `:memory:`, one connection does everything, in order.
#include <weft/runtime/blocking_disk.hpp>
#include <weft/storage/database.hpp>

#include <cstddef>
#include <functional>
#include <memory>
#include <string>

namespace weft::storage {

struct sqlite_options {
  std::string path;                       // of the file; ":memory:" for none
  blocking_disk* disk = nullptr;          // keeps the files, named by `path`; the file system without one
  unsigned readers = 2;                   // connections that read beside the one that writes
  std::size_t group = 256;                // writes in one commit, at most
  std::size_t queue = 4096;               // calls that wait, at most, of each kind; further callers wait to be let in
  int checkpoint_pages = 1000;            // of the write-ahead log, after which it is moved into the file
  std::size_t statements = 128;           // kept prepared, for each connection
  std::size_t result_bytes = 64UL << 20;  // of one result; beyond: errc::resource_exhausted
};

// A connection as a closure sees it: blocking, for the time of the call only.
class sqlite_session {
 public:
  virtual result<rows> run(std::string_view sql, const parameters& values = {}) = 0;

 protected:
  ~sqlite_session() = default;
};

class sqlite_database : public database {
 public:
  using closure = std::move_only_function<result<>(sqlite_session&)>;

  // Runs the closure on a thread of the pool, inside a transaction that it shares with others; returns once that is
  // committed and synced, or the closure's error once it is undone. It must not touch what belongs to the loop. When
  // another write of the group breaks the whole transaction (no space), errc::aborted, unprocessed().
  virtual task<result<>> write(context ctx, closure work) = 0;
  // The same for reading, of one snapshot, beside the writes.
  virtual task<result<>> read(context ctx, closure work) = 0;

  struct figures {
    std::uint64_t commits = 0;  // groups, and transactions of one caller
    std::uint64_t writes = 0;   // committed
    std::size_t waiting = 0;    // writes that wait now
  };
  [[nodiscard]] virtual figures statistics() const noexcept = 0;
};

// errc::failed_precondition when the file is in use; errc::data_loss when it is no database.
task<result<std::unique_ptr<sqlite_database>>> open_sqlite(loop& l, sqlite_options options);

}  // namespace weft::storage
