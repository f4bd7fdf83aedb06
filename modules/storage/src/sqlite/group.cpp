// Group commit: many callers, one transaction, one fsync.
#include "engine.hpp"

namespace weft::storage {

namespace {

result<> call_guarded(sqlite_connection& c, sqlite_call& call) {
  struct guard {
    sqlite_connection& connection;
    guard(sqlite_connection& on, bool reading) : connection{on} {
      connection.only_reading(reading);
      connection.only_within_transaction(true);
    }
    ~guard() {
      connection.only_reading(false);
      connection.only_within_transaction(false);
    }
  } within{c, call.reading};
  call.problem = nullptr;
  try {
    return call.work(c);
  } catch (...) {  // a bug of the caller, who gets it back; the others of the group do not notice
    call.problem = std::current_exception();
    return fail(errc::internal, "the work ended with an exception");
  }
}

void undo(sqlite_connection& c) {
  if (c.in_transaction()) static_cast<void>(c.control_prepared("ROLLBACK"));
}

class group_run {
 public:
  explicit group_run(sqlite_connection& c) : connection_{c} {}

  void run(std::span<const sqlite_call_ref> group) {
    if (group.size() == 1) return run_alone(*group.front());
    connection_.shared(true);
    for (const auto& call : group) {
      if (!begin(*call)) continue;
      call->outcome = in_savepoint(*call);
      if (call->outcome)
        kept_.push_back(call.get());
      else if (!connection_.in_transaction())
        broken_by(call->outcome.error());
    }
    connection_.shared(false);
    commit();
    for (auto* call : alone_) run_alone(*call);
  }
  [[nodiscard]] std::size_t commits() const noexcept { return commits_; }

 private:
  bool begin(sqlite_call& call) {
    if (connection_.in_transaction()) return true;
    const auto begun = connection_.control_prepared("BEGIN IMMEDIATE");
    if (!begun) call.outcome = fail(begun.error().as_unprocessed());
    return begun.has_value();
  }

  void run_alone(sqlite_call& call) {
    if (!begin(call)) return;
    call.outcome = call_guarded(connection_, call);
    if (!call.outcome) return undo(connection_);
    if (!connection_.in_transaction()) {
      call.outcome = fail(errc::aborted, "the transaction ended while it was used");
      return;
    }
    kept_.push_back(&call);
    commit();
  }

  result<> in_savepoint(sqlite_call& call) {
    WEFT_TRY_VOID(connection_.control_prepared("SAVEPOINT one"));
    auto done = call_guarded(connection_, call);
    if (connection_.met_rollback()) {
      alone_.push_back(&call);
      if (done) done = fail(errc::aborted, "it runs again, alone");
    }
    if (!connection_.in_transaction()) {  // SQLite undid everything: no space, a failing device, RAISE(ROLLBACK)
      if (done) done = fail(errc::aborted, "the transaction ended while it was used");
      return done;
    }
    if (!done) WEFT_TRY_VOID(connection_.control_prepared("ROLLBACK TO one"));
    WEFT_TRY_VOID(connection_.control_prepared("RELEASE one"));
    return done;
  }

  // What came before it in the transaction is undone too, and has a turn of its own where that is possible.
  void broken_by(const error& cause) {
    for (auto* call : kept_) {
      if (call->repeatable) {
        alone_.push_back(call);
        continue;
      }
      call->outcome =
          fail(error{errc::aborted, "another write of the same commit ended the transaction: " + cause.describe()}
                   .as_unprocessed());
    }
    kept_.clear();
  }

  void commit() {
    if (connection_.in_transaction()) {
      if (auto committed = connection_.control_prepared("COMMIT"); !committed) {
        undo(connection_);
        for (auto* call : kept_) call->outcome = committed;
      } else {
        ++commits_;
      }
    }
    kept_.clear();
  }

  sqlite_connection& connection_;
  std::vector<sqlite_call*> kept_, alone_;
  std::size_t commits_ = 0;
};

}  // namespace

std::size_t run_group(sqlite_connection& c, std::span<const sqlite_call_ref> group) {
  group_run run{c};
  run.run(group);
  return run.commits();
}

}  // namespace weft::storage
