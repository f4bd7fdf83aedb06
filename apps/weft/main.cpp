// weft, the program: tools around messages and their schemas. `weft --help`.
#include <unistd.h>
#include <weft/runtime/epoll_loop.hpp>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <iostream>

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
  try {
    epoll_loop loop;
    cancel_source stop;
    stop_on_signals(loop, stop);
    cli::descriptor_source input{loop, STDIN_FILENO};
    const auto brokers = cli::known_brokers();
    const auto ctx = context{}.with_cancellation(stop.token());
    const auto status = loop.run(cli::run(loop, ctx, {argv + 1, argv + argc}, {std::cout, std::cerr, input, brokers}));
    return static_cast<int>(status);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "weft: %s\n", cli::without_passwords(e.what()).c_str());
    return static_cast<int>(cli::exit_status::failed);
  }
}
