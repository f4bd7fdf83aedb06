#include <weft/runtime/asio.hpp>
#include <weft/runtime/sleep.hpp>
#include <weft/runtime/task_group.hpp>

#include <gtest/gtest.h>
#include <boost/asio/buffer.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>

namespace weft {
namespace {
using namespace std::chrono_literals;
namespace asio = boost::asio;

task<void> by_turns(loop& l, asio::io_context& io, asio_guest& guest, std::string& log) {
  asio::steady_timer timer{io, 2ms};
  auto [problem] = co_await timer.async_wait(use_weft{l});
  EXPECT_FALSE(problem);
  log += "asio ";
  EXPECT_TRUE(co_await sleep(l, {}, 2ms));
  log += "weft ";
  asio::steady_timer cancelled{io, 1h};
  asio::post(io, [&] { cancelled.cancel(); });
  auto [why] = co_await cancelled.async_wait(use_weft{l});
  EXPECT_EQ(why, asio::error::operation_aborted);
  guest.stop();
}
TEST(Asio, TimersOfBothTakeTurnsInOneContext) {
  asio::io_context io;
  epoll_loop loop;
  asio_guest guest{io, loop};
  std::string log;
  task_group group{loop};
  group.spawn(by_turns(loop, io, guest, log));
  io.run();
  EXPECT_EQ(log, "asio weft ");
  EXPECT_TRUE(group.empty());
}

// A weft server and an Asio client, in one thread.
task<void> greet(std::unique_ptr<listener> taking) {
  auto s = (co_await taking->accept()).value();
  const_buffer text{std::string_view{"hello from weft"}};
  EXPECT_TRUE(co_await s->write({&text, 1}));
}
task<void> visit(loop& l, asio::io_context& io, asio_guest& guest, std::uint16_t port, std::string& got) {
  asio::ip::tcp::socket socket{io};
  auto [refused] = co_await socket.async_connect({asio::ip::address_v4::loopback(), port}, use_weft{l});
  EXPECT_FALSE(refused);
  char room[64];
  for (;;) {
    auto [end, n] = co_await socket.async_read_some(asio::buffer(room), use_weft{l});
    got.append(room, n);
    if (end) break;
  }
  guest.stop();
}
TEST(Asio, ItsSocketsAreAwaitedInTasks) {
  asio::io_context io;
  epoll_loop loop;
  asio_guest guest{io, loop};
  auto taking = loop.listen(address::loopback(0)).value();
  const auto port = taking->local().port();
  std::string got;
  task_group group{loop};
  group.spawn(greet(std::move(taking)));
  group.spawn(visit(loop, io, guest, port, got));
  io.run();
  EXPECT_EQ(got, "hello from weft");
}

TEST(Asio, AGuestThatIsDestroyedLetsTheContextEnd) {
  asio::io_context io;
  epoll_loop loop;
  {
    asio_guest guest{io, loop};
    io.poll();
  }
  io.restart();
  io.run();
  bool ran = false;
  loop.post([&] { ran = true; });
  loop.poll();
  EXPECT_TRUE(ran) << "the loop's descriptor was closed with the guest";
}

}  // namespace
}  // namespace weft
