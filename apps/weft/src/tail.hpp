#pragma once
// weft tail: what is being published, as it happens.
//
//     co_await tail(loop, broker, ctx, {.pattern = "orders.#"}, to);       // until ctx ends, which is success
//
// A group of its own that is gone with it: it takes nothing away from anybody, and shows nothing from before it began.
#include <weft/messaging/broker.hpp>
#include <weft/runtime/loop.hpp>

#include <cstdint>
#include <string>

#include "terminal.hpp"

namespace weft::cli {

struct tailing {
  std::string pattern;
  std::uint64_t count = 0;            // stops after so many; 0: never
  std::size_t max_body_bytes = 1000;  // as text; JSON has all of it
  duration subscribe_timeout = std::chrono::seconds{10};
};

[[nodiscard]] task<result<>> tail(loop& l, messaging::broker& from, context ctx, tailing what, terminal to);

}  // namespace weft::cli
