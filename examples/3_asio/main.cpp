// weft inside a program that is built around Boost.Asio: the loop is a guest of the io_context, and weft tasks await
// Asio's timers and sockets. One thread runs both.
#include <weft/runtime/asio.hpp>
#include <weft/runtime/task_group.hpp>

#include <boost/asio/buffer.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>

#include <iostream>

namespace asio = boost::asio;
using namespace std::chrono_literals;
using weft::use_weft;

// A weft server: greets one caller by the name it gives.
weft::task<void> greet(std::unique_ptr<weft::listener> taking) {
  auto caller = (co_await taking->accept()).value();
  char name[64];
  const auto size = (co_await caller->read(name)).value();
  const auto greeting = "hello " + std::string(name, size);
  weft::const_buffer buffer{greeting};
  (co_await caller->write({&buffer, 1})).value();
}

// A weft task that uses Asio: each operation takes use_weft as its completion token.
weft::task<void> call(weft::loop& loop, asio::io_context& io, std::uint16_t port) {
  asio::steady_timer timer{io, 20ms};
  auto [cancelled] = co_await timer.async_wait(use_weft{loop});
  std::cout << (cancelled ? "asio's timer was cancelled\n" : "asio's timer rang\n");

  asio::ip::tcp::socket socket{io};
  auto [refused] = co_await socket.async_connect({asio::ip::address_v4::loopback(), port}, use_weft{loop});
  if (refused) throw boost::system::system_error{refused};
  co_await socket.async_write_some(asio::buffer("asio", 4), use_weft{loop});
  char text[64];
  auto [problem, size] = co_await socket.async_read_some(asio::buffer(text), use_weft{loop});
  std::cout << "weft's server said: " << std::string_view{text, size} << '\n';
}

weft::task<void> both(weft::loop& loop, asio::io_context& io, weft::asio_guest& guest) {
  auto taking = loop.listen(weft::address::loopback(0)).value();
  const auto port = taking->local().port();
  weft::task_group group{loop};
  group.spawn(greet(std::move(taking)));
  group.spawn(call(loop, io, port));
  co_await group.join();
  std::cout << "both are done\n";
  guest.stop();  // so that io.run() returns
}

int main() {
  asio::io_context io;
  weft::epoll_loop loop;
  weft::asio_guest guest{io, loop};
  weft::task_group program{loop};
  program.spawn(both(loop, io, guest));
  io.run();
}
