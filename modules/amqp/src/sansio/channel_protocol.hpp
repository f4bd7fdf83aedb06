#pragma once
// One channel's life as a state machine: which reply belongs to which request, and what else the server may say.
//
//     channel_protocol c;
//     c.open(session, number);                                   // a request like any other
//     auto id = c.request(session, queue_declare{...});          // its reply comes as reply{id, ...}
//     auto event = c.receive(session, method);                   // what it means; an error ends the connection
//
// Requests may be sent one after another without waiting; replies come in their order (AMQP 0-9-1, 2.2.1).
#include <deque>

#include "session.hpp"

namespace weft::amqp::sansio {

struct channel_reply {
  std::uint64_t request = 0;
  method answer;
};
struct channel_got {  // the reply to basic.get, with its message
  std::uint64_t request = 0;
  content answer;
};
struct channel_settled {  // publications were taken, or refused
  std::uint64_t tag = 0;
  bool multiple = false, positive = true;
};
struct channel_cancelled {  // by the server: the queue is gone
  std::string consumer_tag;
};
struct channel_flow {
  bool active = true;
};
struct channel_ended {  // by the server; `why` is its reason, `about` the request that it refused, if any
  error why;
  method_id about;
};
using channel_event = std::variant<std::monostate, channel_reply, channel_got, channel_settled, channel_cancelled,
                                   channel_flow, channel_ended, content>;  // content: a delivery or a return

class channel_protocol {
 public:
  enum class state : std::uint8_t { closed, open, closing };

  // Sends channel.open; the reply's id comes back.
  result<std::uint64_t> open(session& s, std::uint16_t number);
  result<std::uint64_t> request(session& s, const method& m);
  result<std::uint64_t> close(session& s);

  result<channel_event> receive(session& s, method m);
  result<channel_event> receive(content c);

  // The connection is gone, or the channel is given up: no reply comes any more.
  void forget() noexcept;

  // Those that come past receive(); what is on its way when the channel closes is nobody's.
  [[nodiscard]] bool takes_deliveries() const noexcept { return state_ != state::closing; }

  [[nodiscard]] state current() const noexcept { return state_; }
  [[nodiscard]] std::uint16_t number() const noexcept { return number_; }

 private:
  struct pending {
    std::uint64_t id = 0;
    method_id what;
  };
  state state_ = state::closed;
  std::uint16_t number_ = 0;
  std::uint64_t last_request_ = 0;
  std::deque<pending> pending_;
};

}  // namespace weft::amqp::sansio
