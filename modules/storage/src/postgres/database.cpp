#include "listening.hpp"
#include "pool.hpp"
#include "sql_text.hpp"

#include <weft/base/replay.hpp>

#include <algorithm>

namespace weft::storage {

namespace {

std::string begin_statement(const transaction_options& options) {
  std::string sql = "BEGIN ISOLATION LEVEL ";
  switch (options.level) {
    case isolation::read_committed:
      sql += "READ COMMITTED";
      break;
    case isolation::repeatable_read:
      sql += "REPEATABLE READ";
      break;
    case isolation::serializable:
      sql += "SERIALIZABLE";
      break;
  }
  return sql + (options.mode == access::read_only ? " READ ONLY" : " READ WRITE");
}

class pg_transaction final : public transaction::session {
 public:
  pg_transaction(pg_lease lease, loop& l, transaction_options options)
      : lease_{std::move(lease)}, loop_{l}, options_{options} {}

  task<result<std::vector<rows>>> run(context ctx, std::vector<statement> batch) override {
    WEFT_CO_TRY_VOID(usable(ctx));
    auto unit = std::make_shared<pg_unit>(loop_);
    // BEGIN travels with the first statements.
    if (!std::exchange(begun_, true)) unit->begin = begin_statement(options_);
    unit->batch = std::move(batch);
    lease_->send(unit);
    WEFT_CO_TRY_VOID(co_await lease_->finish(std::move(ctx), unit, pg_connection::ending::cancellable));
    co_return std::move(unit->results);
  }

  task<result<>> commit(context ctx) override {
    WEFT_CO_TRY_VOID(usable(ctx));
    auto lease = std::exchange(lease_, {});
    if (!begun_) co_return result<>{};
    auto unit = std::make_shared<pg_unit>(loop_);
    unit->begin = "COMMIT";
    unit->when_lost = pg_unit::loss::unknown_outcome;
    lease->send(unit);
    WEFT_CO_TRY_VOID(co_await lease->finish(std::move(ctx), unit, pg_connection::ending::must_end));
    if (unit->last_tag != "COMMIT")
      co_return fail(error{errc::failed_precondition, "a statement of the transaction failed, and it was rolled back"});
    co_return result<>{};
  }

  task<result<>> rollback(context) override {
    auto lease = std::exchange(lease_, {});
    if (!lease || !begun_ || lease->broken()) co_return result<>{};
    auto unit = std::make_shared<pg_unit>(loop_);
    unit->begin = "ROLLBACK";
    lease->send(unit);
    // Whatever comes of it, the connection is only lent again when no transaction is open.
    static_cast<void>(co_await lease->finish(context{}, unit, pg_connection::ending::must_end));
    co_return result<>{};
  }

 private:
  [[nodiscard]] result<> usable(const context& ctx) const {
    if (!lease_) return fail(errc::failed_precondition, "the transaction has ended");
    return ctx.check(loop_.now());
  }

  pg_lease lease_;
  loop& loop_;
  transaction_options options_;
  bool begun_ = false;
};

class postgres_database_impl final : public postgres_database {
 public:
  explicit postgres_database_impl(std::shared_ptr<pg_pool> pool)
      : pool_{std::move(pool)}, listening_{std::make_shared<pg_listening>(*pool_)} {}
  ~postgres_database_impl() override {
    listening_->stop();
    pool_->refuse();
    pool_->drop_all();
  }

  engine kind() const noexcept override { return engine::postgres; }
  loop& owner() const noexcept override { return pool_->owner(); }
  figures statistics() const noexcept override { return pool_->statistics(); }

  task<result<transaction>> begin(context ctx, transaction_options options) override {
    WEFT_CO_TRY(auto lease, co_await pool_->acquire(std::move(ctx)));
    co_return transaction{std::make_unique<pg_transaction>(std::move(lease), owner(), options)};
  }

  result<std::unique_ptr<notification_listener>> listen(std::string channel) override {
    if (channel.empty() || channel.size() > 63 || channel.contains('\0'))
      return fail(errc::invalid_argument, "a channel's name has 1 to 63 bytes");
    return listening_->add(std::move(channel));
  }

  task<result<>> close() override {
    const auto pool = pool_;
    listening_->stop();
    pool->refuse();
    co_await pool->drain();
    co_return result<>{};
  }

 protected:
  task<result<std::vector<rows>>> run(context ctx, std::vector<statement> batch) override {
    const bool reads = std::ranges::all_of(batch, [](const statement& s) { return looks_reading(s.sql); });
    bool prepare = true, again = false;
    for (;;) {
      WEFT_CO_TRY(auto lease, co_await pool_->acquire(ctx));
      auto unit = std::make_shared<pg_unit>(owner());
      unit->batch = batch;
      unit->prepare = prepare;
      unit->when_lost = reads ? pg_unit::loss::reading : pg_unit::loss::unknown_outcome;
      lease->send(unit);
      auto done = co_await lease->finish(ctx, unit, pg_connection::ending::cancellable);
      if (done) co_return std::move(unit->results);
      // The server has undone it, since a statement was not prepared as it should be; without preparing it works.
      if (unit->stale && std::exchange(prepare, false)) continue;
      // Whatever a statement looks like, it may write; so again only where it was never sent.
      if (lease->broken() && may_send_again(replay::unsafe, effect_of(done.error())) && !std::exchange(again, true))
        continue;
      co_return fail(done.error());
    }
  }

 private:
  std::shared_ptr<pg_pool> pool_;
  std::shared_ptr<pg_listening> listening_;
};

}  // namespace

task<result<>> postgres_database::notify(context ctx, std::string channel, std::string payload) {
  parameters values{std::move(channel), std::move(payload)};
  WEFT_CO_TRY_VOID(co_await query(std::move(ctx), "SELECT pg_notify($1, $2)", std::move(values)));
  co_return result<>{};
}

task<result<std::unique_ptr<postgres_database>>> open_postgres(loop& l, context ctx, postgres_options options) {
  if (options.connections == 0 || options.queue == 0 || options.notifications == 0)
    co_return fail(errc::invalid_argument, "connections, queue and notifications must be at least 1");
  WEFT_CO_TRY(auto target, parse_target(options));
  const auto pool = std::make_shared<pg_pool>(l, std::move(options), std::move(target));
  auto made = std::make_unique<postgres_database_impl>(pool);
  WEFT_CO_TRY_VOID(co_await pool->acquire(std::move(ctx)));  // and given back at once
  co_return made;
}

}  // namespace weft::storage
