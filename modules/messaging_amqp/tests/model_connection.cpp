#include "model_connection.hpp"

#include <algorithm>

namespace weft::messaging {

using namespace amqp;  // NOLINT: the methods of the protocol

model_connection::model_connection(loop& l, std::unique_ptr<stream> s, model_broker& of)
    : stream_{std::move(s)}, broker_{of}, written_{l}, allowed_{l} {
  ++broker_.connections_made;
  broker_.connections_.insert(this);
  allowed_.set();
}

model_connection::~model_connection() {
  broker_.connections_.erase(this);
  while (!channels_.empty()) close_channel(channels_.begin()->first);
  std::vector<std::string> mine;
  for (const auto& [name, q] : broker_.queues_)
    if (q.owner == this) mine.push_back(name);
  for (const auto& name : mine) broker_.delete_queue(name);
}

task<void> model_connection::write(context ctx, model_connection& self) {
  for (;;) {
    while (self.out_.empty()) {
      self.written_.reset();
      if (!co_await self.written_.wait(ctx)) co_return;
    }
    const auto all = std::exchange(self.out_, {});
    const_buffer part{all};
    if (!co_await self.stream_->write({&part, 1})) co_return;
    if (self.done_) co_return self.stream_->reset();
  }
}

task<void> model_connection::serve(loop& l, std::unique_ptr<stream> s, model_broker& of) {
  model_connection self{l, std::move(s), of};
  task_group writer{l};
  writer.spawn(write(writer.derive({}), self));
  std::string held;
  std::vector<char> part(64UL * 1024);
  bool greeted = false;
  for (;;) {
    const auto count = co_await self.stream_->read(part);
    if (!count || *count == 0) break;
    held.append(part.data(), *count);
    if (!greeted && held.size() >= 8) {
      held.erase(0, 8);
      greeted = true;
      self.say(0, connection_start{.version_minor = 9, .mechanisms = "PLAIN EXTERNAL", .locales = "en_US"});
    }
    std::size_t used = 0;
    while (greeted && !self.done_) {
      // Short of memory it reads no further of those that publish.
      if (self.blocked_) static_cast<void>(co_await self.allowed_.wait({}));
      const auto f = parse_frame(std::string_view{held}.substr(used), of.frame_max);
      if (!f || !*f) break;
      used += (*f)->size();
      self.on_frame(**f);
    }
    held.erase(0, used);
  }
  writer.cancel();
  self.stream_->reset();
  co_await writer.join();
}

void model_connection::say(std::uint16_t channel, const method& m) {
  EXPECT_TRUE(append_method(out_, channel, m, broker_.frame_max));
  written_.set();
}

void model_connection::send(std::uint16_t number, const method& how, const message& m) {
  say(number, how);
  EXPECT_TRUE(append_content(out_, number, m.properties, m.body, broker_.frame_max));
}

void model_connection::alarm(bool on) {
  if (on && publishes_) say(0, connection_blocked{.reason = "low on memory"});
  if (on) return;
  if (publishes_) say(0, connection_unblocked{});
  blocked_ = false;
  allowed_.set();
}

void model_connection::confirm_held() {
  for (auto& [number, c] : channels_)
    for (const auto& m : std::exchange(c.held, {})) say(number, m);
}

void model_connection::deliver(model_broker::consumer& to, model_broker::queue& from, model_broker::place at,
                               model_broker::stored m) {
  auto& c = channels_[to.channel];
  auto shown = m.content;
  if (m.deliveries > 0) shown.properties.headers.set("x-delivery-count", m.deliveries);
  send(to.channel,
       basic_deliver{.consumer_tag = to.tag,
                     .delivery_tag = ++c.delivered,
                     .redelivered = m.redelivered,
                     .exchange = shown.exchange,
                     .routing_key = shown.routing_key},
       shown);
  c.out[c.delivered] = {.queue = from.name, .consumer = to.tag, .at = at, .what = std::move(m)};
}

void model_connection::close_channel(std::uint16_t number) {
  const auto at = channels_.find(number);
  if (at == channels_.end()) return;
  auto out = std::move(at->second.out);
  channels_.erase(at);
  std::set<std::string> touched;
  for (auto& [tag, each] : out)
    if (const auto q = broker_.queues_.find(each.queue); q != broker_.queues_.end()) {
      broker_.put_back(q->second, each.at, std::move(each.what));
      touched.insert(each.queue);
    }
  broker_.leave(*this, number, {});
  for (const auto& name : touched)
    if (const auto q = broker_.queues_.find(name); q != broker_.queues_.end()) broker_.deliver(q->second);
}

void model_connection::refuse(std::uint16_t number, std::uint16_t code, std::string text, method_id about) {
  say(number, channel_close{.reply_code = code,
                            .reply_text = std::move(text),
                            .class_id = about.class_number,
                            .method_id = about.method_number});
  close_channel(number);
}

void model_connection::settle(std::uint16_t number, std::uint64_t tag, bool multiple, bool requeue, bool drop) {
  auto& c = channels_[number];
  const auto first = multiple ? c.out.begin() : c.out.find(tag);
  if (first == c.out.end() || (multiple && first->first > tag))
    return refuse(number, 406, "PRECONDITION_FAILED - unknown delivery tag", drop ? basic_ack::id : basic_nack::id);
  std::set<std::string> touched;
  for (auto at = first; at != c.out.end() && at->first <= tag; at = c.out.erase(at)) {
    auto& each = at->second;
    const auto q = broker_.queues_.find(each.queue);
    if (q == broker_.queues_.end()) continue;
    touched.insert(each.queue);
    for (auto& to : q->second.consumers)
      if (to.by == this && to.channel == number && to.tag == each.consumer) --to.out;
    if (requeue) broker_.put_back(q->second, each.at, std::move(each.what));
  }
  for (const auto& name : touched) broker_.deliver(broker_.queues_.at(name));
}

// ---- what the client says

void model_connection::on_frame(const frame& f) {
  if (f.type == frame_type::heartbeat) return append_heartbeat(out_), written_.set();
  if (f.type == frame_type::method) return on_method(f.channel, parse_method(f.payload).value());
  const auto at = channels_.find(f.channel);
  if (at == channels_.end()) return;  // it was closed meanwhile
  auto& c = at->second;
  if (f.type == frame_type::header) {
    const auto header = parse_content_header(f.payload).value();
    c.content.properties = header.properties;
    c.missing = header.body_size;
  } else {
    c.content.body += f.payload;
    c.missing -= f.payload.size();
  }
  if (c.missing == 0) on_published(f.channel);
}

void model_connection::on_published(std::uint16_t number) {
  auto& c = channels_[number];
  auto m = std::exchange(c.content, {});
  const auto how = *std::exchange(c.incoming, {});
  ++broker_.publications;
  m.exchange = how.exchange;
  m.routing_key = how.routing_key;
  if (!publishes_) {
    publishes_ = true;
    if (broker_.alarm_) say(0, connection_blocked{.reason = "low on memory"});
  }
  if (broker_.alarm_) blocked_ = true, allowed_.reset();
  if (!how.exchange.empty() && !broker_.exchanges_.contains(how.exchange))
    return refuse(number, 404, "NOT_FOUND - no exchange '" + how.exchange + "'", basic_publish::id);
  if (m.body.size() > broker_.max_message_bytes) return refuse(number, 406, broker_.refusal, basic_publish::id);
  const auto tag = c.confirms ? ++c.published : 0;
  const auto to = broker_.route(how.exchange, m);
  if (to.empty() && how.mandatory)
    send(number,
         basic_return{
             .reply_code = 312, .reply_text = "NO_ROUTE", .exchange = how.exchange, .routing_key = how.routing_key},
         m);
  const bool full = std::ranges::any_of(to, [&](const auto* q) { return broker_.is_full(*q); });
  if (!full)
    for (auto* q : to) broker_.put(*q, m);
  if (!channels_.contains(number) || tag == 0) return;
  const method answer = full ? method{basic_nack{.delivery_tag = tag}} : method{basic_ack{.delivery_tag = tag}};
  if (broker_.holding_)
    channels_[number].held.push_back(answer);
  else
    say(number, answer);
}

void model_connection::on_method(std::uint16_t number, const method& m) {
  if (std::holds_alternative<connection_start_ok>(m))
    return say(0, connection_tune{.channel_max = 2047, .frame_max = broker_.frame_max, .heartbeat = 60});
  if (std::holds_alternative<connection_open>(m)) return say(0, connection_open_ok{});
  if (std::holds_alternative<connection_close>(m)) return done_ = true, say(0, connection_close_ok{});
  if (std::holds_alternative<channel_open>(m)) return channels_[number] = {}, say(number, channel_open_ok{});
  if (std::holds_alternative<channel_close>(m)) return close_channel(number), say(number, channel_close_ok{});
  if (!channels_.contains(number)) return;  // it was closed over an earlier request
  auto& c = channels_[number];
  if (const auto* p = std::get_if<basic_publish>(&m)) return static_cast<void>(c.incoming = *p);
  if (const auto* ack = std::get_if<basic_ack>(&m))
    return settle(number, ack->delivery_tag, ack->multiple, false, true);
  if (const auto* nack = std::get_if<basic_nack>(&m))
    return settle(number, nack->delivery_tag, nack->multiple, nack->requeue, false);
  if (const auto* get = std::get_if<basic_get>(&m)) return on_get(number, *get);
  if (const auto* consume = std::get_if<basic_consume>(&m)) return on_consume(number, *consume);
  if (const auto* cancel = std::get_if<basic_cancel>(&m)) {
    broker_.leave(*this, number, cancel->consumer_tag);
    if (!cancel->no_wait) say(number, basic_cancel_ok{.consumer_tag = cancel->consumer_tag});
    return;
  }
  if (std::holds_alternative<confirm_select>(m)) return c.confirms = true, say(number, confirm_select_ok{});
  if (const auto* qos = std::get_if<basic_qos>(&m))
    return c.prefetch = qos->prefetch_count, say(number, basic_qos_ok{});
  on_topology(number, m);
}

void model_connection::on_get(std::uint16_t number, const basic_get& m) {
  const auto at = broker_.queues_.find(m.queue);
  if (at == broker_.queues_.end()) return refuse(number, 404, "NOT_FOUND - no queue", basic_get::id);
  auto& ready = at->second.ready;
  if (ready.empty()) return say(number, basic_get_empty{});
  const auto first = ready.begin();
  auto& c = channels_[number];
  send(number,
       basic_get_ok{.delivery_tag = ++c.delivered,
                    .redelivered = first->second.redelivered,
                    .routing_key = first->second.content.routing_key},
       first->second.content);
  c.out[c.delivered] = {.queue = m.queue, .consumer = {}, .at = first->first, .what = std::move(first->second)};
  ready.erase(first);
}

void model_connection::on_consume(std::uint16_t number, const basic_consume& m) {
  const auto at = broker_.queues_.find(m.queue);
  if (at == broker_.queues_.end()) return refuse(number, 404, "NOT_FOUND - no queue", basic_consume::id);
  at->second.consumers.push_back(
      {.by = this, .channel = number, .tag = m.consumer_tag, .prefetch = channels_[number].prefetch});
  say(number, basic_consume_ok{.consumer_tag = m.consumer_tag});
  broker_.deliver(at->second);
}

void model_connection::on_declare(std::uint16_t number, const queue_declare& m) {
  auto at = broker_.queues_.find(m.queue);
  if (at == broker_.queues_.end()) {
    if (m.passive) return refuse(number, 404, "NOT_FOUND - no queue '" + m.queue + "'", queue_declare::id);
    at = broker_.queues_
             .emplace(m.queue, model_broker::queue{.name = m.queue,
                                                   .durable = m.durable,
                                                   .auto_delete = m.auto_delete,
                                                   .owner = m.exclusive ? this : nullptr,
                                                   .arguments = m.arguments})
             .first;
  } else if (at->second.owner != nullptr && at->second.owner != this) {
    return refuse(number, 405, "RESOURCE_LOCKED - exclusive", queue_declare::id);
  } else if (!m.passive && at->second.arguments != m.arguments) {
    return refuse(number, 406, "PRECONDITION_FAILED - inequivalent arg", queue_declare::id);
  }
  say(number, queue_declare_ok{.queue = m.queue,
                               .message_count = static_cast<std::uint32_t>(at->second.ready.size()),
                               .consumer_count = static_cast<std::uint32_t>(at->second.consumers.size())});
}

void model_connection::on_topology(std::uint16_t number, const method& m) {
  auto& b = broker_;
  const auto bind = [&](model_broker::binding made) {
    if (std::ranges::find(b.bindings_, made) == b.bindings_.end()) b.bindings_.push_back(std::move(made));
  };
  if (const auto* e = std::get_if<exchange_declare>(&m)) {
    b.exchanges_.try_emplace(e->exchange, model_broker::exchange{e->type, e->durable});
    return say(number, exchange_declare_ok{});
  }
  if (const auto* e = std::get_if<exchange_delete>(&m))
    return b.delete_exchange(e->exchange), say(number, exchange_delete_ok{});
  if (const auto* q = std::get_if<queue_declare>(&m)) return on_declare(number, *q);
  if (const auto* q = std::get_if<queue_bind>(&m)) {
    if (!b.exchanges_.contains(q->exchange) || !b.queues_.contains(q->queue))
      return refuse(number, 404, "NOT_FOUND - nothing to bind", queue_bind::id);
    return bind({q->exchange, q->queue, q->routing_key, true}), say(number, queue_bind_ok{});
  }
  if (const auto* e = std::get_if<exchange_bind>(&m)) {
    if (!b.exchanges_.contains(e->source) || !b.exchanges_.contains(e->destination))
      return refuse(number, 404, "NOT_FOUND - nothing to bind", exchange_bind::id);
    return bind({e->source, e->destination, e->routing_key, false}), say(number, exchange_bind_ok{});
  }
  if (const auto* q = std::get_if<queue_purge>(&m)) {
    const auto at = b.queues_.find(q->queue);
    if (at == b.queues_.end()) return refuse(number, 404, "NOT_FOUND - no queue", queue_purge::id);
    const auto count = static_cast<std::uint32_t>(at->second.ready.size());
    return at->second.ready.clear(), say(number, queue_purge_ok{.message_count = count});
  }
  if (const auto* q = std::get_if<queue_delete>(&m)) {
    const auto at = b.queues_.find(q->queue);
    if (at != b.queues_.end() && q->if_unused && !at->second.consumers.empty())
      return refuse(number, 406, "PRECONDITION_FAILED - in use", queue_delete::id);
    const auto count = at == b.queues_.end() ? 0U : static_cast<std::uint32_t>(at->second.ready.size());
    return b.delete_queue(q->queue), say(number, queue_delete_ok{.message_count = count});
  }
  ADD_FAILURE() << "the model broker does not know " << name_of(m);
}

}  // namespace weft::messaging
