#pragma once
// SQL on the loop, the same over SQLite and PostgreSQL: statements, transactions, results as values.
//
//     WEFT_CO_TRY(auto db, co_await storage::open(loop, ctx, "sqlite:data/users.db"));
//     WEFT_CO_TRY_VOID(co_await db->execute(ctx, "INSERT INTO users (id, name) VALUES ($1, $2)", {"7", "Ada"}));
//
//     WEFT_CO_TRY(auto tx, co_await db->begin(ctx));
//     WEFT_CO_TRY_VOID(co_await tx.execute(ctx, "UPDATE accounts SET amount = amount - $1 WHERE id = $2", {10, "a"}));
//     WEFT_CO_TRY_VOID(co_await tx.execute(ctx, "UPDATE accounts SET amount = amount + $1 WHERE id = $2", {10, "b"}));
//     WEFT_CO_TRY_VOID(co_await tx.commit(ctx));            // dropped without it: rolled back
//
// Both engines take $1, $2, ... and one statement at a time; values are bound, never written into the text. Texts are
// UTF-8 without NUL bytes; whatever else there is goes into a blob.
//
// Errors, by code:
//   already_exists        a unique key is taken
//   failed_precondition   a foreign key; a transaction that failed before; writing where only reading is allowed
//   invalid_argument      a statement that is wrong; a value that a column cannot take (not null, check, type)
//   out_of_range          a number beyond its column
//   aborted               a conflict with another transaction (serialization, deadlock): run the whole one again
//   resource_exhausted    a queue beyond its bound; a result beyond its (limit_kind::size); no space on the disk
//                         (limit_kind::space)
//   cancelled, deadline_exceeded   the context ended; the statement did not happen (see below for commits)
//   unavailable           no connection, the server shuts down, the database is locked
//   unknown               the connection was lost while committing: it may or may not have happened
//   data_loss             the file is damaged, or the device failed to write
//
// error::unprocessed() holds only where nothing of the call stays: it was never sent, or it belongs to a transaction
// that was lost before its commit. Whatever else a lost connection leaves behind is not repeated, not even a SELECT,
// which may call a function that writes.
//
// The end of a context ends the wait for a queue or a connection, and interrupts a statement that runs, which is rolled
// back. A commit that has begun is awaited to its end, so that its outcome is known.
//
// A database belongs to its loop's thread and must outlive its transactions.
#include <weft/runtime/loop.hpp>
#include <weft/storage/value.hpp>

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace weft::storage {

enum class engine : std::uint8_t { sqlite, postgres };

enum class access : std::uint8_t { read_write, read_only };
// SQLite is always serializable.
enum class isolation : std::uint8_t { read_committed, repeatable_read, serializable };
struct transaction_options {
  access mode = access::read_write;
  isolation level = isolation::read_committed;
};

// Statements on one connection between begin and commit. A statement that fails ends the transaction, whether the
// engine refused it or it never got there (its context had ended, a value cannot be stored, its awaiter is gone): what
// follows fails with errc::failed_precondition until rollback(), and commit() rolls back. Several statements may be
// awaited at once; they run in the order of their calls.
class transaction {
 public:
  class session {  // what an engine implements; destroying it before the commit rolls back
   public:
    virtual ~session() = default;
    // Set once a statement was not carried out, by whoever sees it first; work on other threads may look at it.
    using failure_flag = std::shared_ptr<std::atomic<bool>>;
    [[nodiscard]] const failure_flag& failed() const noexcept { return failed_; }
    virtual task<result<std::vector<rows>>> run(context ctx, std::vector<statement> batch) = 0;
    virtual task<result<>> commit(context ctx) = 0;
    virtual task<result<>> rollback(context ctx) = 0;

   private:
    failure_flag failed_ = std::make_shared<std::atomic<bool>>(false);
  };
  explicit transaction(std::unique_ptr<session> s) noexcept : session_{std::move(s)} {}

  task<result<rows>> query(context ctx, std::string sql, parameters values = {});
  // How many rows were inserted, changed or deleted.
  task<result<std::int64_t>> execute(context ctx, std::string sql, parameters values = {});
  // All of them in one round trip; the first error ends the transaction, and says which statement it was.
  task<result<std::vector<rows>>> batch(context ctx, std::vector<statement> statements);
  task<result<>> commit(context ctx);
  task<result<>> rollback(context ctx);

 private:
  std::unique_ptr<session> session_;
};

class database {
 public:
  virtual ~database() = default;
  database(const database&) = delete;
  database& operator=(const database&) = delete;

  [[nodiscard]] virtual engine kind() const noexcept = 0;
  [[nodiscard]] virtual loop& owner() const noexcept = 0;

  // Each a transaction of its own.
  task<result<rows>> query(context ctx, std::string sql, parameters values = {});
  task<result<std::int64_t>> execute(context ctx, std::string sql, parameters values = {});
  // All of them or none, in one round trip.
  task<result<std::vector<rows>>> batch(context ctx, std::vector<statement> statements);

  // SQLite writes one transaction at a time: until this one ends other writes of the process wait. Do not await
  // anything slow within it.
  virtual task<result<transaction>> begin(context ctx, transaction_options options = {}) = 0;
  // Waits for what runs and closes every connection. Later calls fail with errc::failed_precondition.
  virtual task<result<>> close() = 0;

 protected:
  database() = default;
  virtual task<result<std::vector<rows>>> run(context ctx, std::vector<statement> batch) = 0;
};

// `sqlite:<path>`, `sqlite::memory:` (storage/sqlite.hpp), or `postgres://user@host/name?...` (storage/postgres.hpp),
// with the engine's default options. errc::invalid_argument for any other URL; no error tells a password.
task<result<std::unique_ptr<database>>> open(loop& l, context ctx, std::string url);

}  // namespace weft::storage
