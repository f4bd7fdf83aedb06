#include "model_broker.hpp"

#include <weft/runtime/sleep.hpp>

#include <algorithm>

#include "model_connection.hpp"

namespace weft::messaging {

namespace {

std::int64_t number_of(const amqp::table& t, std::string_view name) {
  const auto* v = t.find(name);
  return v == nullptr ? 0 : v->integer().value_or(0);
}

const std::string* text_of(const amqp::table& t, std::string_view name) {
  const auto* v = t.find(name);
  return v == nullptr ? nullptr : v->as<std::string>();
}

bool is_true(const amqp::table& t, std::string_view name) {
  const auto* v = t.find(name);
  return v != nullptr && v->as<bool>() != nullptr && *v->as<bool>();
}

}  // namespace

const model_broker::queue* model_broker::find(const std::string& name) const {
  const auto at = queues_.find(name);
  return at == queues_.end() ? nullptr : &at->second;
}

std::vector<std::string> model_broker::ids(const std::string& name) const {
  std::vector<std::string> all;
  if (const auto* q = find(name))
    for (const auto& [at, m] : q->ready) all.push_back(m.content.properties.message_id);
  return all;
}

// ---- where messages go

void model_broker::route_into(std::set<queue*>& into, const std::string& exchange, const amqp::message& m) {
  if (exchange.empty()) {
    if (const auto at = queues_.find(m.routing_key); at != queues_.end()) into.insert(&at->second);
    return;
  }
  const auto& type = exchanges_.at(exchange).type;
  std::vector<const binding*> fit;
  for (const auto& b : bindings_)
    if (b.source == exchange &&
        (type != "topic" || topic_pattern::parse(b.key)->matches(m.routing_key)))  // the others: all of them
      fit.push_back(&b);
  if (type == "x-consistent-hash" && !fit.empty()) {
    const auto* hashed = text_of(m.properties.headers, "weft-partition");
    fit = {fit[std::hash<std::string>{}(hashed == nullptr ? "" : *hashed) % fit.size()]};
  }
  for (const auto* b : fit) {
    if (!b->to_queue)
      route_into(into, b->destination, m);
    else if (const auto at = queues_.find(b->destination); at != queues_.end())
      into.insert(&at->second);
  }
}

std::vector<model_broker::queue*> model_broker::route(const std::string& exchange, const amqp::message& m) {
  std::set<queue*> into;
  route_into(into, exchange, m);
  return {into.begin(), into.end()};
}

bool model_broker::is_full(const queue& q) const {
  const auto limit = number_of(q.arguments, "x-max-length");
  const auto* overflow = text_of(q.arguments, "x-overflow");
  return refusing.contains(q.name) || (limit > 0 && overflow != nullptr && *overflow == "reject-publish" &&
                                       q.ready.size() >= static_cast<std::size_t>(limit));
}

void model_broker::put(queue& q, amqp::message m) {
  stored s{.content = std::move(m)};
  auto lives = number_of(q.arguments, "x-message-ttl");
  const bool has_limit = q.arguments.find("x-message-ttl") != nullptr;
  const auto& own = s.content.properties.expiration;
  if (!own.empty()) lives = has_limit ? std::min<std::int64_t>(lives, std::stoll(own)) : std::stoll(own);
  if (has_limit || !own.empty()) {
    s.expires = loop_->now() + std::chrono::milliseconds{lives};
    timers_->spawn(expire_later(q.name, s.expires));
  }
  const auto most = number_of(q.arguments, "x-max-priority");
  const auto priority = std::min<std::int64_t>(most, s.content.properties.priority.value_or(0));
  q.ready.emplace(place{-static_cast<int>(priority), ++numbers_}, std::move(s));
  deliver(q);
}

void model_broker::put_back(queue& q, place at, stored m) {
  m.redelivered = true;
  ++m.deliveries;
  q.ready.emplace(at, std::move(m));
}

task<void> model_broker::expire_later(std::string name, steady_time at) {
  if (!co_await sleep(*loop_, context{}, at - loop_->now())) co_return;
  if (const auto q = queues_.find(name); q != queues_.end()) expire(q->second);
}

void model_broker::expire(queue& q) {
  const auto* to = text_of(q.arguments, "x-dead-letter-exchange");
  while (!q.ready.empty() && q.ready.begin()->second.expires <= loop_->now()) {
    auto m = std::move(q.ready.begin()->second.content);
    q.ready.erase(q.ready.begin());
    if (to == nullptr) continue;
    m.properties.expiration.clear();
    if (const auto* key = text_of(q.arguments, "x-dead-letter-routing-key")) m.routing_key = *key;
    if (!to->empty() && !exchanges_.contains(*to)) continue;
    for (auto* each : route(*to, m)) put(*each, m);
  }
}

void model_broker::deliver(queue& q) {
  const bool single = is_true(q.arguments, "x-single-active-consumer");
  while (!q.ready.empty() && !q.consumers.empty()) {
    expire(q);
    if (q.ready.empty()) return;
    consumer* to = nullptr;
    const auto count = single ? 1 : q.consumers.size();
    for (std::size_t i = 0; i < count && to == nullptr; ++i) {
      auto& each = q.consumers[single ? 0 : (q.next + i) % q.consumers.size()];
      if (each.prefetch == 0 || each.out < each.prefetch) to = &each;
    }
    if (to == nullptr) return;
    ++q.next;
    const auto first = q.ready.begin();
    const auto at = first->first;
    auto m = std::move(first->second);
    q.ready.erase(first);
    ++to->out;
    to->by->deliver(*to, q, at, std::move(m));
  }
}

// ---- ends

void model_broker::leave(model_connection& c, std::uint16_t channel, const std::string& tag) {
  std::vector<std::string> unused;
  for (auto& [name, q] : queues_) {
    const auto gone = std::erase_if(q.consumers, [&](const consumer& each) {
      return each.by == &c && each.channel == channel && (tag.empty() || each.tag == tag);
    });
    if (gone > 0 && q.consumers.empty() && q.auto_delete) unused.push_back(name);
    if (gone > 0) deliver(q);
  }
  for (const auto& name : unused) delete_queue(name);
}

void model_broker::delete_queue(const std::string& name) {
  const auto at = queues_.find(name);
  if (at == queues_.end()) return;
  auto q = std::move(at->second);
  queues_.erase(at);
  std::erase_if(bindings_, [&](const binding& b) { return b.to_queue && b.destination == name; });
  for (const auto& c : q.consumers) c.by->say(c.channel, amqp::basic_cancel{.consumer_tag = c.tag, .no_wait = true});
}

void model_broker::delete_exchange(const std::string& name) {
  exchanges_.erase(name);
  std::erase_if(bindings_,
                [&](const binding& b) { return b.source == name || (!b.to_queue && b.destination == name); });
}

void model_broker::set_alarm(bool on) {
  alarm_ = on;
  for (auto* c : connections_) c->alarm(on);
}

void model_broker::hold_confirms(bool on) {
  holding_ = on;
  if (on) return;
  for (auto* c : connections_) c->confirm_held();
}

void model_broker::cut() {
  for (auto* c : connections_) c->reset();
}

void model_broker::restart() {
  std::vector<std::string> gone;
  for (const auto& [name, q] : queues_)
    if (!q.durable) gone.push_back(name);
  for (const auto& name : gone) delete_queue(name);
}

task<void> model_broker::run(loop& l, model_broker& state) {
  task_group timers{l}, connections{l};
  state.loop_ = &l;
  state.timers_ = &timers;
  for (const auto& [name, q] : state.queues_)
    for (const auto& [at, m] : q.ready)
      if (m.expires != steady_time::max()) timers.spawn(state.expire_later(name, m.expires));
  const auto taking = l.listen(address::any(5672)).value();
  for (;;) {
    auto next = co_await taking->accept();
    if (!next) co_return;
    connections.spawn(model_connection::serve(l, *std::move(next), state));
  }
}

}  // namespace weft::messaging
