#pragma once
// The queue of one group, without I/O: time comes from the caller, nobody is woken here, nothing is locked here. The
// embedded brokers are made of it.
//
//     group_queue queue{"billing", ordering::per_key, limits, 0};
//     queue.add(message, bytes, {.now = now, .wall = wall});
//     queue_list mine;
//     if (auto* e = queue.take(mine, now, wall)) queue.acknowledge(mine, *e);
//
// Every message is an entry. It is ready, behind another of its key, delayed, or in flight, and in one list
// accordingly. What a queue does is told to its journal, if it has one, so that it can be built again.
#include <weft/messaging/broker.hpp>
#include <weft/messaging/broker_admin.hpp>

#include <array>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <unordered_map>

namespace weft::messaging {

struct queue_lane;

struct queue_entry {
  enum class state : std::uint8_t { free, ready, behind, delayed, in_flight };

  message_ptr what;
  std::size_t bytes = 0;
  std::uint64_t sequence = 0;
  std::uint64_t record = 0;  // names the message in the journal; zero: it is not kept
  std::uint32_t attempt = 1;
  bool redelivered = false;
  state is = state::free;
  std::uint32_t generation = 0;  // of the slot: tags of its earlier users do not fit
  std::uint32_t slot = 0;
  steady_time due{}, expires = steady_time::max();
  class queue_list* holder = nullptr;  // while in flight: what its consumer holds
  queue_lane* lane = nullptr;          // of its key, once it has arrived there
  std::vector<failure> failures;
  queue_entry *next = nullptr, *previous = nullptr;
};

class queue_list {
 public:
  [[nodiscard]] bool empty() const noexcept { return first_ == nullptr; }
  [[nodiscard]] queue_entry* front() const noexcept { return first_; }
  [[nodiscard]] queue_entry* back() const noexcept { return last_; }
  void push_back(queue_entry& e) noexcept { insert_before(nullptr, e); }
  void insert_before(queue_entry* place, queue_entry& e) noexcept;  // null: at the end
  void remove(queue_entry& e) noexcept;

 private:
  queue_entry *first_ = nullptr, *last_ = nullptr;
};

// One key of an ordered group, while any of its messages is there or its dead letters hold it up.
struct queue_lane {
  std::string key;
  queue_entry* head = nullptr;  // the only one that is ready, delayed for a retry, or in flight
  queue_list behind;
  std::size_t parked = 0;  // dead letters that hold it up
};

// Is told what changes, in the order in which it does. Does not call the queue. Of entries whose record is zero too.
class queue_journal {
 public:
  virtual ~queue_journal() = default;
  virtual void taken(const queue_entry& e) = 0;    // handed out
  virtual void changed(const queue_entry& e) = 0;  // back in the queue: attempt, due time and failures are new
  virtual void gone(const queue_entry& e) = 0;     // acknowledged, expired, or dropped
  virtual void buried(const queue_entry& e, const dead_letter_entry& as) = 0;
  virtual void purged(const dead_letter_entry& d) = 0;
  // The entry takes the place of the dead letter, and gets its record here.
  virtual void replayed(const dead_letter_entry& d, queue_entry& e) = 0;
};

struct queue_limits {
  std::size_t max_messages = 100'000, max_bytes = 256 * 1024 * 1024, max_dead_letters = 100'000;
};

class group_queue {
 public:
  // What a message begins with.
  struct arrival {
    duration delay{};
    steady_time now;
    wall_time wall;
    std::uint64_t record = 0;
  };
  // One as the journal has it.
  struct restored {
    message_ptr what;
    std::uint64_t record = 0;
    std::uint32_t attempt = 1;
    bool redelivered = false;
    std::optional<steady_time> due;  // delayed until then, by its publisher or for its retry
    steady_time expires = steady_time::max();
    std::vector<failure> failures;
  };

  // `limits` and the journal outlive it. Tags of one epoch do not fit another.
  group_queue(std::string name, ordering order, const queue_limits& limits, std::uint32_t epoch,
              queue_journal* journal = nullptr);
  group_queue(const group_queue&) = delete;
  group_queue& operator=(const group_queue&) = delete;

  // For as many messages, of so many bytes together. They are taken on however large they are when the queue is empty.
  [[nodiscard]] bool has_room(std::size_t messages, std::size_t bytes) const;
  // Whether a message of this key would become a dead letter, for which there is no room.
  [[nodiscard]] bool has_room_on(const std::string& key) const;
  // Room for what is on its way.
  void reserve(std::size_t messages, std::size_t bytes) noexcept;
  void release_reserved(std::size_t messages, std::size_t bytes) noexcept;
  void add(message_ptr what, std::size_t bytes, const arrival& at);

  // Into an empty queue, first the dead letters, then the messages in the order of their records.
  void restore(dead_letter_entry d);
  void restore(restored r, wall_time wall);
  // The number of the last dead letter there ever was.
  void restore_dead_number(std::uint64_t last) noexcept { dead_number_ = std::max(dead_number_, last); }
  [[nodiscard]] std::uint64_t last_dead_number() const noexcept { return dead_number_; }

  // The next message, now in flight in `list`; null when none is ready.
  [[nodiscard]] queue_entry* take(queue_list& list, steady_time now, wall_time wall);
  // The message that take() would give now, of those that are ready.
  [[nodiscard]] const queue_entry* front_ready() const noexcept;
  // When something that is delayed falls due.
  [[nodiscard]] std::optional<steady_time> next_due() const;
  [[nodiscard]] bool anything_ready() const noexcept { return ready_mask_ != 0; }
  // The entry of a tag that is in flight in `list`, or null.
  [[nodiscard]] queue_entry* find(const queue_list& list, delivery_tag tag) noexcept;
  [[nodiscard]] delivery_tag tag_of(const queue_entry& e) const noexcept { return {channel_of(e), e.slot}; }

  // When the next message expires that nobody is handling; and ends those that have. Whether there were any.
  [[nodiscard]] std::optional<steady_time> next_expiry() const;
  bool drop_expired(steady_time now);

  // Each takes an entry in flight out of its consumer's list.
  void acknowledge(queue_list& list, queue_entry& e);
  void retry(queue_list& list, queue_entry& e, steady_time due, attempt_counting counting, steady_time now);
  result<> bury(queue_list& list, queue_entry& e, std::string reason, dead_letter_scope scope, wall_time wall);

  [[nodiscard]] std::vector<dead_letter_entry> dead(std::uint64_t after, std::size_t limit) const;
  result<std::size_t> replay(std::vector<std::uint64_t> numbers, steady_time now, wall_time wall);
  result<std::size_t> purge(std::vector<std::uint64_t> numbers);
  std::size_t clear();
  [[nodiscard]] group_depth depth() const;

  // Every entry, whatever its state.
  template <class Function>
  void for_each(Function each) const {
    for (const auto& e : slots_)
      if (e.is != queue_entry::state::free) each(e);
  }

 private:
  [[nodiscard]] queue_entry& allocate(message_ptr what, std::size_t bytes);
  void release(queue_entry& e);
  void finish(queue_entry& e);
  void drop(queue_entry& e);
  void end_expired(queue_entry& e);
  void watch_expiry(queue_entry& e);
  void unwatch_expiry(queue_entry& e);
  void drop_behind(queue_lane& lane);
  void arrive(queue_entry& e, wall_time wall);
  [[nodiscard]] queue_lane& lane_of(const std::string& key);
  void delay(queue_entry& e, steady_time until);
  void make_ready(queue_entry& e);
  void put_back(queue_entry& e);
  void promote_due(steady_time now, wall_time wall);
  void advance(queue_lane& lane);
  void forget_if_unused(queue_lane& lane);
  void unready(queue_entry& e) noexcept;
  void add_dead(queue_entry& e, std::string reason, dead_letter_scope scope, wall_time wall);
  result<std::vector<std::uint64_t>> selected(std::vector<std::uint64_t> numbers) const;
  [[nodiscard]] std::vector<dead_letter_entry> take_dead(const std::vector<std::uint64_t>& numbers);
  [[nodiscard]] std::uint64_t channel_of(const queue_entry& e) const noexcept {
    return (std::uint64_t{epoch_} << 32) | e.generation;
  }

  std::string name_;
  ordering order_;
  const queue_limits& limits_;
  const std::uint32_t epoch_;
  queue_journal* journal_;
  std::deque<queue_entry> slots_;
  std::vector<queue_entry*> free_;
  std::array<queue_list, max_priority + 1> ready_;
  std::uint32_t ready_mask_ = 0;
  std::map<std::pair<steady_time, std::uint64_t>, queue_entry*> delayed_;
  std::unordered_map<std::string_view, std::unique_ptr<queue_lane>> lanes_;  // looked up only; keys point into lanes
  std::set<std::pair<steady_time, std::uint32_t>> expiries_;  // with slots, of those that are not in flight
  std::map<std::uint64_t, dead_letter_entry> dead_;
  std::uint64_t sequence_ = 0, dead_number_ = 0;
  std::size_t messages_ = 0, bytes_ = 0, in_flight_ = 0;
  std::size_t reserved_messages_ = 0, reserved_bytes_ = 0;
};

}  // namespace weft::messaging
