#pragma once
// What tools and consoles ask of a broker: how much waits where, and what failed for good.
//
//     for (const auto& d : (co_await admin.dead_letters(ctx, {.group = "billing", .limit = 20})).value()) show(d);
//     auto replayed = co_await admin.replay(ctx, "billing", {});          // all of them
//
// To follow a topic, subscribe with lifetime::ephemeral. Belongs to its broker and loop.
#include <weft/messaging/broker.hpp>

#include <cstdint>
#include <string>
#include <vector>

namespace weft::messaging {

struct group_depth {
  std::string group;
  std::vector<std::string> patterns;
  std::uint64_t ready = 0, in_flight = 0, delayed = 0, dead = 0;
  std::uint64_t bytes = 0;  // of all but the dead
  std::uint32_t consumers = 0;
};

struct dead_letter_entry {
  std::uint64_t number = 0;  // in the order of their arrival; names it within its group
  std::string group, reason;
  message_ptr what;  // as it was published
  std::uint32_t attempts = 0;
  std::vector<failure> failures;
  wall_time at;
  dead_letter_scope scope = dead_letter_scope::message;
};

struct dead_letter_query {
  std::string group;
  std::uint64_t after = 0;  // numbers above it
  std::size_t limit = 100;
};

class broker_admin {
 public:
  virtual ~broker_admin() = default;
  broker_admin(const broker_admin&) = delete;
  broker_admin& operator=(const broker_admin&) = delete;

  // By name.
  virtual task<result<std::vector<group_depth>>> depths(context ctx) = 0;
  virtual task<result<std::vector<dead_letter_entry>>> dead_letters(context ctx, dead_letter_query query) = 0;
  // Back to the group they failed in, as new, in their order; no numbers: all. With one that holds up its key go all of
  // that key. How many were replayed; an unknown number is errc::not_found, before anything happens.
  virtual task<result<std::size_t>> replay(context ctx, std::string group, std::vector<std::uint64_t> numbers) = 0;
  virtual task<result<std::size_t>> purge(context ctx, std::string group, std::vector<std::uint64_t> numbers) = 0;
  // Drops what is ready and delayed.
  virtual task<result<std::size_t>> clear(context ctx, std::string group) = 0;
  // A durable group with all that is in it; errc::failed_precondition while somebody consumes.
  virtual task<result<>> remove_group(context ctx, std::string group) = 0;

 protected:
  broker_admin() = default;
};

}  // namespace weft::messaging
