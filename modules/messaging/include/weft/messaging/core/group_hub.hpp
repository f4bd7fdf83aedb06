#pragma once
// What the brokers of one process share, under one lock: groups, who takes which topic, who waits for what. The
// embedded brokers are made of it. Used from any number of loops; whoever waits is woken by a message to its own loop.
//
// A hub that outlives its process has a `hub_record`, which is told what changes and keeps it.
#include <weft/messaging/core/group_queue.hpp>
#include <weft/messaging/core/hub_lock.hpp>
#include <weft/messaging/topic_pattern.hpp>
#include <weft/runtime/sync.hpp>

#include <map>
#include <unordered_map>

namespace weft::messaging {

struct hub_limits {
  queue_limits queue;  // of each group
  std::size_t max_groups = 10'000;
};

// Who waits, on its own loop. Shared, since a message to that loop may come after it has left.
struct hub_sleeper {
  explicit hub_sleeper(loop& l) : home{l}, wake{l} {}
  loop& home;
  weft::event wake;
};
using hub_sleeper_ptr = std::shared_ptr<hub_sleeper>;

// A consumer that waits for a message, and until when it sleeps if none comes: somebody has to wake for what falls due.
struct idle_consumer {
  hub_sleeper_ptr who;
  steady_time watches = steady_time::max();
};

// A publisher that waits for room. Once there is some it is reserved for it, so that nobody overtakes, and nobody is
// woken in vain.
struct room_waiter {
  hub_sleeper_ptr who;
  std::size_t messages = 1, bytes = 0;
  std::string key = {};  // that is held up by dead letters of which there may be no more; empty: there is none
  const group_queue* room_in = nullptr;  // once it is granted: where it is reserved
};
using room_waiter_ptr = std::shared_ptr<room_waiter>;

struct hub_group {
  hub_group(std::string name, lifetime lives, ordering order) : name{std::move(name)}, lives{lives}, order{order} {}

  std::string name;
  std::uint64_t id = 0;  // the record's
  lifetime lives;
  ordering order;
  std::unique_ptr<queue_journal> journal;  // null: nothing is kept
  std::unique_ptr<group_queue> queue;
  std::vector<topic_pattern> patterns;
  std::vector<idle_consumer> idle;          // in the order in which they began to wait
  std::vector<room_waiter_ptr> publishers;  // in that order too
  std::uint32_t consumers = 0;
  bool removed = false;  // who still holds it lets go
};
using hub_group_ptr = std::shared_ptr<hub_group>;

// What a consumer asks for, once it is known to be right: its patterns, and a name if its group had none.
struct hub_subscription {
  subscription what;
  std::vector<topic_pattern> patterns;

  [[nodiscard]] static result<hub_subscription> read(subscription what, loop& l);
};

// Called under the hub's lock, but for the last three.
class hub_record {
 public:
  virtual ~hub_record() = default;
  // A new durable group: gives it its id and its journal.
  virtual void open(hub_group& g) = 0;
  virtual void patterns_changed(const hub_group& g) = 0;
  virtual void removed(const hub_group& g) = 0;
  // Something may have been told since: it should be kept soon.
  virtual void told(loop& from) = 0;
  // Returns when what has been told so far is safe.
  virtual task<result<>> settled(loop& from, context ctx) = 0;
  // What broker_admin says; returns when it is safe.
  virtual task<result<std::size_t>> replay(loop& from, context ctx, std::string group,
                                           std::vector<std::uint64_t> numbers) = 0;
};

class group_hub {
 public:
  using guard = hub_lock::guard;
  using takers = std::shared_ptr<const std::vector<hub_group_ptr>>;  // of one topic, as they are now

  // `record` outlives it; null: nothing is kept.
  explicit group_hub(hub_limits limits, hub_record* record = nullptr) : limits{limits}, record{record} {}

  // All under the lock.
  [[nodiscard]] takers takers_of(const std::string& topic);
  result<hub_group_ptr> join(hub_subscription s);
  // A group with a queue, not in the table so far.
  hub_group_ptr add_group(std::string name, lifetime lives, ordering order);
  void leave(hub_group& group);
  void lose_everything_in_flight();
  [[nodiscard]] hub_group* find(std::string_view name);
  // Whether the group takes so much more now, if need be without what has expired. Who waited already and was granted
  // room (`served`) goes before those that still wait.
  [[nodiscard]] bool admits(hub_group& g, std::size_t messages, std::size_t bytes, const std::string& key, loop& l,
                            const hub_group* served = nullptr);
  // After whatever may have made a message ready, or room: wakes who can use it, and nobody else.
  static void notify(hub_group& g, const loop* from);
  // `from` is the caller's loop; null: none. `who` may be nobody.
  static void wake(const hub_sleeper_ptr& who, const loop* from);
  static void wake_consumer(hub_group& g, const loop* from);
  // While it lives, whom this thread wakes without a loop of its own is woken in one turn of his loop, when it ends: so
  // that what they do next comes together, too. Under the lock.
  class wake_together {
   public:
    wake_together() noexcept;
    wake_together(const wake_together&) = delete;
    wake_together& operator=(const wake_together&) = delete;
    ~wake_together();

   private:
    friend class group_hub;
    std::vector<hub_sleeper_ptr> who_;
  };
  result<std::size_t> replay_locked(const group_queue::arrival& at, const loop* from, const std::string& group,
                                    std::vector<std::uint64_t> numbers);

  // What broker_admin asks for; these take the lock.
  [[nodiscard]] std::vector<group_depth> depths();
  result<std::vector<dead_letter_entry>> dead_letters(const dead_letter_query& query);
  result<std::size_t> replay(loop& l, const std::string& group, std::vector<std::uint64_t> numbers);
  result<std::size_t> purge(loop& l, const std::string& group, std::vector<std::uint64_t> numbers);
  result<std::size_t> clear(loop& l, const std::string& group);
  result<> remove_group(const std::string& group);

  hub_lock lock;
  const hub_limits limits;
  hub_record* const record;
  std::uint32_t epoch = 0;  // of the queues that are made now
  std::map<std::string, hub_group_ptr, std::less<>> groups;
  std::unordered_map<std::string, takers> routes;  // what takers_of() found; emptied when a group comes or goes
  std::vector<class hub_consumer*> consumers;

 private:
  void erase(hub_group& group);
};

// A publisher's place among those that wait for room in a group, and the room that it was granted: both are left and
// given back however the wait ends.
class hub_publisher_place {
 public:
  hub_publisher_place(group_hub& hub, loop& l) : hub_{hub}, loop_{l} {}
  hub_publisher_place(const hub_publisher_place&) = delete;
  hub_publisher_place& operator=(const hub_publisher_place&) = delete;
  ~hub_publisher_place();

  // Under the lock. Whoever enters waits; whoever leaves has a try, and then notifies the group that it was in.
  void enter(hub_group_ptr group, room_waiter need);
  hub_group_ptr leave();
  // Until there is room, or `until` ends: errc::resource_exhausted if its deadline passes.
  [[nodiscard]] task<result<>> wait(context until);

 private:
  group_hub& hub_;
  loop& loop_;
  hub_group_ptr group_;
  room_waiter_ptr waiter_;
};
[[nodiscard]] error group_full(const hub_group& group, const queue_limits& limits);

class hub_consumer final : public consumer {
 public:
  // Its maker holds the lock, and has joined the group. `owner` keeps the hub alive.
  hub_consumer(loop& l, std::shared_ptr<void> owner, group_hub& hub, hub_group_ptr group, std::uint32_t prefetch);
  ~hub_consumer() override;

  task<result<std::optional<raw_delivery>>> next(context ctx) override;
  [[nodiscard]] std::optional<raw_delivery> try_next() override;
  task<result<std::vector<raw_delivery>>> next_some(context ctx) override;
  task<result<>> settle(context ctx, delivery_tag tag, settlement how) override;
  [[nodiscard]] std::optional<result<>> try_settle(delivery_tag tag, settlement& how) override;
  [[nodiscard]] bool holds(delivery_tag tag) const noexcept override;
  task<result<>> stop(context ctx) override;

  // Under the lock, from any loop: what is in flight is delivered again.
  void lose_all(attempt_counting counting, const loop* from);

 private:
  friend class hub_waiting_place;
  // Under the lock.
  [[nodiscard]] std::optional<raw_delivery> take();
  [[nodiscard]] task<result<bool>> wait_for_message(const context& ctx);  // false: stopped
  [[nodiscard]] bool kept() const noexcept { return hub_.record != nullptr && group_->journal; }
  result<> settle_now(delivery_tag tag, settlement& how);
  // A message that comes again does no harm, so only a dead letter waits until it is safe.
  [[nodiscard]] bool waits(const settlement& how) const noexcept {
    return how.what == settlement::kind::dead_letter && kept();
  }
  result<> apply(queue_entry& e, settlement& how);
  void tell_record() {
    if (hub_.record != nullptr) hub_.record->told(loop_);
  }

  loop& loop_;
  std::shared_ptr<void> owner_;
  group_hub& hub_;
  const hub_group_ptr group_;
  const std::uint32_t prefetch_;
  std::uint32_t held_ = 0;
  bool stopped_ = false;
  queue_list in_flight_;
  hub_sleeper_ptr sleeper_;
};

}  // namespace weft::messaging
