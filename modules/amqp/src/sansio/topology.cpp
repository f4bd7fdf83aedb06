#include "topology.hpp"

#include <algorithm>

namespace weft::amqp::sansio {

namespace {

template <class T, class Same>
void put(std::vector<T>& all, const T& what, Same same) {
  const auto at = std::ranges::find_if(all, same);
  if (at == all.end())
    all.push_back(what);
  else
    *at = what;
}

template <class T>
void add(std::vector<T>& all, const T& what) {
  if (std::ranges::find(all, what) == all.end()) all.push_back(what);
}

}  // namespace

void topology::record(const exchange_declare& what) {
  if (!what.passive) put(exchanges_, what, [&](const auto& e) { return e.exchange == what.exchange; });
}
void topology::record(const queue_declare& what) {
  if (!what.passive) put(queues_, what, [&](const auto& q) { return q.queue == what.queue; });
}
void topology::record(const queue_bind& what) { add(queue_bindings_, what); }
void topology::record(const exchange_bind& what) { add(exchange_bindings_, what); }

void topology::forget(const exchange_delete& what) {
  std::erase_if(exchanges_, [&](const auto& e) { return e.exchange == what.exchange; });
  std::erase_if(queue_bindings_, [&](const auto& b) { return b.exchange == what.exchange; });
  std::erase_if(exchange_bindings_,
                [&](const auto& b) { return b.source == what.exchange || b.destination == what.exchange; });
}
void topology::forget(const queue_delete& what) {
  std::erase_if(queues_, [&](const auto& q) { return q.queue == what.queue; });
  std::erase_if(queue_bindings_, [&](const auto& b) { return b.queue == what.queue; });
}
void topology::forget(const queue_unbind& what) {
  std::erase_if(queue_bindings_, [&](const auto& b) {
    return b.queue == what.queue && b.exchange == what.exchange && b.routing_key == what.routing_key &&
           b.arguments == what.arguments;
  });
}
void topology::forget(const exchange_unbind& what) {
  std::erase_if(exchange_bindings_, [&](const auto& b) {
    return b.destination == what.destination && b.source == what.source && b.routing_key == what.routing_key &&
           b.arguments == what.arguments;
  });
}

std::vector<method> topology::steps() const {
  std::vector<method> all;
  all.insert(all.end(), exchanges_.begin(), exchanges_.end());
  all.insert(all.end(), queues_.begin(), queues_.end());
  all.insert(all.end(), exchange_bindings_.begin(), exchange_bindings_.end());
  all.insert(all.end(), queue_bindings_.begin(), queue_bindings_.end());
  return all;
}

std::vector<method> topology::steps_of_queue(std::string_view queue) const {
  std::vector<method> all;
  const auto declared = std::ranges::find(queues_, queue, &queue_declare::queue);
  if (declared == queues_.end()) return all;
  // From the queue back to where its messages come from.
  std::vector<std::string> exchanges;
  const auto need = [&](const std::string& name) {
    if (std::ranges::find(exchanges, name) == exchanges.end()) exchanges.push_back(name);
  };
  for (const auto& b : queue_bindings_)
    if (b.queue == queue) need(b.exchange);
  std::vector<method> between;
  for (std::size_t i = 0; i < exchanges.size(); ++i)
    for (const auto& b : exchange_bindings_)
      if (b.destination == exchanges[i]) {
        between.emplace_back(b);
        need(b.source);
      }
  for (const auto& e : exchanges_)
    if (std::ranges::find(exchanges, e.exchange) != exchanges.end()) all.emplace_back(e);
  all.emplace_back(*declared);
  all.insert(all.end(), between.begin(), between.end());
  for (const auto& b : queue_bindings_)
    if (b.queue == queue) all.emplace_back(b);
  return all;
}

std::string describe_step(const method& step) {
  if (const auto* e = std::get_if<exchange_declare>(&step)) return "exchange " + e->exchange;
  if (const auto* q = std::get_if<queue_declare>(&step)) return "queue " + q->queue;
  if (const auto* b = std::get_if<queue_bind>(&step)) return "binding of queue " + b->queue + " to " + b->exchange;
  if (const auto* b = std::get_if<exchange_bind>(&step))
    return "binding of exchange " + b->destination + " to " + b->source;
  return std::string{name_of(step)};
}

}  // namespace weft::amqp::sansio
