#pragma once
// The queue of one group of `memory:`, without I/O: time comes from the caller, nobody is woken here. Not locked here.
//
// Every message is an entry. It is ready, behind another of its key, delayed, or in flight, and in one list
// accordingly.
#include <weft/messaging/broker.hpp>
#include <weft/messaging/broker_admin.hpp>
#include <weft/messaging/memory_broker.hpp>

#include <array>
#include <deque>
#include <map>
#include <optional>
#include <unordered_map>

namespace weft::messaging {

struct memory_lane;

struct memory_entry {
  enum class state : std::uint8_t { free, ready, behind, delayed, in_flight };

  message_ptr what;
  std::size_t bytes = 0;
  std::uint64_t sequence = 0;
  std::uint32_t attempt = 1;
  bool redelivered = false;
  state is = state::free;
  std::uint32_t generation = 0;  // of the slot: tags of its earlier users do not fit
  std::uint32_t slot = 0;
  steady_time due{}, expires = steady_time::max();
  class memory_list* holder = nullptr;  // while in flight: what its consumer holds
  memory_lane* lane = nullptr;          // of its key, once it has arrived there
  std::vector<failure> failures;
  memory_entry *next = nullptr, *previous = nullptr;
};

class memory_list {
 public:
  [[nodiscard]] bool empty() const noexcept { return first_ == nullptr; }
  [[nodiscard]] memory_entry* front() const noexcept { return first_; }
  [[nodiscard]] memory_entry* back() const noexcept { return last_; }
  void push_back(memory_entry& e) noexcept { insert_before(nullptr, e); }
  void insert_before(memory_entry* place, memory_entry& e) noexcept;  // null: at the end
  void remove(memory_entry& e) noexcept;

 private:
  memory_entry *first_ = nullptr, *last_ = nullptr;
};

// One key of an ordered group, while any of its messages is there or its dead letters hold it up.
struct memory_lane {
  std::string key;
  memory_entry* head = nullptr;  // the only one that is ready, delayed for a retry, or in flight
  memory_list behind;
  std::size_t parked = 0;  // dead letters that hold it up
};

class memory_queue {
 public:
  memory_queue(std::string name, ordering order, const memory_options& options);
  memory_queue(const memory_queue&) = delete;
  memory_queue& operator=(const memory_queue&) = delete;

  // A message is taken on however large it is when the queue is empty.
  [[nodiscard]] bool has_room(const message& m, std::size_t bytes) const;
  void add(message_ptr what, std::size_t bytes, duration delay, steady_time now, wall_time wall);

  // The next message, now in flight in `list`; null when none is ready.
  [[nodiscard]] memory_entry* take(memory_list& list, steady_time now, wall_time wall);
  // When something that is delayed falls due.
  [[nodiscard]] std::optional<steady_time> next_due() const;
  [[nodiscard]] bool anything_ready() const noexcept { return ready_mask_ != 0; }
  // The entry of a tag that is in flight in `list`, or null.
  [[nodiscard]] memory_entry* find(const memory_list& list, delivery_tag tag) noexcept;
  [[nodiscard]] static delivery_tag tag_of(const memory_entry& e) noexcept { return {e.generation, e.slot}; }

  // Each takes an entry in flight out of its consumer's list.
  void acknowledge(memory_list& list, memory_entry& e, steady_time now, wall_time wall);
  void retry(memory_list& list, memory_entry& e, steady_time due, attempt_counting counting, steady_time now);
  result<> bury(memory_list& list, memory_entry& e, std::string reason, dead_letter_scope scope, steady_time now,
                wall_time wall);

  [[nodiscard]] std::vector<dead_letter_entry> dead(std::uint64_t after, std::size_t limit) const;
  result<std::size_t> replay(std::vector<std::uint64_t> numbers, steady_time now, wall_time wall);
  result<std::size_t> purge(std::vector<std::uint64_t> numbers, steady_time now, wall_time wall);
  std::size_t clear();
  [[nodiscard]] group_depth depth() const;

 private:
  [[nodiscard]] memory_entry& allocate();
  void release(memory_entry& e);
  void arrive(memory_entry& e, wall_time wall);
  void make_ready(memory_entry& e);
  void put_back(memory_entry& e);
  void promote_due(steady_time now, wall_time wall);
  void advance(memory_lane& lane, wall_time wall);
  void forget_if_unused(memory_lane& lane);
  void unready(memory_entry& e) noexcept;
  void add_dead(memory_entry& e, std::string reason, dead_letter_scope scope, wall_time wall);
  result<std::vector<std::uint64_t>> selected(std::vector<std::uint64_t> numbers) const;
  [[nodiscard]] std::vector<dead_letter_entry> take_dead(const std::vector<std::uint64_t>& numbers);

  std::string name_;
  ordering order_;
  const memory_options& options_;
  std::deque<memory_entry> slots_;
  std::vector<memory_entry*> free_;
  std::array<memory_list, max_priority + 1> ready_;
  std::uint32_t ready_mask_ = 0;
  std::map<std::pair<steady_time, std::uint64_t>, memory_entry*> delayed_;
  std::unordered_map<std::string_view, std::unique_ptr<memory_lane>> lanes_;  // looked up only; keys point into lanes
  std::map<std::uint64_t, dead_letter_entry> dead_;
  std::uint64_t sequence_ = 0, dead_number_ = 0;
  std::size_t messages_ = 0, bytes_ = 0, in_flight_ = 0;
};

}  // namespace weft::messaging
