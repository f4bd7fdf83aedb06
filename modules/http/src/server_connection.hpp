#pragma once
// One connection of a server, from its first byte to its last.
#include <weft/http/server.hpp>
#include <weft/http/trusted_fields.hpp>
#include <weft/runtime/task_group.hpp>

#include "address_counts.hpp"
#include "content_reader.hpp"
#include "message_writer.hpp"

namespace weft::http {

class server_connection;

// What the connections of a server share.
struct server_core {
  server_core(loop& l, handler h, server_options o) : home{l}, answer{std::move(h)}, options{std::move(o)}, tasks{l} {
    if (!options.trusted_proxies.empty()) proxies.emplace(trust_options{.trusted_networks = options.trusted_proxies});
  }

  std::string_view date();  // the Date field's line, made anew each second

  loop& home;
  handler answer;
  server_options options;
  server_stats stats;
  std::optional<peer_trust> proxies;
  address_counts clients;  // requests that are being answered; only kept when they are limited
  bool draining = false;
  steady_time drain_grace_over = steady_time::max();
  server_connection *first = nullptr, *last = nullptr;
  task_group tasks;

 private:
  std::string date_;
  std::int64_t date_second_ = -1;
};

// Fills a request with views of what was received.
class received_request {
 public:
  static void reset(request& r);
  static void fill(request& r, const http1::request_head& head, const stream_info& info, loop& l, weft::context ctx);
};

// {"error":{"code":"CONTENT_TOO_LARGE","message":what}} for what the server itself refuses.
[[nodiscard]] response refusal(status code, std::string_view what);

class server_connection {
 public:
  server_connection(server_core& core, std::unique_ptr<stream> s);
  ~server_connection();
  server_connection(const server_connection&) = delete;
  server_connection& operator=(const server_connection&) = delete;

  task<void> serve();
  // If no request is being received or answered, it ends after the grace unless one arrives.
  void start_draining();
  void cut_off();

  [[nodiscard]] server_connection* next() const noexcept { return next_; }
  [[nodiscard]] const stream_info& info() const noexcept { return stream_->info(); }

 private:
  class streamed_content;
  class flusher;
  // While a request is answered and nothing of it is left to read, watches for a peer that is gone: its context is then
  // cancelled. Bytes of the next request that arrive meanwhile are kept, up to a bound. A peer that only closed its
  // sending side still gets its answer.
  class watcher final : public io_waiter {
   public:
    explicit watcher(server_connection& c) noexcept : connection_{c} {}
    void start();
    void stop() noexcept;
    void run() override;

   private:
    server_connection& connection_;
    bool watching_ = false;
  };
  enum class outcome : std::uint8_t { next_request, close };

  task<outcome> receive_head();
  task<outcome> answer_request();
  task<outcome> send(response& r);
  task<outcome> refuse(status code, std::string_view what);
  task<outcome> refuse_head(status code, std::string_view what);
  task<void> linger();
  task<result<>> flush();
  bool flush_at_once();
  result<> append_head(const response& r, content_coding coding);
  [[nodiscard]] content_coding coding_for(const response& r) const;
  void attach_content();
  void problem(std::string_view what);

  server_core& core_;
  std::unique_ptr<stream> stream_;
  connection_deadline deadline_;
  read_buffer in_;
  std::string out_;
  http1::request_parser parser_;
  http1::request_head head_;
  request request_;
  content_reader content_;
  streamed_content* streamed_ = nullptr;  // while the handler may read
  cancel_source gone_;
  context context_;
  watcher watcher_{*this};
  steady_time opened_;
  std::uint64_t requests_ = 0;
  bool idle_ = true, continue_pending_ = false, keep_alive_ = true, half_closed_ = false, flushing_ = false;
  server_connection *next_ = nullptr, *previous_ = nullptr;
};

}  // namespace weft::http
