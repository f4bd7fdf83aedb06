#pragma once
// From a URL to a connection that is ready, without blocking the loop.
#include "cancelling.hpp"

#include <weft/storage/postgres.hpp>

#include <libpq-fe.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace weft::storage {

struct finish_connection {
  void operator()(PGconn* c) const noexcept { PQfinish(c); }
};
using pg_handle = std::unique_ptr<PGconn, finish_connection>;

// A connection that is made, and what it takes to cancel what runs on it.
struct pg_session {
  pg_handle handle;
  address peer;
  std::optional<pg_cancel_key> key;
};

struct pg_host {
  std::string name;  // "/folder" for a Unix socket, empty for libpq's default
  std::string address;
  std::string port;
};

// What the URL and the environment say; nothing in it may be logged.
struct pg_target {
  std::vector<std::pair<std::string, std::string>> settings;  // without the hosts
  std::vector<pg_host> hosts;
  [[nodiscard]] std::string describe() const;  // for error messages: hosts and database
};

// Takes what the URL says of the pool into the options. errc::invalid_argument without any of the URL's text but the
// names of its parameters.
result<pg_target> parse_target(postgres_options& options);
// The hosts in order, each at every address it has; the last failure when none takes the connection.
task<result<pg_session>> connect_to(loop& l, context ctx, pg_target target);

// Awaits the descriptor, until the context ends.
task<result<>> ready(loop& l, context ctx, watched_descriptor& descriptor, io_direction direction);

}  // namespace weft::storage
