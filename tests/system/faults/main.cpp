// tcp_proxy <port to listen on, or 0> <port on loopback to connect to>
//
// Prints "port <n> control <m>", then obeys what connects to the control port (proxy_commands.hpp) until SIGTERM. When
// nobody holds its standard input any more it ends too, so that it does not outlive a test that was killed.
#include <weft/runtime/epoll_loop.hpp>

#include <unistd.h>

#include <charconv>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <optional>

#include "proxy_commands.hpp"

namespace {

using namespace weft;

std::optional<std::uint16_t> port_of(std::string_view text) {
  std::uint16_t port = 0;
  const auto [at, problem] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (problem != std::errc{} || at != text.data() + text.size()) return std::nullopt;
  return port;
}

constexpr std::size_t longest_line = 256;

task<void> answer(system_tests::tcp_proxy& proxy, std::unique_ptr<stream> asker) {
  char buffer[longest_line];
  std::size_t filled = 0;
  for (;;) {
    const auto count = co_await asker->read(std::span{buffer}.subspan(filled));
    if (!count || *count == 0) co_return;
    filled += *count;
    std::string_view rest{buffer, filled};
    std::string answers;
    for (auto end = rest.find('\n'); end != std::string_view::npos; end = rest.find('\n')) {
      answers += system_tests::obey(proxy, rest.substr(0, end)) + "\n";
      rest.remove_prefix(end + 1);
    }
    if (rest.size() == longest_line) co_return;  // no command is that long
    filled = rest.size();
    std::memmove(buffer, rest.data(), filled);
    const_buffer all{answers};
    if (!co_await asker->write({&all, 1})) co_return;
  }
}

task<void> obey_all(system_tests::tcp_proxy& proxy, listener& control, task_group& askers) {
  for (;;) {
    auto asker = co_await control.accept();
    if (!asker) co_return;
    askers.spawn(answer(proxy, *std::move(asker)));
  }
}

task<void> end_with_input(epoll_loop& l, event& ended) {
  auto input = l.watch(0);
  if (!input) co_return;  // a file: it is there for good
  char ignored[64];
  do
    if (!co_await (*input)->ready(io_direction::read)) co_return;
  while (::read(0, ignored, sizeof ignored) > 0);
  ended.set();
}

task<int> serve(epoll_loop& l, std::uint16_t port, std::uint16_t to) {
  system_tests::tcp_proxy proxy{l, address::loopback(to)};
  auto control = l.listen(address::loopback(0));
  const auto listening = proxy.listen(address::loopback(port));
  if (!control || !listening) {
    std::fprintf(stderr, "%s\n", (control ? listening.error() : control.error()).describe().c_str());
    co_return 1;
  }
  std::printf("port %u control %u\n", proxy.local().port(), (*control)->local().port());
  std::fflush(stdout);
  event ended{l};
  for (const int each : {SIGTERM, SIGINT}) static_cast<void>(l.on_signal(each, [&ended](int) { ended.set(); }));
  task_group tasks{l};
  tasks.spawn(obey_all(proxy, **control, tasks));
  tasks.spawn(end_with_input(l, ended));
  static_cast<void>(co_await ended.wait({}));
  co_await proxy.stop();
  co_return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const auto port = argc == 3 ? port_of(argv[1]) : std::nullopt;
  const auto to = argc == 3 ? port_of(argv[2]) : std::nullopt;
  if (!port || !to) {
    std::fprintf(stderr, "usage: tcp_proxy <port to listen on, or 0> <port on loopback to connect to>\n");
    return 2;
  }
  epoll_loop loop;
  return loop.run(serve(loop, *port, *to));
}
