#pragma once
// As much of RabbitMQ as this module asks for, for the simulator: exchanges and bindings, queues with times to live,
// dead lettering, limits, priorities and single active consumers, prefetch, confirms and returns. What a real server
// refuses is refused. It fails on demand: a memory alarm, confirms that do not come, exchanges and queues that somebody
// deletes.
#include <weft/amqp/frame.hpp>
#include <weft/messaging/topic_pattern.hpp>
#include <weft/runtime/sync.hpp>
#include <weft/testkit.hpp>

#include <map>
#include <set>

namespace weft::messaging {

class model_connection;

class model_broker {
 public:
  struct stored {
    amqp::message content;
    bool redelivered = false;
    std::int64_t deliveries = 0;
    steady_time expires = steady_time::max();
  };
  using place = std::pair<int, std::uint64_t>;  // priority, highest first; then age
  struct consumer {
    model_connection* by = nullptr;
    std::uint16_t channel = 0;
    std::string tag;
    std::size_t prefetch = 0, out = 0;  // 0: no limit
  };
  struct queue {
    std::string name;
    bool durable = false, auto_delete = false;
    model_connection* owner = nullptr;  // of an exclusive one
    amqp::table arguments;
    std::map<place, stored> ready;
    std::vector<consumer> consumers;
    std::size_t next = 0;
  };
  struct exchange {
    std::string type;
    bool durable = false;
  };
  struct binding {
    std::string source, destination, key;
    bool to_queue = true;
    friend bool operator==(const binding&, const binding&) = default;
  };

  // ---- what goes wrong
  void set_alarm(bool on);
  void hold_confirms(bool on);  // publications are taken, and confirmed when it is over
  void delete_queue(const std::string& name);
  void delete_exchange(const std::string& name);
  void cut();      // every connection
  void restart();  // what is not durable is gone
  std::size_t max_message_bytes = 16UL * 1024 * 1024;
  std::string refusal = "PRECONDITION_FAILED - message size is larger than configured max size";
  std::uint32_t frame_max = 131'072;
  std::set<std::string> refusing;  // queues that take nothing: basic.nack
  int publications = 0, connections_made = 0;

  [[nodiscard]] const queue* find(const std::string& name) const;
  [[nodiscard]] std::vector<std::string> ids(const std::string& name) const;  // ready messages
  [[nodiscard]] const std::map<std::string, queue>& queues() const noexcept { return queues_; }

  static task<void> run(loop& l, model_broker& state);

 private:
  friend class model_connection;
  [[nodiscard]] std::vector<queue*> route(const std::string& exchange, const amqp::message& m);
  void route_into(std::set<queue*>& into, const std::string& exchange, const amqp::message& m);
  [[nodiscard]] bool is_full(const queue& q) const;
  void put(queue& q, amqp::message m);
  void put_back(queue& q, place at, stored m);
  void deliver(queue& q);
  void expire(queue& q);
  task<void> expire_later(std::string name, steady_time at);
  void leave(model_connection& c, std::uint16_t channel, const std::string& tag);

  loop* loop_ = nullptr;
  task_group* timers_ = nullptr;
  std::map<std::string, queue> queues_;
  std::map<std::string, exchange> exchanges_{{"amq.topic", {"topic", true}}};
  std::vector<binding> bindings_;
  std::set<model_connection*> connections_;
  std::uint64_t numbers_ = 0;
  bool alarm_ = false, holding_ = false;
};

}  // namespace weft::messaging
