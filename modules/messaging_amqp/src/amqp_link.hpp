#pragma once
// A broker's two connections, and what goes over them.
//
// Two, since a broker that is short of memory stops reading from every connection that publishes: acknowledgements on
// the same one would wait behind publications, and what is in the queues could not go.
#include <weft/amqp/connection.hpp>
#include <weft/messaging_amqp/amqp_broker.hpp>
#include <weft/runtime/sync.hpp>
#include <weft/runtime/task_group.hpp>

#include <map>
#include <optional>

#include "group_topology.hpp"
#include "message_mapping.hpp"

namespace weft::messaging {

class consumer_core;

class amqp_link {
 public:
  amqp_link(loop& l, amqp_options options);
  amqp_link(const amqp_link&) = delete;
  amqp_link& operator=(const amqp_link&) = delete;
  ~amqp_link();

  task<result<>> open(context ctx);
  task<void> close(context ctx);
  [[nodiscard]] result<> reachable() const;

  // ---- publishing
  task<std::vector<result<>>> publish(context ctx, std::vector<outgoing> batch);
  // Until it is confirmed; refused when no queue takes it. `late` is channel::publish()'s.
  using late_callback = amqp::channel::settled_callback;
  task<result<>> send(context ctx, amqp::message m, late_callback late = {});
  // To a queue, which is declared again if somebody deleted it.
  task<result<>> send_to_queue(context ctx, amqp::message m, amqp::queue_declare queue, late_callback late = {});
  // Pipelined; in order.
  task<std::vector<result<>>> send_all(context ctx, std::vector<amqp::message> several);
  // Back to the queue after the delay.
  task<result<>> send_later(context ctx, amqp::message m, std::string queue, duration delay, late_callback late);

  // ---- consuming
  // Declares what the subscription asks for.
  task<result<group_names>> join(context ctx, subscription what);
  task<result<amqp::channel>> consuming_channel(context ctx, amqp::channel_options options);
  // For declarations and the like; after consuming_channel() or join().
  [[nodiscard]] amqp::channel& topology() { return *topology_; }
  task<result<>> ensure_consuming(context ctx);
  // Of the connection that publishes.
  [[nodiscard]] std::uint32_t frame_max() const noexcept { return publish_connection_->frame_max(); }

  // ---- which groups there are: one record for each, in a queue <prefix>groups
  struct catalogue_entry {
    std::string group;
    std::uint32_t partitions = 1;
    std::vector<std::string> patterns;
  };
  task<result<std::vector<catalogue_entry>>> catalogue(context ctx);
  task<result<>> strike_from_catalogue(context ctx, std::string group);
  [[nodiscard]] std::uint32_t partitions_of(const subscription& what) const noexcept;

  void add(consumer_core& c) { consumers_.push_back(&c); }
  void remove(consumer_core& c) noexcept { std::erase(consumers_, &c); }
  [[nodiscard]] const std::vector<consumer_core*>& consumers() const noexcept { return consumers_; }
  // Work that ends by itself, or with the broker.
  void spawn(task<void> work) {
    if (!ending_) tasks_.spawn(std::move(work));
  }
  [[nodiscard]] context life() { return tasks_.derive(context{}); }

  [[nodiscard]] loop& on() const noexcept { return loop_; }
  [[nodiscard]] const amqp_options& options() const noexcept { return options_; }
  [[nodiscard]] const broker_features& features() const noexcept { return features_; }
  [[nodiscard]] partitioned publishing_partitioned() const noexcept {
    return options_.partitions > 1 ? partitioned::yes : partitioned::no;
  }
  void count_redelivery() const { redeliveries_.add(); }

 private:
  enum class role : std::uint8_t { publish, consume };
  struct batch_progress;
  [[nodiscard]] amqp::connection_options connection_for(role of);
  void happened(role of, const amqp::connection_event& e);
  [[nodiscard]] result<amqp::message> prepare(const outgoing& what) const;
  task<void> enter_in_catalogue(context ctx, group_names names, std::vector<std::string> patterns);
  task<result<>> hand_over(context ctx, std::shared_ptr<batch_progress> to, std::size_t at, outgoing what);
  enum class on_its_way : std::uint8_t { now, later };
  task<result<>> start(context ctx, std::shared_ptr<batch_progress> to, std::size_t at, amqp::message m,
                       on_its_way when = on_its_way::now);
  task<std::vector<result<>>> finish(context ctx, std::shared_ptr<batch_progress> of);
  task<result<amqp::message>> delayed(context ctx, amqp::message m, duration delay);
  // ---- what somebody deleted
  task<result<>> restore_exchange(context ctx, std::uint64_t seen);
  task<void> restore_bindings(context ctx);
  task<std::vector<result<>>> repair(context ctx, std::vector<result<>> outcomes, std::uint64_t seen);
  // Whether a group takes the topic now.
  task<result<bool>> is_taken(context ctx, std::string topic);
  void count(const result<>& outcome) const;

  loop& loop_;
  amqp_options options_;
  broker_features features_;
  observe::counter confirmed_, returned_, refused_, failed_, redeliveries_, connects_[2];
  observe::gauge blocked_[2];
  std::map<std::string, steady_time> declared_;  // delay queues, and when; at most a few hundred for each group
  bool due_declared_ = false;
  semaphore restoring_;
  bool ending_ = false;
  std::uint64_t restored_ = 0;                // how often the exchange was made again
  std::map<std::string, steady_time> taken_;  // topics that a group takes, and when that was found; bounded
  std::map<std::string, std::vector<std::string>> entered_;  // in the catalogue, by this broker
  std::vector<consumer_core*> consumers_;
  semaphore opening_;
  // What they call when they end stands before them.
  std::optional<amqp::connection> publish_connection_, consume_connection_;
  std::optional<amqp::channel> publishing_, topology_;
  task_group tasks_;  // last: its tasks use the rest
};

}  // namespace weft::messaging
