#pragma once
// What admin_routes() and the remote broker say to each other, as JSON.
#include <weft/json/decode.hpp>
#include <weft/messaging/broker.hpp>
#include <weft/messaging/broker_admin.hpp>

#include <boost/describe/class.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace weft::messaging::wire {

struct header_field {
  std::string name, value;
};
BOOST_DESCRIBE_STRUCT(header_field, (), (name, value))

struct carried {
  std::string id, topic, key, content_type;
  std::vector<header_field> headers;
  std::string body;  // base 64
  int priority = default_priority;
  std::chrono::nanoseconds time_to_live{};
};
BOOST_DESCRIBE_STRUCT(carried, (), (id, topic, key, content_type, headers, body, priority, time_to_live))
[[nodiscard]] carried to_wire(const message& m);
// errc::invalid_argument for what is no base 64, or no priority.
[[nodiscard]] result<message> from_wire(carried c);

struct problem {
  std::string code, message;
  std::optional<std::string> operation, peer, remedy;
};
BOOST_DESCRIBE_STRUCT(problem, (), (code, message, operation, peer, remedy))
[[nodiscard]] problem to_wire(const error& e);
// Not: a code that is not ours, as another server has it in an answer of this shape.
[[nodiscard]] std::optional<error> from_wire(const problem& p);

struct problem_answer {
  problem error;
};
BOOST_DESCRIBE_STRUCT(problem_answer, (), (error))

struct publication {
  carried what;
  std::chrono::nanoseconds delay{};
  bool mandatory = false;
};
BOOST_DESCRIBE_STRUCT(publication, (), (what, delay, mandatory))

struct outcome {
  std::optional<problem> error;
};
BOOST_DESCRIBE_STRUCT(outcome, (), (error))

struct abilities {
  std::string broker;
  std::vector<std::string> features;
  std::uint64_t max_message_bytes = 0;
  std::chrono::nanoseconds max_delay{};
};
BOOST_DESCRIBE_STRUCT(abilities, (), (broker, features, max_message_bytes, max_delay))
[[nodiscard]] abilities to_wire(const broker_features& f);
// Features of a later version are ignored.
[[nodiscard]] broker_features from_wire(const abilities& a);

struct depth {
  std::string group;
  std::vector<std::string> patterns;
  std::uint64_t ready = 0, in_flight = 0, delayed = 0, dead = 0, bytes = 0;
  std::uint32_t consumers = 0;
};
BOOST_DESCRIBE_STRUCT(depth, (), (group, patterns, ready, in_flight, delayed, dead, bytes, consumers))
[[nodiscard]] depth to_wire(const group_depth& d);
[[nodiscard]] group_depth from_wire(depth d);

struct failed_attempt {
  std::string code, what;
  std::uint32_t attempt = 1;
  wall_time at;
};
BOOST_DESCRIBE_STRUCT(failed_attempt, (), (code, what, attempt, at))

struct dead {
  std::uint64_t number = 0;
  std::string group, reason;
  carried what;
  std::uint32_t attempts = 0;
  std::vector<failed_attempt> failures;
  wall_time at;
  bool holds_key = false;
};
BOOST_DESCRIBE_STRUCT(dead, (), (number, group, reason, what, attempts, failures, at, holds_key))
[[nodiscard]] dead to_wire(const dead_letter_entry& d);
[[nodiscard]] result<dead_letter_entry> from_wire(dead d);

struct selection {
  std::string group;
  std::vector<std::uint64_t> numbers;  // none: all
};
BOOST_DESCRIBE_STRUCT(selection, (), (group, numbers))

struct count {
  std::uint64_t number = 0;
};
BOOST_DESCRIBE_STRUCT(count, (), (number))

}  // namespace weft::messaging::wire
