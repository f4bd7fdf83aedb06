#pragma once
// How often messages were tried that wait unacknowledged at their place in a queue, written down in another queue, so
// that whoever gets them after this consumer goes on counting. A note is a message of the same id; it is held
// unacknowledged here, so that it can be taken away, and comes back to the queue when this consumer ends.
#include <weft/amqp/channel.hpp>

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "amqp_link.hpp"
#include "sansio/ack_batch.hpp"

namespace weft::messaging {

struct attempt_note {
  std::uint32_t attempt = 1;
  std::vector<failure> failures;
  wall_time due;  // of the retry
};

class attempt_notes {
 public:
  // Of the messages of this queue.
  attempt_notes(amqp_link& link, const std::string& of, ack_batch& acks)
      : link_{link}, queue_{attempts_queue(of)}, acks_{acks} {}

  // What was written by others; once for each generation of the channel. errc::aborted: it is over.
  task<result<>> load(amqp::channel& ch, context ctx, std::uint64_t generation);
  [[nodiscard]] bool loaded() const noexcept { return loaded_; }
  [[nodiscard]] const attempt_note* find(const std::string& id) const;
  // In place of what was written of this message before.
  task<result<>> write(amqp::channel& ch, context ctx, std::uint64_t generation, std::string id, attempt_note note);
  void remove(amqp::channel& ch, const std::string& id);
  // The channel is a new one: what was held went back to the queue.
  void forget() noexcept {
    held_.clear();
    loaded_ = false;
  }

 private:
  struct held_note {
    attempt_note note;
    amqp::delivery from;
  };
  void take_away(amqp::channel& ch, const amqp::delivery& d);
  task<result<>> collect(amqp::channel& ch, context ctx, std::uint64_t generation);

  amqp_link& link_;
  amqp::queue_declare queue_;
  ack_batch& acks_;
  std::map<std::string, held_note> held_;
  bool loaded_ = false;
};

}  // namespace weft::messaging
