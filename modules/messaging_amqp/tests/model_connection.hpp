#pragma once
// One client of the model broker.
#include <deque>

#include "model_broker.hpp"

namespace weft::messaging {

class model_connection {
 public:
  model_connection(loop& l, std::unique_ptr<stream> s, model_broker& of);
  model_connection(const model_connection&) = delete;
  model_connection& operator=(const model_connection&) = delete;
  ~model_connection();
  static task<void> serve(loop& l, std::unique_ptr<stream> s, model_broker& of);

  void deliver(model_broker::consumer& to, model_broker::queue& from, model_broker::place at, model_broker::stored m);
  void say(std::uint16_t channel, const amqp::method& m);
  void alarm(bool on);
  void confirm_held();
  void reset() { stream_->reset(); }

 private:
  struct unacknowledged {
    std::string queue, consumer;  // empty: got
    model_broker::place at;
    model_broker::stored what;
  };
  struct channel {
    bool confirms = false;
    std::size_t prefetch = 0;
    std::uint64_t delivered = 0, published = 0;
    std::map<std::uint64_t, unacknowledged> out;
    std::vector<amqp::method> held;  // confirms
    std::optional<amqp::basic_publish> incoming;
    amqp::message content;
    std::uint64_t missing = 0;
  };

  static task<void> write(context ctx, model_connection& self);
  void on_frame(const amqp::frame& f);
  void on_method(std::uint16_t number, const amqp::method& m);
  void on_topology(std::uint16_t number, const amqp::method& m);
  void on_declare(std::uint16_t number, const amqp::queue_declare& m);
  void on_get(std::uint16_t number, const amqp::basic_get& m);
  void on_consume(std::uint16_t number, const amqp::basic_consume& m);
  void on_published(std::uint16_t number);
  void settle(std::uint16_t number, std::uint64_t tag, bool multiple, bool requeue, bool drop);
  void close_channel(std::uint16_t number);
  void refuse(std::uint16_t number, std::uint16_t code, std::string text, amqp::method_id about);
  void send(std::uint16_t number, const amqp::method& how, const amqp::message& m);

  std::unique_ptr<stream> stream_;
  model_broker& broker_;
  std::map<std::uint16_t, channel> channels_;
  std::string out_;
  weft::event written_, allowed_;
  bool publishes_ = false, blocked_ = false, done_ = false;
};

}  // namespace weft::messaging
