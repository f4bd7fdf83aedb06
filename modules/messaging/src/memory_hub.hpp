#pragma once
// What the brokers of one `memory:` share, under one lock: groups, who takes which topic, who waits for what.
#include <weft/messaging/memory_broker.hpp>
#include <weft/messaging/topic_pattern.hpp>
#include <weft/resilience/core/spin_lock.hpp>
#include <weft/runtime/sync.hpp>

#include <map>
#include <unordered_map>

#include "memory_queue.hpp"

namespace weft::messaging {

// Who waits, on its own loop. Shared, since a message to that loop may come after it has left.
struct memory_sleeper {
  explicit memory_sleeper(loop& l) : home{l}, wake{l} {}
  loop& home;
  weft::event wake;
};
using memory_sleeper_ptr = std::shared_ptr<memory_sleeper>;

struct memory_group {
  memory_group(std::string name, const subscription& s, const memory_options& options)
      : name{std::move(name)}, lives{s.lives}, order{s.order}, queue{this->name, s.order, options} {}

  std::string name;
  lifetime lives;
  ordering order;
  memory_queue queue;
  std::vector<topic_pattern> patterns;
  std::vector<memory_sleeper_ptr> idle;        // consumers, in the order in which they began to wait
  std::vector<memory_sleeper_ptr> publishers;  // that wait for room
  std::uint32_t consumers = 0;
};

struct memory_hub::state {
  using guard = resilience::spin_lock::guard;
  using takers = std::vector<memory_group*>;

  explicit state(memory_options o) : options{o} {}

  // All under the lock.
  [[nodiscard]] const takers& takers_of(const std::string& topic);
  result<memory_group*> join(const std::string& name, const subscription& s, std::vector<topic_pattern> patterns);
  void leave(memory_group& group);
  [[nodiscard]] memory_group* find(std::string_view name);
  // `from` is the caller's loop; null: none.
  static void wake(const memory_sleeper_ptr& who, const loop* from);
  static void wake_one(std::vector<memory_sleeper_ptr>& waiting, const loop* from);
  static void wake_consumer(memory_group& g, const loop& from) {
    if (!g.idle.empty()) wake_one(g.idle, &from);
  }
  static void wake_publisher(memory_group& g, const loop& from) {
    if (!g.publishers.empty()) wake_one(g.publishers, &from);
  }
  static bool stop_waiting(std::vector<memory_sleeper_ptr>& waiting, const memory_sleeper_ptr& who);

  resilience::spin_lock lock;
  const memory_options options;
  std::map<std::string, std::unique_ptr<memory_group>, std::less<>> groups;
  std::unordered_map<std::string, takers> routes;  // what takers_of() found; emptied when a group comes or goes
  std::vector<class memory_consumer*> consumers;
};

class memory_consumer final : public consumer {
 public:
  memory_consumer(loop& l, std::shared_ptr<memory_hub> hub, memory_group& group, std::uint32_t prefetch);
  ~memory_consumer() override;

  task<result<std::optional<raw_delivery>>> next(context ctx) override;
  [[nodiscard]] std::optional<raw_delivery> try_next() override;
  task<result<>> settle(context ctx, delivery_tag tag, settlement how) override;
  task<result<>> stop(context ctx) override;

  // Under the lock, from any loop: what is in flight is delivered again.
  void lose_all(attempt_counting counting, const loop* from);

 private:
  friend class memory_waiting_place;
  [[nodiscard]] std::optional<raw_delivery> take();
  result<> settle_now(memory_entry& e, settlement& how);

  loop& loop_;
  std::shared_ptr<memory_hub> hub_;
  memory_group& group_;
  const std::uint32_t prefetch_;
  std::uint32_t held_ = 0;
  bool stopped_ = false;
  memory_list in_flight_;
  memory_sleeper_ptr sleeper_;
};

}  // namespace weft::messaging
