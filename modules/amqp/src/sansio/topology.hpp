#pragma once
// What was declared on a connection, so that it can be declared again.
#include <weft/amqp/method.hpp>

#include <vector>

namespace weft::amqp::sansio {

class topology {
 public:
  // Passive declarations are not kept; one with the same name replaces the one before.
  void record(const exchange_declare& what);
  void record(const queue_declare& what);
  void record(const queue_bind& what);
  void record(const exchange_bind& what);
  // With the bindings from and to it.
  void forget(const exchange_delete& what);
  void forget(const queue_delete& what);
  void forget(const queue_unbind& what);
  void forget(const exchange_unbind& what);

  // Exchanges, then queues, then bindings between exchanges, then those of queues; each in the order of declaration.
  [[nodiscard]] std::vector<method> steps() const;
  // The queue, its bindings, and the exchanges that these need; empty when it was not declared here.
  [[nodiscard]] std::vector<method> steps_of_queue(std::string_view queue) const;

 private:
  std::vector<exchange_declare> exchanges_;
  std::vector<queue_declare> queues_;
  std::vector<exchange_bind> exchange_bindings_;
  std::vector<queue_bind> queue_bindings_;
};

// "queue mails", "binding of mails to domain_events"; for events and errors.
[[nodiscard]] std::string describe_step(const method& step);

}  // namespace weft::amqp::sansio
