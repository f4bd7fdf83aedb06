#pragma once
// weft dlq: what failed for good.
//
//     co_await list_dead_letters(broker, ctx, {.group = "billing"}, to);
//     co_await replay_dead_letters(broker, ctx, {.group = "billing", .numbers = {3, 4}}, to);
//
// errc::unimplemented for a broker that cannot tell. All of it writes to `to` only what it did.
#include <weft/messaging/broker.hpp>
#include <weft/messaging/broker_admin.hpp>

#include <cstdint>
#include <string>
#include <vector>

#include "terminal.hpp"

namespace weft::cli {

struct listing {
  std::string group;  // empty: all of them
  std::uint64_t after = 0;
  std::size_t limit = 100;
};

struct showing {
  std::string group;
  std::uint64_t number = 0;
  std::size_t max_body_bytes = 64 * 1024;
};

struct selection {
  std::string group;
  std::vector<std::uint64_t> numbers;
  bool all = false;  // instead of numbers
};

[[nodiscard]] task<result<>> list_dead_letters(messaging::broker& from, context ctx, listing what, terminal to);
[[nodiscard]] task<result<>> show_dead_letter(messaging::broker& from, context ctx, showing what, terminal to);
[[nodiscard]] task<result<>> replay_dead_letters(messaging::broker& from, context ctx, selection what, terminal to);
[[nodiscard]] task<result<>> purge_dead_letters(messaging::broker& from, context ctx, selection what, terminal to);

}  // namespace weft::cli
