#pragma once
// Connections: opened when someone waits, lent to one at a time, replaced when they break.
#include "connection.hpp"

#include <weft/runtime/backoff.hpp>
#include <weft/storage/postgres.hpp>

#include <algorithm>
#include <deque>
#include <memory>
#include <vector>

namespace weft::storage {

class pg_pool;

// A connection on loan; destroying it gives it back.
class pg_lease {
 public:
  pg_lease() = default;
  pg_lease(std::shared_ptr<pg_pool> pool, std::shared_ptr<pg_connection> connection) noexcept
      : pool_{std::move(pool)}, connection_{std::move(connection)} {}
  pg_lease(pg_lease&&) noexcept = default;
  pg_lease& operator=(pg_lease&& other) noexcept {
    give_back();
    pool_ = std::move(other.pool_);
    connection_ = std::move(other.connection_);
    return *this;
  }
  ~pg_lease() { give_back(); }
  void give_back() noexcept;
  [[nodiscard]] explicit operator bool() const noexcept { return connection_ != nullptr; }
  pg_connection* operator->() const noexcept { return connection_.get(); }

 private:
  std::shared_ptr<pg_pool> pool_;
  std::shared_ptr<pg_connection> connection_;
};

class pg_pool final : public std::enable_shared_from_this<pg_pool> {
 public:
  pg_pool(loop& l, postgres_options options, pg_target target);

  task<result<pg_lease>> acquire(context ctx);
  // One that is not of the pool's number.
  task<result<std::shared_ptr<pg_connection>>> connect(context ctx, std::function<void()> on_broken);
  void refuse();       // who waits, and who comes
  task<void> drain();  // until every connection is back; then they are closed
  void drop_all();     // now

  [[nodiscard]] loop& owner() noexcept { return loop_; }
  [[nodiscard]] const postgres_options& options() const noexcept { return options_; }
  [[nodiscard]] task_group& tasks() noexcept { return *tasks_; }
  [[nodiscard]] postgres_database::figures statistics() const noexcept;
  // Between tries to connect.
  [[nodiscard]] backoff_options delays() const noexcept {
    return {.initial = std::min<duration>(std::chrono::milliseconds{50}, options_.longest_pause),
            .max = options_.longest_pause};
  }

 private:
  friend class pg_lease;
  struct waiter {
    explicit waiter(loop& l) : done{l} {}
    event done;
    bool finished = false;
    std::shared_ptr<pg_connection> granted;
    result<> outcome;
  };
  using waiter_ref = std::shared_ptr<waiter>;

  void give_back(std::shared_ptr<pg_connection> c);
  void offer(std::shared_ptr<pg_connection> c);
  void connect_more();
  void lost(const pg_connection& c);
  void leave(const waiter_ref& w);
  waiter_ref next_waiter();
  void fail_waiters(const error& why);
  static task<void> open_one(std::shared_ptr<pg_pool> self);
  static task<void> tidy(std::shared_ptr<pg_pool> self, std::shared_ptr<pg_connection> c);

  loop& loop_;
  postgres_options options_;
  pg_target target_;
  pg_connection::pooler_seen pooler_;
  std::unique_ptr<task_group> tasks_;
  std::vector<std::shared_ptr<pg_connection>> all_, idle_;
  std::deque<waiter_ref> waiting_;
  event back_;
  std::size_t connecting_ = 0;
  backoff delays_;
  steady_time try_again_{};
  bool closed_ = false;
  postgres_database::figures figures_;
};

}  // namespace weft::storage
