#include "client_pool.hpp"

#include <weft/net/dial.hpp>

#include <algorithm>

namespace weft::http {

void client_connection::idle_watch::run() {
  char unexpected = 0;
  if (!interrupted() && connection.wire->try_read({&unexpected, 1}).status == io_status::blocked)
    return connection.wire->wait(io_direction::read, *this);
  pool->remove_idle(connection);
}

client_pool::client_pool(loop& l, const client_options& options, client_stats& stats, net::endpoint where)
    : loop_{l}, options_{options}, stats_{stats}, where_{std::move(where)} {
  const bool default_port =
      (where_.scheme == "http" && where_.port == 80) || (where_.scheme == "https" && where_.port == 443);
  if (!where_.path.empty())
    authority_ = "localhost";
  else if (where_.host.contains(':'))
    authority_ = "[" + where_.host + "]";
  else
    authority_ = where_.host;
  if (where_.path.empty() && !default_port) authority_ += ":" + std::to_string(where_.port);
}

client_pool::~client_pool() { close_idle(); }

std::unique_ptr<client_connection> client_pool::take_idle() {
  if (idle_.empty()) return nullptr;
  auto connection = std::move(idle_.back());  // the one used last is the least likely to be stale
  idle_.pop_back();
  --stats_.idle;
  connection->watch.detach();
  connection->watch.unschedule();
  connection->reused = true;
  return connection;
}

task<result<std::unique_ptr<client_connection>>> client_pool::acquire(context ctx) {
  for (;;) {
    if (auto idle = take_idle()) co_return idle;
    if (open_ < options_.max_connections) break;
    if (waiters_.size() >= options_.max_waiting) {
      ++stats_.rejected;
      co_return fail(error{errc::resource_exhausted, "too many calls wait for a connection"}
                         .with_peer(authority_)
                         .with_remedy("raise max_connections or max_waiting, or send less")
                         .as_unprocessed());
    }
    ++stats_.waiting;
    const auto waited = co_await wait_operation{loop_, ctx, waiters_, false};
    --stats_.waiting;
    if (!waited) co_return fail(waited.error().with_peer(authority_).as_unprocessed());
  }
  co_return co_await connect(std::move(ctx));
}

task<result<std::unique_ptr<client_connection>>> client_pool::acquire_fresh(context ctx) {
  // The others went stale together with the one that was tried.
  close_idle();
  return acquire(std::move(ctx));
}

task<result<std::unique_ptr<client_connection>>> client_pool::connect(context ctx) {
  struct reservation {
    explicit reservation(client_pool& p) : pool{p} { ++pool.open_; }
    ~reservation() {
      if (!kept) pool.ended();
    }
    client_pool& pool;
    bool kept = false;
  } reserved{*this};
  ++stats_.connects;
  auto wire = co_await net::dial(loop_, ctx.with_timeout(loop_, options_.connect_timeout), where_,
                                 {.tls = options_.tls, .attempt_timeout = options_.connect_timeout});
  if (!wire) {
    ++stats_.connect_failures;
    // Ran out of connect_timeout rather than of the caller's time: the host is unreachable, and another may not be.
    if (wire.error().code() == errc::deadline_exceeded && loop_.now() < ctx.deadline())
      co_return fail(error{
          errc::unavailable,
          "no connection within " +
              std::to_string(std::chrono::duration_cast<std::chrono::milliseconds>(options_.connect_timeout).count()) +
              " ms"}
                         .with_peer(authority_)
                         .as_unprocessed());
    co_return fail(wire.error().with_peer(authority_).as_unprocessed());
  }
  auto connection = std::make_unique<client_connection>(loop_, *std::move(wire), options_.limits);
  connection->watch.pool = this;
  reserved.kept = true;
  ++stats_.connections;
  co_return connection;
}

void client_pool::ended() noexcept {
  --open_;
  if (auto* first = waiters_.front(); first != nullptr) static_cast<wait_operation*>(first)->grant();
}

void client_pool::release(std::unique_ptr<client_connection> connection, fate f) {
  connection->guard.reset();
  connection->deadline.clear();
  if (f == fate::close || !connection->in.unread().empty()) {
    --stats_.connections;
    connection.reset();
    return ended();
  }
  connection->in.shrink();
  connection->idle_since = loop_.now();
  if (idle_.empty() && !armed()) loop_.arm(*this, loop_.now() + options_.idle_timeout);
  auto& kept = *connection;
  idle_.push_back(std::move(connection));
  ++stats_.idle;
  kept.wire->wait(io_direction::read, kept.watch);
  if (auto* first = waiters_.front(); first != nullptr) static_cast<wait_operation*>(first)->grant();
}

void client_pool::remove_idle(client_connection& connection) {
  const auto found = std::ranges::find(idle_, &connection, [](const auto& c) { return c.get(); });
  if (found == idle_.end()) return;
  const auto removed = std::move(*found);
  idle_.erase(found);
  --stats_.idle;
  --stats_.connections;
  ended();
}

void client_pool::close_idle() {
  for (const auto& connection : idle_) connection->watch.unschedule();
  stats_.idle -= idle_.size();
  stats_.connections -= idle_.size();
  open_ -= idle_.size();
  idle_.clear();
}

void client_pool::expire() {
  const auto limit = loop_.now() - options_.idle_timeout;
  const auto kept = std::ranges::find_if(idle_, [&](const auto& c) { return c->idle_since > limit; });
  const auto count = static_cast<std::size_t>(kept - idle_.begin());
  idle_.erase(idle_.begin(), kept);
  stats_.idle -= count;
  stats_.connections -= count;
  open_ -= count;
  if (!idle_.empty()) loop_.arm(*this, idle_.front()->idle_since + options_.idle_timeout);
}

}  // namespace weft::http
