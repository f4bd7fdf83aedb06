#pragma once
// The connections of a client to one host and port.
#include <weft/http/client.hpp>
#include <weft/net/endpoint.hpp>
#include <weft/runtime/sleep.hpp>
#include <weft/runtime/sync.hpp>

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

  // While it is idle: anything that happens on it means that it is of no more use.
  class idle_watch final : public io_waiter {
   public:
    explicit idle_watch(client_connection& c) : connection{c} {}
    void run() override;
    client_connection& connection;
    client_pool* pool = nullptr;
  } watch{*this};
  steady_time idle_since{};
};

class client_pool final : timer_node {
 public:
  client_pool(loop& l, const client_options& options, client_stats& stats, net::endpoint where);
  ~client_pool();
  client_pool(const client_pool&) = delete;
  client_pool& operator=(const client_pool&) = delete;

  // An idle connection at once, or null: then acquire() waits or connects.
  [[nodiscard]] std::unique_ptr<client_connection> take_idle();
  task<result<std::unique_ptr<client_connection>>> acquire(context ctx);
  // A connection that is never to be reused: for the retry of a stale one.
  task<result<std::unique_ptr<client_connection>>> acquire_fresh(context ctx);
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
  [[nodiscard]] const std::string& authority() const noexcept { return authority_; }
  [[nodiscard]] const client_options& options() const noexcept { return options_; }
  [[nodiscard]] loop& home() const noexcept { return loop_; }

 private:
  void expire() override;
  void ended() noexcept;
  task<result<std::unique_ptr<client_connection>>> connect(context ctx);

  loop& loop_;
  const client_options& options_;
  client_stats& stats_;
  net::endpoint where_;
  std::string authority_;
  std::vector<std::unique_ptr<client_connection>> idle_;
  std::size_t open_ = 0, users_ = 0;
  weft::detail::waiter_list waiters_;
};

}  // namespace weft::http
