#pragma once
// The groups in memory, the file behind them, and the commits between the two.
//
// One commit at a time: what comes meanwhile gathers, and goes together with the next. Progress hangs on no loop. Whoever
// has told something asks for a commit on the pool of its own loop; the first of them to get there does the work for
// all, commit by commit, until nothing is left, and wakes each one who waits by a message to its loop. The others find
// that somebody is at it, or that nothing is left, and go. Before it stops with work left it asks all loops that have a
// broker again.
#include <weft/messaging_sqlite/sqlite_broker.hpp>
#include <weft/observe/metrics.hpp>

#include <atomic>
#include <deque>
#include <unordered_map>

#include "out_notes.hpp"
#include "store.hpp"

namespace weft::messaging {

// The messages of one publish() call, on their way.
struct pending_publish {
  std::vector<published_message> messages;
  std::size_t bytes = 0;
  std::uint64_t number = 0;  // among what is told
  hub_sleeper_ptr publisher;
  bool done = false;
  result<> outcome;
};
using pending_publish_ptr = std::shared_ptr<pending_publish>;

// Somebody who waits until what has been told so far is safe.
struct pending_commit {
  std::uint64_t number;  // of the last change that matters
  hub_sleeper_ptr who;
  bool done = false;
  result<> outcome;
};

// Dead letters on their way back. They go between two commits: then no message is on its way whose place in the queue
// would be behind them, and whose record, by which the file orders, before.
struct pending_replay {
  std::string group;
  std::vector<std::uint64_t> numbers;
  group_queue::arrival at;  // when it was asked for
  hub_sleeper_ptr who;
  result<std::size_t> outcome = 0;
};
using pending_replay_ptr = std::shared_ptr<pending_replay>;

// Held by whoever waits for a commit: takes the name off it however the wait ends, since the commit may end later than
// the loop of the one who waited.
class commit_wait {
 public:
  commit_wait(group_hub& hub, hub_sleeper_ptr& name) : hub_{hub}, name_{name}, who_{name} {}
  commit_wait(const commit_wait&) = delete;
  commit_wait& operator=(const commit_wait&) = delete;
  ~commit_wait() {
    const group_hub::guard locked{hub_.lock};
    name_.reset();
  }
  [[nodiscard]] auto end(const context& ctx) { return who_->wake.wait(ctx); }

 private:
  group_hub& hub_;
  hub_sleeper_ptr& name_;
  const hub_sleeper_ptr who_;
};

struct commit_batch {
  std::vector<change> changes;
  std::vector<pending_replay_ptr> replays;
  std::vector<pending_publish_ptr> publishes;
  std::uint64_t last_change = 0;
  std::vector<remembered_id> ids;  // new ones
  std::uint64_t forget = 0;        // old ones, up to this row
  clock_offset offset;
  result<> outcome;
};

struct sqlite_hub::state final : hub_record, std::enable_shared_from_this<sqlite_hub::state> {
  explicit state(sqlite_broker_options o);
  ~state() override;

  // Blocks; before anybody else has it, or under the lock.
  result<> load(loop& clock, clock_offset now);

  // hub_record
  void open(hub_group& g) override;
  void patterns_changed(const hub_group& g) override;
  void removed(const hub_group& g) override;
  void told(loop& from) override;
  task<result<>> settled(loop& from, context ctx) override;
  task<result<std::size_t>> replay(loop& from, context ctx, std::string group,
                                   std::vector<std::uint64_t> numbers) override;

  // Under the lock.
  void tell(change c);
  void let_go(std::uint64_t record, std::uint64_t taker);
  void add_home(loop& l);
  void leave_home(loop& l);

  // Finds who takes the messages, and lets them in if there is room for all. `served` has granted room before.
  struct admission {
    hub_group_ptr full;                   // this one has none
    room_waiter need;                     // of it
    std::optional<std::size_t> unrouted;  // nobody takes this message, and that is to be refused
  };
  [[nodiscard]] admission admit(const pending_publish_ptr& p, const std::vector<outgoing>& batch, loop& l,
                                const hub_group* served);

  // On a thread of a pool; blocks. Commits until nothing is left to do, or until others of the pool should have a turn.
  void work_off(const loop& home, clock_offset now);
  // A request of that loop is over; the next one has to be posted.
  void forget_request(const loop& l) noexcept;
  // Under the lock, with no commit running. Blocks.
  result<> start_again(loop& clock, blocking_disk* disk, clock_offset now);

  group_hub groups;
  sqlite_broker_options options;
  std::unique_ptr<sqlite_store> store;  // during a commit it belongs to that
  std::uint64_t next_record = 1, next_group = 1;
  std::unordered_map<std::uint64_t, std::uint32_t> shared;  // how many groups have a message, where several do
  std::vector<change> changes;
  std::deque<pending_publish_ptr> publishes;
  std::uint64_t told_changes = 0, safe_changes = 0;
  std::vector<std::shared_ptr<pending_commit>> waiting;
  std::vector<pending_replay_ptr> replays;
  std::vector<std::pair<loop*, std::size_t>> homes;  // of the brokers
  std::atomic<bool> anything{false};                 // to write
  std::atomic<bool> running{false};                  // somebody works it off, and will look again before it goes
  std::atomic<const loop*> asked{nullptr};           // the last loop that asked: its request has not begun yet
  figures counted;
  id_memory ids;
  out_notes notes;

 private:
  [[nodiscard]] std::unique_ptr<commit_batch> cut_batch(clock_offset now);
  [[nodiscard]] bool end_commit(commit_batch& batch);  // whether to go on
  [[nodiscard]] bool has_home(const loop& l) const;
  void ask_all_homes();
  void find_duplicates(commit_batch& batch);
  result<> load_groups();
  result<> load_letters();
  result<> load_ids();
  // What was out when the process before this one ended, with the attempts that come next.
  using earlier_notes = std::map<out_key, std::uint32_t>;
  result<> load_messages(clock_offset now, const earlier_notes& earlier);
  void restore(const stored_message& m, clock_offset now, const earlier_notes& earlier);
  result<> take_over_notes(clock_offset now);
  // `l`: on whose thread it is; null: a pool's.
  void enter(const pending_publish& p, const loop* l);
  void refuse(const pending_publish& p);
  void finish(pending_publish& p, result<> outcome, const loop* l);
  void end_waiting(const commit_batch& batch);
  void end_replays(const std::vector<pending_replay_ptr>& ended, const result<>& outcome);
  void add_metrics();

  std::unordered_map<std::uint64_t, hub_group*> by_id_;  // while loading
  observe::counter commits_, published_, failures_;
  std::vector<observe::callback_metric> depths_;
};

}  // namespace weft::messaging
