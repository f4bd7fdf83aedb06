#pragma once
// An HTTP server on one loop. The handler answers each request; several servers, one for each core, may share a port.
//
//     http::server server{loop, routes.as_handler(), {.max_body_bytes = 1 << 20}};
//     WEFT_TRY_VOID(server.listen(address::loopback(8080)));
//     ...
//     co_await server.drain(10s);
//
// Each limit answers with its status before the connection is closed: 400 a malformed message, 408 a head or content
// that does not arrive in time, 413 content, 414 target, 417 an unknown expectation, 431 fields, 501 an unknown coding,
// 503 too many connections or requests, 505 another version. Answers leave in the order of the requests, however they
// are pipelined. Streamed content is pulled and pushed with back-pressure; 100-continue is sent when the handler first
// reads.
#include <weft/http/http1.hpp>
#include <weft/http/message.hpp>
#include <weft/net/tls.hpp>
#include <weft/runtime/loop.hpp>

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string_view>

namespace weft::http {

struct server_options {
  http1::limits limits;
  std::size_t max_body_bytes = 8 << 20;      // 413; a handler may ask for less
  std::size_t max_connections = 65'536;      // of this server; 503 beyond
  std::size_t max_connections_per_peer = 0;  // of one address; 0: no limit; 503 beyond
  std::size_t max_requests = 0;              // being answered at the same time; 0: no limit; 503 beyond
  duration handshake_timeout = std::chrono::seconds{10};
  duration head_timeout = std::chrono::seconds{10};   // from a head's first byte to its last: 408
  duration body_timeout = std::chrono::seconds{30};   // between two pieces of content: 408
  duration write_timeout = std::chrono::seconds{30};  // a peer that does not read is cut off
  duration idle_timeout = std::chrono::seconds{75};   // between requests; above the client's, see client_options
  std::optional<net::tls_context> tls;                // none: plain
  // Told of what no answer can say: a handler's exception, an answer that broke off.
  std::function<void(const request&, std::string_view what)> on_problem;
};

struct server_stats {
  std::uint64_t connections_accepted = 0, connections_refused = 0, handshake_failures = 0, requests = 0, malformed = 0,
                timeouts = 0;
  std::size_t connections = 0, requests_active = 0;
};

class server {
 public:
  server(loop& l, handler h, server_options options = {});
  ~server();  // closes what is left at once
  server(const server&) = delete;
  server& operator=(const server&) = delete;

  // Starts to accept; may be called for several addresses. Port 0 takes a free one: see local().
  result<> listen(const address& at, listen_options options = {});
  // Serves one connection that came from elsewhere (a pipe, an inherited socket).
  void serve(std::unique_ptr<stream> connection);
  // Of the first listener.
  [[nodiscard]] address local() const;

  // From now on answers carry `Connection: close`, and idle connections end. New ones are still accepted.
  void start_draining();
  // Also stops accepting, waits until no connection is left, and after `patience` cuts off those that are. A
  // handler that ignores the end of its context is given a second more, and is destroyed with the server.
  task<void> drain(duration patience);

  [[nodiscard]] server_stats stats() const noexcept;

 private:
  struct impl;
  std::unique_ptr<impl> impl_;
};

}  // namespace weft::http
