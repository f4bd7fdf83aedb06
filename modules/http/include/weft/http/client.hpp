#pragma once
// An HTTP client with keep-alive pools, on one loop.
//
//     http::client users{loop, {.base_url = "http://users:8080"}};
//     auto user = co_await users.get<user_view>(ctx, "/api/users/7");       // decoded; a status >= 400 is an error
//     auto raw  = co_await users.send(ctx, {http::method::post, "/api/users", "{...}"});
//
// A call ends when its context does. It fails with errc::unavailable when the peer cannot be reached or breaks off,
// errc::deadline_exceeded, errc::cancelled, errc::resource_exhausted when too many wait for a connection, and
// errc::data_loss when the answer is not HTTP or not what it should hold. Names that are not known and certificates
// that are not trusted are errc::unavailable: they are no fault of our caller's. `error::unprocessed()` says whether
// the peer certainly never saw the request. A pooled connection that turns out to be closed is replaced once, silently,
// where that is safe: before anything was sent, or when repeating the request does no harm (an idempotent method, or an
// Idempotency-Key field).
//
// What a server says of itself is heeded (Keep-Alive: timeout=5, max=100): a connection is not used near its end. Nor
// is one over which bytes came that belong to no request; on a new connection that is errc::unavailable, unprocessed.
//
// An answer's content may be streamed; its connection goes back to the pool when it has been read to the end, and is
// closed when it is dropped before. An answer may outlive its client, but not the client's loop.
#include <weft/http/http1.hpp>
#include <weft/http/message.hpp>
#include <weft/net/endpoint.hpp>
#include <weft/net/tls.hpp>
#include <weft/runtime/loop.hpp>

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace weft::http {

struct client_options {
  std::string base_url;  // "http://host:port", "https://...", "unix:/path"; what a relative target is added to
  http1::limits limits;
  duration connect_timeout = std::chrono::seconds{2};    // name, connection and TLS together
  duration response_timeout = std::chrono::seconds{60};  // from the request's last byte to the answer's head, with all
                                                         // interim answers before it
  duration body_timeout = std::chrono::seconds{30};      // between two pieces of the answer
  // Of an answer's content that is waited for longer than ten body_timeouts in all: a server that drips fails the call
  // with errc::deadline_exceeded, also without a deadline of the caller's. Only time spent waiting for the server
  // counts. 0: no limit, for streams of events that are silent most of the time.
  std::uint64_t min_body_bytes_per_second = 240;
  duration write_timeout = std::chrono::seconds{30};
  duration continue_timeout = std::chrono::seconds{1};  // `Expect: 100-continue` waits this long, then sends anyway
  duration idle_timeout = std::chrono::seconds{50};     // below the server's, so that it rarely closes under us
  // A connection is opened anew after this time, or this number of requests (0: any), so that load moves to servers
  // that are added behind one name or balancer. Each connection draws its own, down to (1 - connection_jitter) of them.
  duration max_connection_age = duration::max();
  std::uint32_t max_connection_requests = 0;
  double connection_jitter = 0.2;       // 0 to 1
  std::size_t max_connections = 64;     // to one host and port
  std::size_t max_waiting = 1024;       // calls that wait for one of them
  std::optional<net::tls_context> tls;  // for https; none: one that trusts the system's authorities
};

struct client_stats {
  std::uint64_t requests = 0, connects = 0, connect_failures = 0, stale_retries = 0, rejected = 0;
  std::size_t connections = 0, idle = 0, waiting = 0;
};

class client {
 public:
  // Throws std::invalid_argument when the base URL is malformed.
  client(loop& l, client_options options = {});
  ~client();
  client(const client&) = delete;
  client& operator=(const client&) = delete;

  // Any status is a response; errors are failures to get one.
  task<result<response>> send(context ctx, request r);
  // To one instance, whatever the base URL says; the Host field stays the request's own, or the endpoint's.
  task<result<response>> send_to(context ctx, net::endpoint at, request r);

  task<result<response>> get_raw(context ctx, std::string path);
  template <class T>
  task<result<T>> get(context ctx, std::string path, weft::json::decode_options how = {});
  template <class T, class Content>
  task<result<T>> post(context ctx, std::string path, const Content& content, weft::json::decode_options how = {});

  // Closes idle connections; those in use are closed when they are done.
  void close_idle();
  [[nodiscard]] client_stats stats() const noexcept;
  [[nodiscard]] loop& home() const noexcept;

 private:
  struct impl;
  task<result<response>> post_raw(context ctx, std::string path, std::string json);
  std::shared_ptr<impl> impl_;
};

template <class T>
task<result<T>> client::get(context ctx, std::string path, weft::json::decode_options how) {
  auto answer = co_await get_raw(std::move(ctx), std::move(path));
  if (!answer) co_return fail(std::move(answer).error());
  co_return co_await answer->template as<T>(body::default_limit, how);
}

template <class T, class Content>
task<result<T>> client::post(context ctx, std::string path, const Content& content, weft::json::decode_options how) {
  auto answer = co_await post_raw(std::move(ctx), std::move(path), weft::json::encode(content));
  if (!answer) co_return fail(std::move(answer).error());
  co_return co_await answer->template as<T>(body::default_limit, how);
}

}  // namespace weft::http
