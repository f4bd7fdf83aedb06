// Group commit: many callers, one transaction, one fsync.
#include "engine.hpp"

namespace weft::storage {

namespace {

result<> call_guarded(sqlite_connection& c, sqlite_call& call) {
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
    const bool alone = group.size() == 1;
    for (const auto& call : group) {
      if (!connection_.in_transaction()) {
        if (auto begun = connection_.control_prepared("BEGIN IMMEDIATE"); !begun) {
          call->outcome = fail(begun.error().as_unprocessed());
          continue;
        }
      }
      call->outcome = alone ? call_guarded(connection_, *call) : in_savepoint(*call);
      if (call->outcome)
        kept_.push_back(call.get());
      else if (alone)
        undo(connection_);
      else if (!connection_.in_transaction())
        broken_by(call->outcome.error());
    }
    commit();
  }
  [[nodiscard]] std::size_t commits() const noexcept { return commits_; }

 private:
  result<> in_savepoint(sqlite_call& call) {
    WEFT_TRY_VOID(connection_.control_prepared("SAVEPOINT one"));
    auto done = call_guarded(connection_, call);
    if (!connection_.in_transaction()) {  // SQLite undid everything: no space, a failing device
      if (done) done = fail(errc::aborted, "the transaction ended while it was used");
      return done;
    }
    if (!done) WEFT_TRY_VOID(connection_.control_prepared("ROLLBACK TO one"));
    WEFT_TRY_VOID(connection_.control_prepared("RELEASE one"));
    return done;
  }

  void broken_by(const error& cause) {
    for (auto* call : kept_)
      call->outcome =
          fail(error{errc::aborted, "another write of the same commit ended the transaction: " + cause.describe()}
                   .as_unprocessed());
    kept_.clear();
  }

  void commit() {
    if (!connection_.in_transaction()) return;
    if (auto committed = connection_.control_prepared("COMMIT"); !committed) {
      undo(connection_);
      for (auto* call : kept_) call->outcome = committed;
      return;
    }
    ++commits_;
  }

  sqlite_connection& connection_;
  std::vector<sqlite_call*> kept_;
  std::size_t commits_ = 0;
};

}  // namespace

std::size_t run_group(sqlite_connection& c, std::span<const sqlite_call_ref> group) {
  group_run run{c};
  run.run(group);
  return run.commits();
}

}  // namespace weft::storage
