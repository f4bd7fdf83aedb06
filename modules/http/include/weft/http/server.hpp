#pragma once
// An HTTP server on one loop. The handler answers each request; several servers, one for each core, may share a port.
//
//     http::server server{loop, routes.as_handler(), {.max_body_bytes = 1 << 20}};
//     WEFT_CO_TRY_VOID(server.listen(address::loopback(8080)));
//     ...
//     co_await server.drain(10s);
//
// Each limit answers with its status before the connection is closed: 400 a malformed message, 408 a head or content
// that does not arrive in time, 413 content, 414 target, 417 an unknown expectation, 431 fields, 501 an unknown coding,
// 503 too many connections or requests, 505 another version. Every duration may be duration::max(): no limit. Answers
// leave in the order of the requests, however they are pipelined. Streamed content is pulled and pushed with
// back-pressure; 100-continue is sent when the handler first reads.
#include <weft/http/http1.hpp>
#include <weft/http/message.hpp>
#include <weft/net/tls.hpp>
#include <weft/runtime/loop.hpp>

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace weft::http {

struct server_options {
  http1::limits limits;
  std::size_t max_body_bytes = 8 << 20;           // 413; a handler may ask for less
  std::size_t max_connections = 65'536;           // of this server; 503 beyond
  std::size_t max_connections_per_peer = 0;       // of one address; 0: no limit; 503 beyond
  std::size_t max_requests = 0;                   // being answered at the same time; 0: no limit; 503 beyond
  std::size_t max_requests_per_client = 0;        // the same of one request::client(); 0: no limit; 429 beyond
  std::uint64_t max_connection_requests = 0;      // then a response says `Connection: close`; 0: no limit
  duration max_connection_age = duration::max();  // the same for what is older; idle ones end by idle_timeout
  duration handshake_timeout = std::chrono::seconds{10};
  duration head_timeout = std::chrono::seconds{10};  // from a head's first byte to its last: 408
  duration body_timeout = std::chrono::seconds{30};  // between two pieces of content: 408
  // Of content that is waited for longer than ten body_timeouts in all: who drips is answered 408. 0: no limit. The
  // deadline of the request's context holds, too.
  std::uint64_t min_body_bytes_per_second = 240;
  duration write_timeout = std::chrono::seconds{30};  // a peer that does not read is cut off
  duration idle_timeout = std::chrono::seconds{75};   // between requests; above the client's, see client_options
  duration drain_grace = std::chrono::seconds{1};     // for idle connections, once draining has begun
  std::optional<net::tls_context> tls;                // none: plain
  // Networks of proxies ("10.0.0.0/8", "fd00::/8", "unix") whose X-Forwarded-For or Forwarded is believed: see
  // request::client(). Their connections do not count as those of one peer.
  std::vector<std::string> trusted_proxies;
  // Told of what no answer can say: a handler's exception, an answer that broke off.
  std::function<void(const request&, std::string_view what)> on_problem;
  // Told of what the server refuses before there is a handler to answer it: malformed heads, 408, 413, 414, 417, 431,
  // 501, 503, 505. What is known of the request is there; fields may be added to the response. instrument_refusals()
  // makes one for metrics, log and correlation id.
  std::function<void(const request&, response&, std::string_view why)> on_refused;
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

  // From now on responses carry `Connection: close`, so that clients leave one after the other. Idle connections have
  // drain_grace for one more request; then they end. New ones are still accepted, and told the same.
  void start_draining();
  // Also stops accepting, waits until no connection is left, and after `patience` cuts off those that are; with
  // duration::max() it waits for all. A handler that ignores the end of its context is given a second more, and is
  // destroyed with the server.
  task<void> drain(duration patience);

  [[nodiscard]] server_stats stats() const noexcept;

 private:
  struct impl;
  std::unique_ptr<impl> impl_;
};

}  // namespace weft::http
