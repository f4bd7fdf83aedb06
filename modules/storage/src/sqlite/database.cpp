#include "engine.hpp"
#include "sql_text.hpp"

#include <weft/runtime/blocking.hpp>

#include <algorithm>

namespace weft::storage {

namespace {

result<std::vector<rows>> run_all(sqlite_connection& c, const std::vector<statement>& batch) {
  std::vector<rows> all;
  all.reserve(batch.size());
  for (std::size_t i = 0; i < batch.size(); ++i) {
    auto one = c.run(batch[i].sql, batch[i].values);
    if (!one) {
      if (batch.size() == 1) return fail(one.error());
      return fail(
          one.error().with_operation("statement " + std::to_string(i + 1) + " of " + std::to_string(batch.size())));
    }
    all.push_back(*std::move(one));
  }
  return all;
}

error not_open() { return error{errc::failed_precondition, "the transaction has ended"}; }

class sqlite_transaction final : public transaction::session {
 public:
  sqlite_transaction(std::shared_ptr<sqlite_engine> e, sqlite_lane& lane, access mode)
      : engine_{std::move(e)}, lane_{&lane}, mode_{mode} {}
  ~sqlite_transaction() override { end(); }

  task<result<std::vector<rows>>> run(context ctx, std::vector<statement> batch) override {
    if (lane_ == nullptr) co_return fail(not_open());
    WEFT_CO_TRY_VOID(ctx.check(engine_->owner().now()));
    // What it touches is shared, for this object may be gone before the work is done.
    auto out = std::make_shared<std::vector<rows>>();
    auto work = [failed = failed(), mode = mode_, batch = std::move(batch), out](sqlite_connection& c) -> result<> {
      const reading_guard guard{c, mode};
      auto done = ready(c, *failed, mode);
      if (done) {
        auto all = run_all(c, batch);
        if (all)
          *out = *std::move(all);
        else
          done = fail(all.error());
      }
      if (!done) *failed = true;  // seen by what runs behind it, before its awaiter knows
      return done;
    };
    // One that is given up before it began is not carried out, and what stands behind it must know.
    struct guard {
      failure_flag failed;
      bool done = false;
      ~guard() {
        if (!done) *failed = true;
      }
    } carried_out{failed()};
    WEFT_CO_TRY_VOID(co_await sqlite_engine::run_held(engine_, std::move(ctx), *lane_, std::move(work),
                                                      sqlite_engine::ending::interruptible));
    carried_out.done = true;
    co_return std::move(*out);
  }

  // Not cut short by the context once it has begun.
  task<result<>> commit(context ctx) override {
    if (lane_ == nullptr) co_return fail(not_open());
    WEFT_CO_TRY_VOID(ctx.check(engine_->owner().now()));
    auto work = [failed = failed()](sqlite_connection& c) -> result<> {
      if (*failed) return fail(failed_before());
      if (!c.in_transaction()) return {};  // nothing was done in it
      return c.control_prepared("COMMIT");
    };
    auto& lane = *lane_;
    auto done =
        co_await sqlite_engine::run_held(engine_, context{}, lane, std::move(work), sqlite_engine::ending::must_end);
    end();
    co_return done;
  }

  task<result<>> rollback(context) override {
    if (lane_ == nullptr) co_return result<>{};
    auto& lane = *lane_;
    auto done = co_await sqlite_engine::run_held(
        engine_, context{}, lane,
        [](sqlite_connection& c) -> result<> {
          if (c.in_transaction()) return c.control_prepared("ROLLBACK");
          return {};
        },
        sqlite_engine::ending::must_end);
    end();
    co_return done;
  }

 private:
  // A connection that may write serves reading transactions too, where it is the only one.
  struct reading_guard {
    sqlite_connection& connection;
    reading_guard(sqlite_connection& c, access mode) : connection{c} { c.only_reading(mode == access::read_only); }
    ~reading_guard() { connection.only_reading(false); }
  };
  static error failed_before() {
    return error{errc::failed_precondition, "a statement of the transaction failed before"}.with_remedy(
        "roll it back, and run it again from the start");
  }
  static result<> ready(sqlite_connection& c, const std::atomic<bool>& failed, access mode) {
    if (failed) return fail(failed_before());
    if (c.in_transaction()) return {};
    if (auto begun = c.control_prepared(mode == access::read_only ? "BEGIN" : "BEGIN IMMEDIATE"); !begun)
      return fail(begun.error().as_unprocessed());
    return {};
  }
  void end() {
    if (lane_ != nullptr) engine_->release(*std::exchange(lane_, nullptr));
  }

  std::shared_ptr<sqlite_engine> engine_;
  sqlite_lane* lane_;
  access mode_;
};

class sqlite_database_impl final : public sqlite_database {
 public:
  explicit sqlite_database_impl(std::shared_ptr<sqlite_engine> e) : engine_{std::move(e)} {}
  ~sqlite_database_impl() override { engine_->refuse(); }

  engine kind() const noexcept override { return engine::sqlite; }
  loop& owner() const noexcept override { return engine_->owner(); }

  task<result<>> write(context ctx, closure work) override {
    return sqlite_engine::write(
        engine_, std::move(ctx), [work = std::move(work)](sqlite_connection& c) mutable { return work(c); },
        sqlite_engine::repeating::refused);
  }
  task<result<>> read(context ctx, closure work) override {
    return sqlite_engine::read(engine_, std::move(ctx),
                               [work = std::move(work)](sqlite_connection& c) mutable { return work(c); });
  }

  task<result<transaction>> begin(context ctx, transaction_options options) override {
    auto engine = engine_;
    WEFT_CO_TRY(auto* lane, co_await sqlite_engine::hold(engine, std::move(ctx), options.mode));
    co_return transaction{std::make_unique<sqlite_transaction>(engine, *lane, options.mode)};
  }

  task<result<>> close() override {
    auto engine = engine_;
    engine->refuse();
    while (!engine->idle()) {
      engine->quiet().reset();
      WEFT_CO_TRY_VOID(co_await engine->quiet().wait(context{}));
    }
    co_await blocking(engine->owner(), [held = engine]() mutable {
      held->disconnect();
      held.reset();  // not the last one to go, on the pool's thread
    });
    co_return result<>{};
  }

  figures statistics() const noexcept override { return engine_->statistics(); }

 protected:
  task<result<std::vector<rows>>> run(context ctx, std::vector<statement> batch) override {
    struct shared {
      std::vector<statement> batch;
      std::vector<rows> out;
      bool writes = false;
    };
    auto engine = engine_;
    auto state = std::make_shared<shared>(std::move(batch));
    if (std::ranges::all_of(state->batch, [](const statement& s) { return looks_reading(s.sql); })) {
      auto done = co_await sqlite_engine::read(engine, ctx, [state](sqlite_connection& c) -> result<> {
        auto all = run_all(c, state->batch);
        state->writes = c.met_write();
        if (!all) return fail(all.error());
        state->out = *std::move(all);
        return {};
      });
      if (done) co_return std::move(state->out);
      if (!state->writes) co_return fail(done.error());
    }
    WEFT_CO_TRY_VOID(co_await sqlite_engine::write(
        engine, ctx,
        [state](sqlite_connection& c) -> result<> {
          WEFT_TRY(state->out, run_all(c, state->batch));
          return {};
        },
        sqlite_engine::repeating::allowed));
    co_return std::move(state->out);
  }

 private:
  std::shared_ptr<sqlite_engine> engine_;
};

}  // namespace

task<result<std::unique_ptr<sqlite_database>>> open_sqlite(loop& l, sqlite_options options) {
  auto engine = std::make_shared<sqlite_engine>(l, std::move(options));
  WEFT_CO_TRY_VOID(co_await blocking(l, [held = engine]() mutable {
    auto opened = held->open();
    held.reset();  // not the last one to go, on the pool's thread
    return opened;
  }));
  co_return std::make_unique<sqlite_database_impl>(std::move(engine));
}

}  // namespace weft::storage
