#pragma once
// What is to be written, in the terms of the file: messages that are being published, and what has become of those that
// are there. A record is the number of a message in the file, a taker that of a group.
#include <weft/messaging/broker_admin.hpp>
#include <weft/messaging/core/group_hub.hpp>

#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace weft::messaging {

// Nobody has to handle the message any more.
struct erase_message {
  std::uint64_t record;
};
// One of several groups has handled it.
struct settle_message {
  std::uint64_t record, taker;
};
// It is being handled: when the process ends before that is over, it counts as an attempt.
struct take_message {
  std::uint64_t record, taker;
  std::uint32_t attempt;
};
// It waits again.
struct return_message {
  std::uint64_t record, taker;
  std::uint32_t attempt;
  std::optional<steady_time> due;
  std::string failures;
};
// A dead letter goes back to its group, under a record of its own.
struct replay_message {
  std::uint64_t record, taker;
  std::optional<steady_time> expires;
  message_ptr what;
};
struct bury_message {
  std::uint64_t taker;
  dead_letter_entry letter;
};
struct purge_letter {
  std::uint64_t taker, number;
};
struct define_group {
  std::uint64_t taker;
  std::string name;
  ordering order;
  std::string patterns;  // one a line
};
struct remove_group {
  std::uint64_t taker;
};

using change = std::variant<erase_message, settle_message, take_message, std::unique_ptr<return_message>,
                            std::unique_ptr<replay_message>, std::unique_ptr<bury_message>, purge_letter,
                            std::unique_ptr<define_group>, remove_group>;

// One message of a publish() call, with the groups that take it.
struct published_message {
  message_ptr what;
  std::size_t bytes = 0;
  bool durable = false;      // a durable group takes it
  std::uint64_t record = 0;  // once it is being written
  bool duplicate = false;    // its id is remembered: it is taken, and goes nowhere
  std::optional<wall_time> due, expires;
  group_queue::arrival at;
  group_hub::takers takers;
};

}  // namespace weft::messaging
