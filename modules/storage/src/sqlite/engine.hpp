#pragma once
// The queues in front of SQLite's connections: writes in groups, reads beside them, transactions that hold one.
#include "lane.hpp"
#include "vfs.hpp"

#include <weft/storage/sqlite.hpp>

#include <deque>
#include <memory>
#include <span>
#include <vector>

namespace weft::storage {

// Shared by the database, its transactions and the calls that run on the pool, so that connections outlive those.
class sqlite_engine final : public std::enable_shared_from_this<sqlite_engine>, ready_node {
 public:
  sqlite_engine(loop& l, sqlite_options options);
  ~sqlite_engine();

  result<> open();  // blocks
  [[nodiscard]] loop& owner() noexcept { return loop_; }
  // The one that writes, for who has the engine to himself.
  [[nodiscard]] sqlite_connection& connection() noexcept { return *writer_->connection; }

  // Awaits its turn and its end. Reads go to the writing connection when there is no other.
  // `repeating`: the work may be called again, after another call of its group has undone it.
  enum class repeating : std::uint8_t { refused, allowed };
  static task<result<>> write(std::shared_ptr<sqlite_engine> self, context ctx, sqlite_call::function work,
                              repeating may_repeat);
  static task<result<>> read(std::shared_ptr<sqlite_engine> self, context ctx, sqlite_call::function work);
  // A connection for a transaction, to be given back by release().
  static task<result<sqlite_lane*>> hold(std::shared_ptr<sqlite_engine> self, context ctx, access mode);
  // Work of that transaction, in order.
  enum class ending : std::uint8_t { interruptible, must_end };
  static task<result<>> run_held(std::shared_ptr<sqlite_engine> self, context ctx, sqlite_lane& lane,
                                 sqlite_call::function work, ending how);
  // Rolls back what was not committed, behind what runs.
  void release(sqlite_lane& lane);

  void refuse() noexcept;  // every call that waits, and all that come: the database is closed
  [[nodiscard]] bool idle() const noexcept;
  event& quiet() noexcept { return quiet_; }
  void disconnect();  // blocks: the log is moved into the file

  // After a sync that failed: the connections are made anew, from a log that the disk has. Until that is done no call
  // is carried out.
  [[nodiscard]] bool suspect() const noexcept { return suspect_; }
  result<> reopen();  // blocks; for who has the engine to himself
  void note_failed_sync() noexcept { suspect_ = true; }

  [[nodiscard]] sqlite_database::figures statistics() const noexcept { return figures_; }

 private:
  struct queue {
    explicit queue(loop& l) : room{l} { room.set(); }
    std::deque<sqlite_call_ref> calls;
    event room;
  };
  class pending;  // a call as its awaiter holds it

  void run() override;  // later in the turn in which the first of some calls came
  void start_soon() { loop_.schedule(*this); }
  result<> connect();
  void start_reopening();
  void look_for_failed_sync(const sqlite_lane& lane);
  void fail_waiting(const error& why);
  void start_writes();
  void start_reads();
  void start_held(sqlite_lane& lane);
  void free(sqlite_lane& lane);
  void finish(sqlite_call& call);
  sqlite_call_ref take(queue& q);
  static task<result<>> enter(std::shared_ptr<sqlite_engine> self, context ctx, queue& q, sqlite_call_ref call);
  [[nodiscard]] queue& queue_for(access mode) noexcept {
    return mode == access::read_only && !readers_.empty() ? reads_ : writes_;
  }

  loop& loop_;
  sqlite_options options_;
  std::unique_ptr<sqlite_vfs> vfs_;
  int lock_ = -1;  // the descriptor that keeps others off the file
  std::unique_ptr<sqlite_lane> writer_;
  std::vector<std::unique_ptr<sqlite_lane>> readers_;
  queue writes_, reads_;
  event quiet_;
  bool closed_ = false;
  bool suspect_ = false, reopening_ = false;
  sqlite_database::figures figures_;
};

// Runs the calls in one transaction, each in a savepoint of its own, and sets their outcomes. Blocks.
// Gives the number of transactions that were committed.
std::size_t run_group(sqlite_connection& c, std::span<const sqlite_call_ref> group);

}  // namespace weft::storage
