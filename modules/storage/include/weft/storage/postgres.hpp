#pragma once
// PostgreSQL through libpq, non-blocking, with statements of a batch pipelined.
//
//     WEFT_CO_TRY(auto db, co_await storage::open_postgres(loop, ctx, {.url = "postgres://app@db.local/shop"}));
//     WEFT_CO_TRY(auto orders, db->listen("orders"));
//     for (;;) {
//       WEFT_CO_TRY(const auto heard, co_await orders->next(ctx));   // lost == true: look yourself, some were missed
//       ...
//     }
//
// A pool of connections: opened when needed, at most `connections`; callers beyond wait in order. Each carries one
// caller or transaction at a time, and speaks in pipeline mode, so a batch or the statements that a transaction awaits
// at once go out together. Statements are prepared once for each connection. A connection that breaks is replaced,
// with growing pauses while that fails.
//
// A statement whose context ends is cancelled on the server. An error aborts the rest of its batch. When a connection
// is lost with a statement under way nobody knows what came of it: errc::unknown, or errc::unavailable where it looks
// as if it only read; never unprocessed(), and never repeated here, for a SELECT may call a function that writes. What
// belongs to a transaction is undone with its connection: unavailable and unprocessed(), but for the commit (unknown).
// What provably was never sent is sent over another connection. transact() with access::read_only repeats what only
// reads.
//
// Behind a pooler that lends a session for one transaction (PgBouncer, pool_mode=transaction) everything works but
// listen(): statements are prepared under names that mean the same for every program, and where they turn out to be
// gone they are sent unprepared from then on. `statements=0` in the URL prepares none from the start.
//
// Types: bool, smallint/integer/bigint, real/double precision, text and the like, bytea come as such; every other type
// (numeric, timestamps, uuid, json ...) as PostgreSQL's text. Parameters take the type that the statement gives them,
// so '2026-01-01' may be written for a timestamp; a blob is bytea.
//
// Errors never tell the password. Belongs to its loop's thread; not in the simulator, which has no descriptors.
#include <weft/storage/database.hpp>

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>

namespace weft::storage {

struct postgres_options {
  // As libpq has it (PostgreSQL's manual, 34.1.1.2): postgres://user:password@host:port,host2/name?sslmode=verify-full.
  // Hosts are tried in order. PGUSER, PGPASSWORD, the password file and the other variables count too. These parameters
  // stand for the options below: connections, queue, statements, result_bytes, connect_timeout (seconds),
  // statement_timeout, cancel_grace and max_pause (milliseconds; or 500ms, 10s, 2m).
  std::string url;
  std::size_t connections = 8;
  std::size_t queue = 1024;  // callers that wait for a connection; beyond: errc::resource_exhausted
  duration connect_timeout = std::chrono::seconds{10};
  duration longest_pause = std::chrono::seconds{5};  // between tries to connect
  // What the server takes as the limit of one statement; zero: its own setting. errc::deadline_exceeded.
  std::chrono::milliseconds statement_timeout{0};
  // For a cancelled statement to end; then its connection is closed.
  duration cancel_grace = std::chrono::seconds{5};
  std::size_t statements = 128;           // kept prepared, for each connection; 0: none is prepared
  std::size_t result_bytes = 64UL << 20;  // of one result, also while it arrives; beyond: errc::resource_exhausted
  std::size_t notifications = 1024;       // kept for each listener
  std::string application_name = "weft";
  // Notices and warnings of the server, on the loop; ignored without one.
  std::function<void(std::string_view severity, std::string_view message)> on_notice;
};

struct notification {
  std::string payload;
  bool lost = false;  // the connection broke, or too many came: others may have been missed; `payload` is empty
};

// Destroying it ends the subscription.
class notification_listener {
 public:
  virtual ~notification_listener() = default;
  virtual task<result<notification>> next(context ctx) = 0;
};

class postgres_database : public database {
 public:
  // From now on, over one connection that all listeners share. The first to arrive is `lost`, since what was sent
  // before the subscription took effect has been missed.
  virtual result<std::unique_ptr<notification_listener>> listen(std::string channel) = 0;
  task<result<>> notify(context ctx, std::string channel, std::string payload);

  struct figures {
    std::size_t open = 0, idle = 0, waiting = 0;
    std::uint64_t connected = 0, broken = 0;
  };
  [[nodiscard]] virtual figures statistics() const noexcept = 0;
};

// Connects once, so that a wrong address or password is told here.
task<result<std::unique_ptr<postgres_database>>> open_postgres(loop& l, context ctx, postgres_options options);

}  // namespace weft::storage
