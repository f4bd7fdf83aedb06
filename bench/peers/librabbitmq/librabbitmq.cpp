// The same work as bench/amqp.cpp through librabbitmq (Debian's librabbitmq-dev), as a careful program would do it: it
// reads all confirms that are there before it publishes on, and writes nothing that it need not.
#include <amqp.h>
#include <amqp_tcp_socket.h>

#include <deque>
#include <exception>

#include "../../messaging_plan.hpp"

namespace {

using weft::bench::broker_work;
using weft::bench::messaging_measure;
using weft::bench::messaging_plan;

constexpr amqp_channel_t channel = 1;

[[noreturn]] void give_up(const std::string& what) { throw std::runtime_error{"librabbitmq: " + what}; }

amqp_bytes_t bytes(std::string_view text) { return {text.size(), const_cast<char*>(text.data())}; }

class connection {
 public:
  explicit connection(std::string url) : state_{amqp_new_connection()} {
    amqp_connection_info at{};
    if (amqp_parse_url(url.data(), &at) != AMQP_STATUS_OK) give_up("cannot read the URL");
    auto* socket = amqp_tcp_socket_new(state_);
    if (amqp_socket_open(socket, at.host, at.port) != AMQP_STATUS_OK) give_up("cannot connect");
    const std::string host = at.vhost[0] == '\0' ? "/" : at.vhost;  // which others read a URL ending in / as
    expect(amqp_login(state_, host.c_str(), 0, 131'072, 0, AMQP_SASL_METHOD_PLAIN, at.user, at.password), "login");
    amqp_channel_open(state_, channel);
    check("channel.open");
  }
  connection(const connection&) = delete;
  connection& operator=(const connection&) = delete;
  ~connection() {
    amqp_connection_close(state_, AMQP_REPLY_SUCCESS);
    amqp_destroy_connection(state_);
  }
  void check(const char* what) { expect(amqp_get_rpc_reply(state_), what); }
  static void expect(const amqp_rpc_reply_t& reply, const char* what) {
    if (reply.reply_type != AMQP_RESPONSE_NORMAL) give_up(std::string{what} + " failed");
  }
  [[nodiscard]] amqp_connection_state_t state() const { return state_; }

 private:
  amqp_connection_state_t state_;
};

// What is published and not confirmed: confirms come in any order, and for several at once.
class confirms {
 public:
  void published(std::chrono::nanoseconds due) {
    entries_.push_back({due, false});
    ++open_;
  }
  [[nodiscard]] std::size_t open() const { return open_; }
  void settle(std::uint64_t tag, bool multiple, messaging_measure& measure) {
    if (tag < first_ || tag >= first_ + entries_.size()) return;
    const auto at = static_cast<std::size_t>(tag - first_);
    for (auto i = multiple ? 0 : at; i <= at; ++i) {
      if (entries_[i].settled) continue;
      entries_[i].settled = true;
      --open_;
      measure.settled(measure.elapsed() - entries_[i].due);
    }
    while (!entries_.empty() && entries_.front().settled) {
      entries_.pop_front();
      ++first_;
    }
  }

 private:
  struct entry {
    std::chrono::nanoseconds due;
    bool settled;
  };
  std::deque<entry> entries_;
  std::uint64_t first_ = 1;
  std::size_t open_ = 0;
};

// One confirm, waiting at most so long; false when none came.
bool take_confirm(connection& c, confirms& pending, messaging_measure& measure, std::chrono::microseconds wait) {
  timeval most{.tv_sec = wait.count() / 1'000'000, .tv_usec = wait.count() % 1'000'000};
  amqp_frame_t frame;
  amqp_maybe_release_buffers(c.state());
  const auto status = amqp_simple_wait_frame_noblock(c.state(), &frame, &most);
  if (status == AMQP_STATUS_TIMEOUT) return false;
  if (status != AMQP_STATUS_OK) give_up("reading failed");
  if (frame.frame_type != AMQP_FRAME_METHOD || frame.payload.method.id != AMQP_BASIC_ACK_METHOD)
    give_up("an unexpected frame");
  const auto* ack = static_cast<const amqp_basic_ack_t*>(frame.payload.method.decoded);
  pending.settle(ack->delivery_tag, ack->multiple != 0, measure);
  return true;
}

void publish(connection& c, const messaging_plan& p) {
  amqp_queue_delete(c.state(), channel, bytes(p.queue), 0, 0);
  c.check("queue.delete");
  amqp_table_entry_t type{.key = bytes("x-queue-type"), .value = {.kind = AMQP_FIELD_KIND_UTF8, .value = {}}};
  type.value.value.bytes = bytes(p.queue_type);
  amqp_queue_declare(c.state(), channel, bytes(p.queue), 0, 1, 0, 0, {.num_entries = 1, .entries = &type});
  c.check("queue.declare");
  amqp_confirm_select(c.state(), channel);
  c.check("confirm.select");
  const std::string body(weft::bench::messaging_body_size, 'x');
  amqp_basic_properties_t properties{};
  properties._flags = AMQP_BASIC_DELIVERY_MODE_FLAG;
  properties.delivery_mode = AMQP_DELIVERY_PERSISTENT;
  messaging_measure measure;
  confirms pending;
  constexpr std::chrono::microseconds at_once{0}, long_enough{60'000'000};
  for (std::size_t i = 0; i < p.count; ++i) {
    for (auto left = p.due(i) - measure.elapsed(); p.rate > 0 && left.count() > 0; left = p.due(i) - measure.elapsed())
      take_confirm(c, pending, measure, std::chrono::duration_cast<std::chrono::microseconds>(left) + at_once);
    if (pending.open() >= p.window) {
      if (!take_confirm(c, pending, measure, long_enough)) give_up("no confirm within a minute");
      while (take_confirm(c, pending, measure, at_once)) {
      }
    }
    pending.published(p.rate > 0 ? p.due(i) : measure.elapsed());
    const auto sent =
        amqp_basic_publish(c.state(), channel, amqp_empty_bytes, bytes(p.queue), 0, 0, &properties, bytes(body));
    if (sent != AMQP_STATUS_OK) give_up("publishing failed");
  }
  while (pending.open() > 0)
    if (!take_confirm(c, pending, measure, long_enough)) give_up("no confirm within a minute");
  measure.report(p, p.count);
}

void consume(connection& c, const messaging_plan& p) {
  amqp_basic_qos(c.state(), channel, 0, p.prefetch, 0);
  c.check("basic.qos");
  amqp_basic_consume(c.state(), channel, bytes(p.queue), amqp_empty_bytes, 0, 0, 0, amqp_empty_table);
  c.check("basic.consume");
  messaging_measure measure;
  for (std::size_t i = 1; i <= p.count; ++i) {
    amqp_envelope_t d;
    amqp_maybe_release_buffers(c.state());
    connection::expect(amqp_consume_message(c.state(), &d, nullptr, 0), "consuming");
    if (i % p.ack_every == 0 || i == p.count) amqp_basic_ack(c.state(), channel, d.delivery_tag, p.ack_every > 1);
    amqp_destroy_envelope(&d);
  }
  measure.report(p, p.count);
  amqp_queue_delete(c.state(), channel, bytes(p.queue), 0, 0);
}

}  // namespace

int main(int argc, char** argv) try {
  const auto p = messaging_plan::parse(argc, argv);
  connection c{p.url};
  p.mode == broker_work::publish ? publish(c, p) : consume(c, p);
  return 0;
} catch (const std::exception& e) {
  std::fprintf(stderr, "%s\n", e.what());
  return 1;
}
