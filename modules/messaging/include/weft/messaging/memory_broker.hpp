#pragma once
// `memory:`, the broker inside the process: for programs that run as one, and for tests. Deterministic in the
// simulator.
//
//     auto hub = std::make_shared<memory_hub>();
//     memory_broker bus{loop, hub};                            // one for each loop
//     brokers.add("memory", memory_brokers());                 // or by URL: "memory:", "memory:name?max_messages=1000"
//
// Groups are queues that last as long as the hub. Consumers of a group compete; every group that takes a topic gets the
// message. Of one key one message is out at a time, and one that waits for its retry holds up its key, and no other.
// Priorities go before age, within a group. A message that expires is dropped when its turn comes. When a group is
// full, publish() waits for room and then fails with errc::resource_exhausted: memory is bounded by the options.
//
// The hub may be used from any number of loops; whoever waits is woken by a message to its own loop.
#include <weft/messaging/broker.hpp>
#include <weft/messaging/broker_admin.hpp>
#include <weft/messaging/broker_factory.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>

namespace weft::messaging {

class group_hub;
class hub_admin;

struct memory_options {
  // Of each group, with what is delayed and in flight.
  std::size_t max_messages = 100'000;
  std::size_t max_bytes = 256 * 1024 * 1024;
  std::size_t max_dead_letters = 100'000;  // of each group; beyond, dead-lettering is refused and the message stays
  std::size_t max_groups = 10'000;
  std::size_t max_message_bytes = 16 * 1024 * 1024;
  // How long publish() waits for room, if its context lasts as long; all of a call's messages together.
  duration publish_wait = std::chrono::seconds{10};

  [[nodiscard]] result<> validate() const;
};

class memory_hub {
 public:
  explicit memory_hub(memory_options options = {});  // throws std::invalid_argument
  ~memory_hub();
  memory_hub(const memory_hub&) = delete;
  memory_hub& operator=(const memory_hub&) = delete;

  // For tests: what a lost connection does. Everything in flight is delivered again, as one more attempt, and what was
  // handed out can no longer be settled. From any thread.
  void cut();

  [[nodiscard]] const memory_options& options() const noexcept { return options_; }
  [[nodiscard]] group_hub& groups() const noexcept { return *groups_; }

 private:
  memory_options options_;
  std::unique_ptr<group_hub> groups_;
};

class memory_broker final : public broker {
 public:
  memory_broker(loop& l, std::shared_ptr<memory_hub> hub);
  ~memory_broker() override;

  [[nodiscard]] const broker_features& features() const noexcept override;
  task<std::vector<result<>>> publish(context ctx, std::vector<outgoing> batch) override;
  task<result<std::unique_ptr<consumer>>> subscribe(context ctx, subscription what) override;
  [[nodiscard]] broker_admin* admin() noexcept override;
  task<void> close(context ctx) override;

 private:
  [[nodiscard]] std::size_t publish_some(std::vector<outgoing>& batch, std::vector<result<>>& results);
  [[nodiscard]] task<result<>> publish_waiting(context until, outgoing& what);

  loop& loop_;
  std::shared_ptr<memory_hub> hub_;
  broker_features features_;
  std::unique_ptr<hub_admin> admin_;
};

// For broker_factory: URLs that name the same hub share it. Parameters: the fields of memory_options that are numbers.
[[nodiscard]] broker_opener memory_brokers(memory_options options = {});

}  // namespace weft::messaging
