#include "engine.hpp"
#include "log_rewriting.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace weft::storage {

namespace {

error closed() { return error{errc::failed_precondition, "the database is closed"}.as_unprocessed(); }

// A lock file beside the database, for as long as it is open: SQLite's own locks allow several processes.
result<int> lock_for_one_process(const std::string& path) {
  const auto name = path + "-lock";
  const int descriptor = ::open(name.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0640);
  if (descriptor < 0)
    return fail(file_failure(errno, "opening " + name).with_remedy("see whether the folder exists and may be written"));
  if (::flock(descriptor, LOCK_EX | LOCK_NB) == 0) return descriptor;
  ::close(descriptor);
  return fail(error{errc::failed_precondition, "the database " + path + " is in use"}.with_remedy(
      "one process, with one database object, may have it open: stop the other one, or ask it"));
}

}  // namespace

sqlite_engine::sqlite_engine(loop& l, sqlite_options options)
    : loop_{l}, options_{std::move(options)}, writes_{l}, reads_{l}, quiet_{l} {}

sqlite_engine::~sqlite_engine() { disconnect(); }

result<> sqlite_engine::open() {
  const bool in_memory = options_.path == ":memory:";
  if (options_.path.empty() || options_.path.starts_with("file:"))
    return fail(error{errc::invalid_argument, "the path of the database is '" + options_.path + "'"}.with_remedy(
        "a plain path, or :memory:"));
  if (options_.group == 0 || options_.queue == 0 || options_.checkpoint_pages <= 0)
    return fail(errc::invalid_argument, "group, queue and checkpoint_pages must be at least 1");
  if (!in_memory && options_.disk != nullptr) vfs_ = std::make_unique<sqlite_vfs>(*options_.disk, loop_);
  if (!in_memory && options_.disk == nullptr) {
    WEFT_TRY(lock_, lock_for_one_process(options_.path));
  }
  return connect();
}

result<> sqlite_engine::connect() {
  const bool in_memory = options_.path == ":memory:";
  if (!in_memory) WEFT_TRY_VOID(rewrite_log(options_.path, options_.disk));
  const char* vfs = vfs_ ? vfs_->name() : nullptr;
  const bool alone = in_memory || options_.disk != nullptr || options_.readers == 0;
  using role = sqlite_connection::role;
  WEFT_TRY(auto writing, sqlite_connection::open(options_, vfs, alone ? role::only : role::writer));
  if (!writer_) writer_ = std::make_unique<sqlite_lane>(nullptr);
  writer_->connection = std::move(writing);
  if (readers_.empty() && !alone)
    for (unsigned i = 0; i < options_.readers; ++i) readers_.push_back(std::make_unique<sqlite_lane>(nullptr));
  for (auto& lane : readers_) {
    WEFT_TRY(lane->connection, sqlite_connection::open(options_, vfs, role::reader));
  }
  return {};
}

result<> sqlite_engine::reopen() {
  for (auto& lane : readers_) lane->connection.reset();
  writer_->connection.reset();  // leaves the log as it is
  WEFT_TRY_VOID(connect());
  suspect_ = false;
  return {};
}

void sqlite_engine::disconnect() {
  readers_.clear();
  writer_.reset();
  vfs_.reset();
  if (lock_ >= 0) ::close(std::exchange(lock_, -1));
}

// ---- awaiting
// ---------------------------------------------------------------------------------------------------------

// Whatever ends the wait, also the destruction of the awaiting frame, is told to the call.
class sqlite_engine::pending {
 public:
  // `waits_in`: the queue that the call waits in, which is not to count it once nobody wants it; null: none.
  pending(sqlite_call_ref call, queue* waits_in) : call_{std::move(call)}, queue_{waits_in} {}
  pending(const pending&) = delete;
  pending& operator=(const pending&) = delete;
  ~pending() { give_up(); }

  // True when it had not begun, and never will.
  bool give_up() {
    if (call_->where == sqlite_call::state::waiting) {
      call_->where = sqlite_call::state::abandoned;
      call_->work = nullptr;
      if (queue_ != nullptr && std::erase(queue_->calls, call_) > 0) queue_->room.set();
      return true;
    }
    if (call_->where == sqlite_call::state::running && call_->interruptible) call_->interrupted = true;
    return call_->where == sqlite_call::state::abandoned;
  }

  // Ok when it has ended by itself.
  task<result<>> end(context ctx) {
    auto waited = co_await call_->done.wait(ctx);
    if (waited) co_return result<>{};
    if (give_up()) co_return fail(waited.error().as_unprocessed());
    static_cast<void>(co_await call_->done.wait(context{}));
    if (call_->interruptible && !call_->outcome && call_->outcome.error().code() == errc::cancelled)
      call_->outcome = waited;
    co_return result<>{};
  }

 private:
  sqlite_call_ref call_;
  queue* queue_;
};

task<result<>> sqlite_engine::enter(std::shared_ptr<sqlite_engine> self, context ctx, queue& q, sqlite_call_ref call) {
  if (auto alive = ctx.check(self->loop_.now()); !alive) co_return fail(alive.error().as_unprocessed());
  while (!self->closed_ && q.calls.size() >= self->options_.queue) {
    q.room.reset();
    if (auto let_in = co_await q.room.wait(ctx); !let_in) co_return fail(let_in.error().as_unprocessed());
  }
  if (self->closed_) co_return fail(closed());
  q.calls.push_back(call);
  self->start_soon();
  pending waiting{call, &q};
  WEFT_CO_TRY_VOID(co_await waiting.end(ctx));
  if (call->problem) std::rethrow_exception(call->problem);
  co_return call->outcome;
}

task<result<>> sqlite_engine::write(std::shared_ptr<sqlite_engine> self, context ctx, sqlite_call::function work,
                                    repeating may_repeat) {
  auto call = std::make_shared<sqlite_call>(self->loop_, std::move(work));
  call->repeatable = may_repeat == repeating::allowed;
  auto& q = self->writes_;
  co_return co_await enter(std::move(self), std::move(ctx), q, std::move(call));
}

task<result<>> sqlite_engine::read(std::shared_ptr<sqlite_engine> self, context ctx, sqlite_call::function work) {
  auto call = std::make_shared<sqlite_call>(self->loop_, std::move(work));
  auto& q = self->queue_for(access::read_only);
  call->interruptible = &q == &self->reads_;
  call->reading = call->repeatable = true;
  co_return co_await enter(std::move(self), std::move(ctx), q, std::move(call));
}

task<result<sqlite_lane*>> sqlite_engine::hold(std::shared_ptr<sqlite_engine> self, context ctx, access mode) {
  auto call = std::make_shared<sqlite_call>(self->loop_, nullptr);
  // The frame may be destroyed between the grant and its resumption.
  struct give_back {
    sqlite_engine& engine;
    sqlite_call& call;
    ~give_back() {
      if (call.lane != nullptr) engine.release(*call.lane);
    }
  } guard{*self, *call};
  WEFT_CO_TRY_VOID(co_await enter(self, std::move(ctx), self->queue_for(mode), call));
  co_return std::exchange(call->lane, nullptr);
}

task<result<>> sqlite_engine::run_held(std::shared_ptr<sqlite_engine> self, context ctx, sqlite_lane& lane,
                                       sqlite_call::function work, ending how) {
  auto call = std::make_shared<sqlite_call>(self->loop_, std::move(work));
  call->interruptible = how == ending::interruptible;
  lane.held.push_back(call);
  self->start_held(lane);
  pending waiting{call, nullptr};
  WEFT_CO_TRY_VOID(co_await waiting.end(std::move(ctx)));
  if (call->problem) std::rethrow_exception(call->problem);
  co_return call->outcome;
}

// What is offloaded refers to the engine by pointer, and what comes back holds it: so the last reference is never
// dropped on the pool's thread.

// ---- starting
// ---------------------------------------------------------------------------------------------------------

void sqlite_engine::run() {
  if (suspect_) return start_reopening();
  start_writes();
  start_reads();
}

// Once nothing runs and no transaction holds a connection.
void sqlite_engine::start_reopening() {
  if (!writer_ || !idle()) return;
  reopening_ = true;
  auto outcome = std::make_shared<result<>>(fail(errc::internal, "reopening did not come to its end"));
  loop_.offload([this, at = outcome.get()] { *at = reopen(); },
                [self = shared_from_this(), outcome] {
                  self->reopening_ = false;
                  if (*outcome)
                    self->start_soon();
                  else
                    self->fail_waiting(outcome->error());  // the next call tries again
                  if (self->closed_ && self->idle()) self->quiet_.set();
                });
}

void sqlite_engine::look_for_failed_sync(const sqlite_lane& lane) {
  if (lane.connection && lane.connection->sync_failed()) suspect_ = true;
}

// The next call that is still wanted; null when there is none.
sqlite_call_ref sqlite_engine::take(queue& q) {
  while (!q.calls.empty()) {
    auto call = std::move(q.calls.front());
    q.calls.pop_front();
    q.room.set();
    if (call->where == sqlite_call::state::waiting) return call;
  }
  return nullptr;
}

void sqlite_engine::finish(sqlite_call& call) {
  call.where = sqlite_call::state::finished;
  call.work = nullptr;
  call.done.set();
}

void sqlite_engine::start_writes() {
  if (!writer_ || writer_->busy) return;
  std::vector<sqlite_call_ref> group;
  while (group.size() < options_.group) {
    auto call = take(writes_);
    if (!call) break;
    if (!call->work && !group.empty()) {  // a transaction comes after the group
      writes_.calls.push_front(std::move(call));
      break;
    }
    call->where = sqlite_call::state::running;
    const bool holds = !call->work;
    group.push_back(std::move(call));
    if (holds) break;
  }
  figures_.waiting = writes_.calls.size();
  if (group.empty()) {
    if (idle()) quiet_.set();
    return;
  }
  writer_->busy = true;
  if (!group.front()->work) {
    group.front()->lane = writer_.get();
    finish(*group.front());
    return;
  }
  auto shared = std::make_shared<std::vector<sqlite_call_ref>>(std::move(group));
  auto commits = std::make_shared<std::size_t>(0);
  loop_.offload([at = writer_.get(), group_ = shared.get(),
                 count = commits.get()]() noexcept { *count = run_group(*at->connection, *group_); },
                [self = shared_from_this(), shared, commits] {
                  self->figures_.commits += *commits;
                  for (auto& call : *shared) {
                    if (call->outcome) ++self->figures_.writes;
                    self->finish(*call);
                  }
                  self->look_for_failed_sync(*self->writer_);
                  self->free(*self->writer_);
                });
}

void sqlite_engine::start_reads() {
  for (auto& lane : readers_) {
    if (lane->busy) continue;
    auto call = take(reads_);
    if (!call) return;
    lane->busy = true;
    call->where = sqlite_call::state::running;
    if (!call->work) {
      call->lane = lane.get();
      finish(*call);
      continue;
    }
    loop_.offload(
        [call = call.get(), at = lane.get()] {
          auto& c = *at->connection;
          c.interrupt_by(&call->interrupted);
          try {
            call->outcome = c.control_prepared("BEGIN");
            if (call->outcome) call->outcome = call->work(c);
          } catch (...) {
            call->problem = std::current_exception();
          }
          c.interrupt_by(nullptr);
          if (c.in_transaction()) static_cast<void>(c.control_prepared("ROLLBACK"));
        },
        [self = shared_from_this(), call, at = lane.get()] {
          self->finish(*call);
          self->free(*at);
        });
  }
}

void sqlite_engine::start_held(sqlite_lane& lane) {
  if (lane.held_running) return;
  while (!lane.held.empty() && lane.held.front()->where != sqlite_call::state::waiting) lane.held.pop_front();
  if (lane.held.empty()) {
    if (lane.giving_back) {
      lane.giving_back = false;
      free(lane);
    }
    return;
  }
  auto call = std::move(lane.held.front());
  lane.held.pop_front();
  lane.held_running = true;
  call->where = sqlite_call::state::running;
  loop_.offload(
      [call = call.get(), &lane] {
        lane.connection->interrupt_by(call->interruptible ? &call->interrupted : nullptr);
        try {
          call->outcome = call->work(*lane.connection);
        } catch (...) {
          call->problem = std::current_exception();
        }
        lane.connection->interrupt_by(nullptr);
      },
      [self = shared_from_this(), call, &lane] {
        lane.held_running = false;
        self->look_for_failed_sync(lane);
        self->finish(*call);
        self->start_held(lane);
      });
}

void sqlite_engine::release(sqlite_lane& lane) {
  lane.giving_back = true;
  lane.held.push_back(std::make_shared<sqlite_call>(loop_, [](sqlite_connection& c) -> result<> {
    if (c.in_transaction()) return c.control_prepared("ROLLBACK");
    return {};
  }));
  start_held(lane);
}

void sqlite_engine::free(sqlite_lane& lane) {
  lane.busy = false;
  start_soon();
  if (closed_ && idle()) quiet_.set();
}

void sqlite_engine::refuse() noexcept {
  closed_ = true;
  fail_waiting(closed());
  if (idle()) quiet_.set();
}

void sqlite_engine::fail_waiting(const error& why) {
  for (auto* q : {&writes_, &reads_}) {
    while (auto call = take(*q)) {
      call->outcome = fail(why.as_unprocessed());
      finish(*call);
    }
    q->room.set();
  }
}

bool sqlite_engine::idle() const noexcept {
  return !reopening_ && (!writer_ || !writer_->busy) &&
         std::ranges::none_of(readers_, [](const auto& lane) { return lane->busy; });
}

}  // namespace weft::storage
