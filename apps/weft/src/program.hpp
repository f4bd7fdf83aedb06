#pragma once
// The program, without the process around it.
//
//     return loop.run(run(loop, ctx, {argv + 1, argv + argc}, {std::cout, std::cerr, input, brokers}));
//
// `ctx` ends when the user wants it to; what is in `around` outlives the call.
#include <weft/messaging/broker_factory.hpp>
#include <weft/runtime/context.hpp>
#include <weft/runtime/loop.hpp>

#include <ostream>
#include <string>
#include <vector>

#include "input.hpp"
#include "terminal.hpp"

namespace weft::cli {

struct surroundings {
  std::ostream& out;
  std::ostream& notes;
  byte_source& input;
  const messaging::broker_factory& brokers;
};

[[nodiscard]] task<exit_status> run(loop& l, context ctx, std::vector<std::string> arguments, surroundings around);

// The brokers that the program can reach, by the schemes of their URLs.
[[nodiscard]] messaging::broker_factory known_brokers();

}  // namespace weft::cli
