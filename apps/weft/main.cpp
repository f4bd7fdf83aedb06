// weft, the program: tools around messages and their schemas. `weft --help`.
#include <unistd.h>
#include <weft/runtime/epoll_loop.hpp>
#include <weft/runtime/guarded.hpp>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <iostream>
#include <string>
#include <vector>

#include "src/program.hpp"

namespace {

constexpr int interrupted = 128 + SIGINT;

// Ends the context on the first signal, and the process on the second.
void stop_on_signals(weft::epoll_loop& loop, weft::cancel_source& stop) {
  for (const int number : {SIGINT, SIGTERM})
    static_cast<void>(loop.on_signal(number, [&stop](int) {
      if (stop.cancelled()) std::_Exit(interrupted);
      stop.cancel();
    }));
}

}  // namespace

int main(int argc, char** argv) {
  using namespace weft;
  const std::vector<std::string> arguments{argv + 1, argv + argc};
  const bool as_json = std::ranges::find(arguments, "--json") != arguments.end();
  try {
    epoll_loop loop;
    cancel_source stop;
    stop_on_signals(loop, stop);
    cli::descriptor_source input{loop, STDIN_FILENO};
    const auto brokers = cli::known_brokers();
    const auto ctx = context{}.with_cancellation(stop.token());
    const auto status = loop.run(cli::run(loop, ctx, arguments, {std::cout, std::cerr, input, brokers}));
    return static_cast<int>(status);
  } catch (...) {
    const cli::terminal to{
        .out = std::cout, .notes = std::cerr, .how = as_json ? cli::format::json : cli::format::text};
    return static_cast<int>(cli::report(to, current_exception_error()));
  }
}
