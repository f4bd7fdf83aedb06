#include "pool.hpp"

#include <weft/base/saturating.hpp>
#include <weft/runtime/sleep.hpp>

#include <algorithm>

namespace weft::storage {

namespace {
error closed() { return error{errc::failed_precondition, "the database is closed"}.as_unprocessed(); }
}  // namespace

void pg_lease::give_back() noexcept {
  if (connection_) std::exchange(pool_, nullptr)->give_back(std::exchange(connection_, nullptr));
}

pg_pool::pg_pool(loop& l, postgres_options options, pg_target target)
    : loop_{l},
      options_{std::move(options)},
      target_{std::move(target)},
      tasks_{std::make_unique<task_group>(l)},
      back_{l},
      delays_{delays()} {}

postgres_database::figures pg_pool::statistics() const noexcept {
  auto now = figures_;
  now.open = all_.size();
  now.idle = idle_.size();
  now.waiting = waiting_.size();
  return now;
}

// ---- lending
// ----------------------------------------------------------------------------------------------------------

task<result<pg_lease>> pg_pool::acquire(context ctx) {
  const auto self = shared_from_this();
  if (auto alive = ctx.check(loop_.now()); !alive) co_return fail(alive.error().as_unprocessed());
  if (closed_) co_return fail(closed());
  while (!idle_.empty()) {
    auto c = std::move(idle_.back());  // the one that is warm
    idle_.pop_back();
    // It may have died without the loop having noticed yet. Once something was sent nobody could tell what came of it.
    if (c->check_idle()) co_return pg_lease{self, std::move(c)};
  }
  if (waiting_.size() >= options_.queue)
    co_return fail(error{errc::resource_exhausted, "too many wait for a connection"}
                       .with_remedy("more connections, or fewer callers at once")
                       .as_unprocessed());
  auto w = std::make_shared<waiter>(loop_);
  waiting_.push_back(w);
  // Also when the frame is destroyed: while it waits, or between the grant and its resumption.
  struct leave_at_exit {
    pg_pool& pool;
    const waiter_ref& w;
    ~leave_at_exit() { pool.leave(w); }
  } on_exit{*this, w};
  connect_more();
  if (auto waited = co_await w->done.wait(ctx); !waited && !w->finished)
    co_return fail(waited.error().with_operation("waiting for a connection").as_unprocessed());
  if (!w->outcome) co_return fail(w->outcome.error());
  co_return pg_lease{self, std::exchange(w->granted, nullptr)};
}

void pg_pool::leave(const waiter_ref& w) {
  if (!w->finished) std::erase(waiting_, w);
  if (w->granted) give_back(std::exchange(w->granted, nullptr));
}

pg_pool::waiter_ref pg_pool::next_waiter() {
  if (waiting_.empty()) return nullptr;
  auto w = std::move(waiting_.front());
  waiting_.pop_front();
  return w;
}

void pg_pool::give_back(std::shared_ptr<pg_connection> c) {
  if (c->broken() || !tasks_) return;
  if (c->proven()) delays_.succeeded(loop_.now());
  if (c->settled()) return offer(std::move(c));
  tasks_->spawn(tidy(shared_from_this(), std::move(c)));
}

task<void> pg_pool::tidy(std::shared_ptr<pg_pool> self, std::shared_ptr<pg_connection> c) {
  co_await c->settle();
  if (!c->broken()) self->offer(std::move(c));
}

void pg_pool::offer(std::shared_ptr<pg_connection> c) {
  if (auto w = next_waiter()) {
    w->granted = std::move(c);
    w->finished = true;
    w->done.set();
    return;
  }
  idle_.push_back(std::move(c));
  back_.pulse();
}

void pg_pool::lost(const pg_connection& c) {
  const auto same = [&c](const auto& each) { return each.get() == &c; };
  std::erase_if(idle_, same);
  std::erase_if(all_, same);
  ++figures_.broken;
  // A server that takes connections and ends them at once is not asked faster and faster.
  if (!c.proven()) try_again_ = later(loop_.now(), delays_.next(loop_.now(), loop_.random()));
  back_.pulse();
  connect_more();
}

// ---- connecting
// -------------------------------------------------------------------------------------------------------

void pg_pool::connect_more() {
  while (!closed_ && connecting_ < waiting_.size() && all_.size() + connecting_ < options_.connections) {
    ++connecting_;
    tasks_->spawn(open_one(shared_from_this()));
  }
}

task<result<std::shared_ptr<pg_connection>>> pg_pool::connect(context ctx, std::function<void()> on_broken) {
  const auto self = shared_from_this();
  WEFT_CO_TRY(auto session, co_await connect_to(loop_, ctx.with_timeout(loop_, options_.connect_timeout), target_));
  auto c = std::make_shared<pg_connection>(loop_, std::move(session), options_, pooler_, target_.describe());
  WEFT_CO_TRY_VOID(c->start(*tasks_, std::move(on_broken)));
  ++figures_.connected;
  co_return c;
}

task<void> pg_pool::open_one(std::shared_ptr<pg_pool> self) {
  auto ctx = self->tasks_->derive(context{});
  result<std::shared_ptr<pg_connection>> made = fail(errc::cancelled, "the database was closed");
  if (co_await sleep(self->loop_, ctx, self->try_again_)) {
    // The connection knows its own end, and the pool knows it by this.
    auto where = std::make_shared<const pg_connection*>(nullptr);
    made = co_await self->connect(ctx, [pool = self.get(), where] {
      if (*where != nullptr) pool->lost(**where);
    });
    if (made && (*made)->broken()) made = fail(errc::unavailable, "the connection broke as soon as it was made");
    if (made) *where = made->get();
  }
  --self->connecting_;
  if (made) {
    self->all_.push_back(*made);
    self->offer(*std::move(made));
    co_return;
  }
  self->try_again_ = later(self->loop_.now(), self->delays_.next(self->loop_.now(), self->loop_.random()));
  // As long as others are open one of them will come back.
  if (self->all_.empty()) self->fail_waiters(made.error());
  self->connect_more();
}

void pg_pool::fail_waiters(const error& why) {
  while (auto w = next_waiter()) {
    w->outcome = fail(why);
    w->finished = true;
    w->done.set();
  }
}

// ---- closing
// ----------------------------------------------------------------------------------------------------------

void pg_pool::refuse() {
  closed_ = true;
  fail_waiters(closed());
}

task<void> pg_pool::drain() {
  const auto self = shared_from_this();
  while (idle_.size() < all_.size() && co_await back_.wait(context{})) {
  }
  drop_all();
}

void pg_pool::drop_all() {
  const auto doomed = std::exchange(tasks_, nullptr);  // whose frames may call back
  idle_.clear();
  // A connection that somebody still holds spawns nothing more.
  for (const auto& c : std::exchange(all_, {})) c->break_with(closed());
}

}  // namespace weft::storage
