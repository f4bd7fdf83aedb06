#pragma once
// A small AMQP server for the simulator, out of the same codec: queues in memory that outlive it, confirms that can be
// withheld, and a log of what clients asked for.
#include <weft/amqp/frame.hpp>
#include <weft/runtime/task_group.hpp>
#include <weft/testkit.hpp>

#include <deque>
#include <map>

namespace weft::amqp {

struct broker_state {
  struct stored {
    message content;
    bool redelivered = false;
  };
  std::map<std::string, std::deque<stored>> queues;
  std::vector<std::string> log;
  int connections = 0;
  bool confirming = true;        // otherwise publications are stored and not confirmed
  bool silent = false;           // accepts, and says nothing
  std::string after_open;        // raw bytes sent instead of channel.open-ok
  std::string refusal;           // raw bytes instead of every channel.open-ok
  bool ending_channels = false;  // each is closed as soon as it is consumed
  int heartbeats = 0;            // received
  std::string withheld;          // the method whose answers come only with the next answer to another
  bool deleting = false;         // a queue goes away as soon as it is consumed
  std::vector<stream*> streams;  // of living connections

  void reset_connections() {
    for (auto* each : streams) each->reset();
  }
};

class broker_connection {
 public:
  broker_connection(std::unique_ptr<stream> s, broker_state& state) : stream_{std::move(s)}, state_{state} {
    ++state_.connections;
    state_.streams.push_back(stream_.get());
  }
  broker_connection(const broker_connection&) = delete;
  broker_connection& operator=(const broker_connection&) = delete;
  ~broker_connection() {
    std::erase(state_.streams, stream_.get());
    for (auto at = unacked_.rbegin(); at != unacked_.rend(); ++at)
      state_.queues[at->second.first].push_front({std::move(at->second.second), true});
  }

  static task<void> serve(std::unique_ptr<stream> s, broker_state& state) {
    broker_connection self{std::move(s), state};
    std::string held;
    std::array<char, 4096> part{};
    bool greeted = false;
    for (;;) {
      const auto count = co_await self.stream_->read(part);
      if (!count || *count == 0) co_return;
      held.append(part.data(), *count);
      if (state.silent) continue;
      if (!greeted && held.size() >= 8) {
        held.erase(0, 8);
        greeted = true;
        self.say(0, connection_start{.version_minor = 9, .mechanisms = "PLAIN EXTERNAL", .locales = "en_US"});
      }
      while (greeted) {
        const auto f = parse_frame(held, 131'072);
        if (!f) co_return;
        if (!*f) break;
        self.on_frame(**f);
        held.erase(0, (*f)->size());
      }
      if (!self.out_.empty()) {
        const_buffer all{self.out_};
        if (!co_await self.stream_->write({&all, 1})) co_return;
        self.out_.clear();
      }
      if (self.done_) co_return;
    }
  }

 private:
  void say(std::uint16_t channel, const method& m) { EXPECT_TRUE(append_method(out_, channel, m, 131'072)); }

  void on_frame(const frame& f) {
    if (f.type == frame_type::heartbeat) return ++state_.heartbeats, append_heartbeat(out_);
    if (f.type == frame_type::method) {
      const auto m = parse_method(f.payload).value();
      if (name_of(m) != state_.withheld) {
        out_ += std::exchange(late_, {});
        return on_method(f.channel, m);
      }
      const auto said = std::exchange(out_, {});
      on_method(f.channel, m);
      late_ += std::exchange(out_, said);
      return;
    }
    if (f.type == frame_type::header) {
      const auto header = parse_content_header(f.payload).value();
      incoming_.properties = header.properties;
      missing_ = header.body_size;
    } else {
      incoming_.body += f.payload;
      missing_ -= f.payload.size();
    }
    if (missing_ == 0) on_publish(f.channel);
  }

  void on_publish(std::uint16_t channel) {
    const auto tag = ++published_[channel];
    auto m = std::exchange(incoming_, {});
    state_.log.push_back("publish " + m.body + " " + m.properties.message_id);
    const auto queue = m.routing_key;
    if (!state_.queues.contains(queue)) {
      say(channel, basic_return{.reply_code = 312, .reply_text = "NO_ROUTE", .routing_key = queue});
      EXPECT_TRUE(append_content(out_, channel, m.properties, m.body, 131'072));
    } else {
      state_.queues[queue].push_back({std::move(m)});
    }
    if (state_.confirming) say(channel, basic_ack{.delivery_tag = tag});
    deliver();
  }

  void deliver() {
    for (const auto& [tag, at] : consumers_) {
      auto& queue = state_.queues[at.second];
      while (!queue.empty()) {
        auto first = std::move(queue.front());
        queue.pop_front();
        say(at.first, basic_deliver{.consumer_tag = tag,
                                    .delivery_tag = ++delivered_,
                                    .redelivered = first.redelivered,
                                    .routing_key = at.second});
        EXPECT_TRUE(append_content(out_, at.first, first.content.properties, first.content.body, 131'072));
        unacked_[delivered_] = {at.second, std::move(first.content)};
      }
    }
  }

  void on_method(std::uint16_t channel, const method& m) {
    if (std::holds_alternative<connection_start_ok>(m))
      return say(0, connection_tune{.channel_max = 100, .frame_max = 131'072, .heartbeat = 60});
    if (std::holds_alternative<connection_open>(m)) return say(0, connection_open_ok{});
    if (std::holds_alternative<connection_close>(m)) return done_ = true, say(0, connection_close_ok{});
    if (const auto* ack = std::get_if<basic_ack>(&m)) return static_cast<void>(unacked_.erase(ack->delivery_tag));
    if (const auto* nack = std::get_if<basic_nack>(&m)) return on_nack(*nack);
    if (const auto* get = std::get_if<basic_get>(&m)) return on_get(channel, get->queue);
    if (const auto* c = std::get_if<basic_cancel>(&m)) {
      state_.log.push_back("cancel");
      consumers_.erase(c->consumer_tag);
      if (!c->no_wait) say(channel, basic_cancel_ok{.consumer_tag = c->consumer_tag});
      return;
    }
    if (const auto* p = std::get_if<basic_publish>(&m)) {
      incoming_ = {.exchange = p->exchange, .routing_key = p->routing_key};
      return;
    }
    if (std::holds_alternative<channel_open>(m)) {
      published_[channel] = 0;
      if (!state_.refusal.empty()) return static_cast<void>(out_ += state_.refusal);
      if (!state_.after_open.empty()) return static_cast<void>(out_ += std::exchange(state_.after_open, {}));
      return say(channel, channel_open_ok{});
    }
    if (std::holds_alternative<channel_close>(m)) return say(channel, channel_close_ok{});
    if (std::holds_alternative<confirm_select>(m)) return say(channel, confirm_select_ok{});
    if (std::holds_alternative<basic_qos>(m)) return say(channel, basic_qos_ok{});
    if (const auto* e = std::get_if<exchange_declare>(&m)) {
      state_.log.push_back("exchange " + e->exchange);
      return say(channel, exchange_declare_ok{});
    }
    if (const auto* b = std::get_if<queue_bind>(&m)) {
      state_.log.push_back("bind " + b->queue + " " + b->exchange);
      return say(channel, queue_bind_ok{});
    }
    if (const auto* q = std::get_if<queue_declare>(&m)) {
      state_.log.push_back("queue " + q->queue);
      if (q->passive && !state_.queues.contains(q->queue))
        return say(channel, channel_close{.reply_code = 404,
                                          .reply_text = "NOT_FOUND",
                                          .class_id = queue_declare::id.class_number,
                                          .method_id = queue_declare::id.method_number});
      state_.queues[q->queue];
      return say(channel, queue_declare_ok{.queue = q->queue});
    }
    if (const auto* c = std::get_if<basic_consume>(&m)) {
      state_.log.push_back("consume " + c->queue);
      consumers_[c->consumer_tag] = {channel, c->queue};
      say(channel, basic_consume_ok{.consumer_tag = c->consumer_tag});
      if (state_.ending_channels) {
        consumers_.erase(c->consumer_tag);
        return say(channel, channel_close{.reply_code = 406, .reply_text = "PRECONDITION_FAILED - no more"});
      }
      if (state_.deleting) {
        state_.queues.erase(c->queue);
        say(channel, basic_cancel{.consumer_tag = c->consumer_tag, .no_wait = true});
        consumers_.erase(c->consumer_tag);
      }
      return deliver();
    }
  }

  void on_nack(const basic_nack& m) {
    const auto at = unacked_.find(m.delivery_tag);
    if (at == unacked_.end()) return;
    state_.queues[at->second.first].push_front({std::move(at->second.second), true});
    unacked_.erase(at);
  }

  void on_get(std::uint16_t channel, const std::string& name) {
    auto& queue = state_.queues[name];
    if (queue.empty()) return say(channel, basic_get_empty{});
    auto first = std::move(queue.front());
    queue.pop_front();
    say(channel, basic_get_ok{.delivery_tag = ++delivered_, .redelivered = first.redelivered, .routing_key = name});
    EXPECT_TRUE(append_content(out_, channel, first.content.properties, first.content.body, 131'072));
    unacked_[delivered_] = {name, std::move(first.content)};
  }

  std::unique_ptr<stream> stream_;
  broker_state& state_;
  std::string out_, late_;
  message incoming_;
  std::uint64_t missing_ = 0, delivered_ = 0;
  std::map<std::uint16_t, std::uint64_t> published_;
  std::map<std::string, std::pair<std::uint16_t, std::string>> consumers_;
  std::map<std::uint64_t, std::pair<std::string, message>> unacked_;
  bool done_ = false;
};

inline task<void> fake_broker(loop& l, broker_state& state) {
  task_group connections{l};
  const auto taking = l.listen(address::any(5672)).value();
  for (;;) {
    auto next = co_await taking->accept();
    if (!next) co_return;
    connections.spawn(broker_connection::serve(*std::move(next), state));
  }
}

}  // namespace weft::amqp
