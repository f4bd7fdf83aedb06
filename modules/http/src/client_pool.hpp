#pragma once
// The connections of a client to one host and port.
#include <weft/http/client.hpp>
#include <weft/net/endpoint.hpp>
#include <weft/runtime/sleep.hpp>
#include <weft/runtime/wait_queue.hpp>

#include "content_reader.hpp"
#include "message_writer.hpp"

#include <memory>
#include <optional>
#include <vector>

namespace weft::http {

class client_pool;

class client_connection final {
 public:
  client_connection(loop& l, std::unique_ptr<stream> s, const http1::limits& limits)
      : wire{std::move(s)}, deadline{l, *wire}, content{*wire, in, deadline}, parser{limits} {}

  std::unique_ptr<stream> wire;
  connection_deadline deadline;
  read_buffer in{4096};
  std::string out;
  content_reader content;
  http1::response_parser parser;
  std::optional<interrupt_on_end> guard;  // while a call is under way
  bool reused = false;
  std::uint64_t requests = 0;  // that it has carried

  // What the server says of its patience and of how many requests it takes (Keep-Alive: timeout=5, max=100), and when
  // the response with it came. What it has said once holds until it says something else.
  void note_keep_alive(const headers& fields, steady_time now);
  // Until when another request may be sent over it once it is idle, and whether the server wants any.
  steady_time server_keeps_until = steady_time::max();
  duration server_patience = duration::max();
  std::optional<std::uint64_t> stated_requests;
  bool counted_down = false, server_has_enough = false;
  // Drawn for each connection below what the options say, so that not all of a pool end together.
  steady_time retires_at = steady_time::max();
  std::uint64_t max_requests = 0;  // 0: any number

  // While it is idle: anything that happens on it means that it is of no more use.
  class idle_watch final : public io_waiter {
   public:
    explicit idle_watch(client_connection& c) : connection{c} {}
    void run() override;
    client_connection& connection;
    client_pool* pool = nullptr;
  } watch{*this};
  steady_time idle_until{};
  steady_time freed_at{};  // by loop::clock()
};

// A connection of a pool, or the place for one that has yet to be opened. Whoever holds it hands it on by destroying
// it.
class connection_lease {
 public:
  connection_lease() = default;
  explicit connection_lease(client_pool& pool, std::unique_ptr<client_connection> c = nullptr) noexcept
      : pool_{&pool}, connection_{std::move(c)} {}
  connection_lease(connection_lease&& other) noexcept
      : pool_{std::exchange(other.pool_, nullptr)}, connection_{std::move(other.connection_)} {}
  connection_lease& operator=(connection_lease&& other) noexcept {
    std::swap(pool_, other.pool_);
    std::swap(connection_, other.connection_);
    return *this;
  }
  ~connection_lease();
  [[nodiscard]] explicit operator bool() const noexcept { return pool_ != nullptr; }
  [[nodiscard]] client_connection* connection() const noexcept { return connection_.get(); }
  // The place stays, for another connection.
  [[nodiscard]] std::unique_ptr<client_connection> detach() noexcept { return std::move(connection_); }
  // The connection, which stands for its place from now on; null for a place alone.
  std::unique_ptr<client_connection> take() noexcept {
    pool_ = nullptr;
    return std::move(connection_);
  }

 private:
  client_pool* pool_ = nullptr;
  std::unique_ptr<client_connection> connection_;
};

class client_pool final : timer_node {
 public:
  client_pool(loop& l, const client_options& options, client_stats& stats, net::endpoint where);
  ~client_pool();
  client_pool(const client_pool&) = delete;
  client_pool& operator=(const client_pool&) = delete;

  // An idle connection at once, or null: then acquire() waits or connects. What these give may be used in this turn
  // only: by the next, bytes may have come that belong to no request.
  [[nodiscard]] std::unique_ptr<client_connection> take_idle();
  enum class freshness : std::uint8_t {
    any,
    fresh,  // opened for this call: for the retry of a stale one
  };
  task<result<std::unique_ptr<client_connection>>> acquire(context ctx, freshness f = freshness::any);
  // Keeps the pool while a call uses it.
  class user {
   public:
    explicit user(client_pool& p) noexcept : pool_{p} { ++pool_.users_; }
    ~user() { --pool_.users_; }
    user(const user&) = delete;
    user& operator=(const user&) = delete;

   private:
    client_pool& pool_;
  };
  [[nodiscard]] bool unused() const noexcept { return users_ == 0 && open_ == 0; }
  enum class fate : std::uint8_t { reuse, close };
  void release(std::unique_ptr<client_connection> connection, fate f);
  void remove_idle(client_connection& connection);
  void close_idle();

  [[nodiscard]] const net::endpoint& where() const noexcept { return where_; }
  [[nodiscard]] const std::string& authority() const noexcept { return *authority_; }
  // For responses, which may outlive the pool.
  [[nodiscard]] const std::shared_ptr<const std::string>& shared_authority() const noexcept { return authority_; }
  [[nodiscard]] const client_options& options() const noexcept { return options_; }
  [[nodiscard]] loop& home() const noexcept { return loop_; }

 private:
  friend class connection_lease;
  void expire() override;
  [[nodiscard]] std::unique_ptr<client_connection> pop_idle() noexcept;
  [[nodiscard]] bool usable(client_connection& c) const;
  void keep(std::unique_ptr<client_connection> connection);
  void drop(std::unique_ptr<client_connection> connection) noexcept;
  void place_free() noexcept;
  task<result<std::unique_ptr<client_connection>>> connect(context ctx, connection_lease place);

  loop& loop_;
  const client_options& options_;
  client_stats& stats_;
  net::endpoint where_;
  std::shared_ptr<const std::string> authority_;
  std::vector<std::unique_ptr<client_connection>> idle_;
  std::size_t open_ = 0, users_ = 0;  // open: connections and places for them
  wait_queue<connection_lease> waiting_;
};

}  // namespace weft::http
