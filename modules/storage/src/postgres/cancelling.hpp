#pragma once
// Cancelling what a PostgreSQL server does, without blocking: PQcancel() blocks in connect() for as long as a host
// swallows its packets, on a thread that files and other databases need. The request is 16 bytes over a connection of
// its own (PostgreSQL's manual, 55.2.8 and 55.7 CancelRequest).
#include <weft/runtime/address.hpp>
#include <weft/runtime/loop.hpp>

#include <libpq-fe.h>

#include <cstdint>
#include <cstdio>
#include <optional>

namespace weft::storage {

// What names a session to its server.
struct pg_cancel_key {
  std::uint32_t process = 0, secret = 0;
};

// libpq has the secret and tells it nobody; but it shows the messages of the protocol to who traces it. Lives while the
// connection is made.
class pg_key_reader {
 public:
  explicit pg_key_reader(PGconn* connection);
  ~pg_key_reader() { stop(); }
  pg_key_reader(const pg_key_reader&) = delete;
  pg_key_reader& operator=(const pg_key_reader&) = delete;

  // Ends the trace. None: the server gave no key.
  [[nodiscard]] std::optional<pg_cancel_key> read();

 private:
  void stop() noexcept;
  PGconn* connection_;
  char* text_ = nullptr;  // the memory behind `stream_`
  std::size_t size_ = 0;
  std::FILE* stream_;
};

// Where a connection that is made goes to; kind::none when that cannot be told.
[[nodiscard]] address peer_of(PGconn* connection);

// Asks the server at `where` to cancel; returns when it has seen the request, or the context ends.
task<void> send_cancel(loop& l, context ctx, address where, pg_cancel_key key);

}  // namespace weft::storage
