// The proxy in virtual time, between a client and a server that sends back what it gets.
#include "tcp_proxy.hpp"

#include <weft/runtime/sleep.hpp>
#include <weft/testkit/simulation.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "proxy_commands.hpp"

namespace weft::system_tests {
namespace {
using namespace std::chrono_literals;

task<void> echo(std::unique_ptr<stream> s) {
  char buffer[4096];
  for (;;) {
    const auto count = co_await s->read(buffer);
    if (!count) co_return;
    if (*count == 0) co_return s->shutdown_write();
    const_buffer all{buffer, *count};
    if (!co_await s->write({&all, 1})) co_return;
  }
}

task<void> serve_echo(testkit::host& h) {
  auto listening = h.loop().listen(h.address(7)).value();
  task_group connections{h.loop()};
  for (;;) {
    auto arrived = co_await listening->accept();
    if (!arrived) co_return;
    connections.spawn(echo(*std::move(arrived)));
  }
}

class TcpProxy : public testing::Test {
 protected:
  TcpProxy() {
    server_.on_boot([](testkit::host& h) { return serve_echo(h); });
    EXPECT_TRUE(proxy_.listen(middle_.address(70)));
  }
  [[nodiscard]] context in(duration time) { return context{}.with_timeout(client_.loop(), time); }
  template <class T>
  T run(task<T> work) {
    return sim_.run(client_, std::move(work));
  }
  loop& on() { return client_.loop(); }
  std::unique_ptr<stream> connect() { return run(on().connect(in(5s), proxy_.local())).value(); }
  // A coroutine of its own, so that the deadline interrupts the read.
  static task<result<std::string>> ask(loop& l, stream& s, std::string what, duration patience) {
    const_buffer all{what};
    WEFT_CO_TRY_VOID(co_await s.write({&all, 1}));
    task_group impatience{l};
    impatience.spawn(interrupt(l, impatience.derive({}), s, patience));
    std::string got;
    char buffer[4096];
    while (got.size() < what.size()) {
      const auto count = co_await s.read(buffer);
      if (!count) co_return fail(count.error());
      if (*count == 0) break;
      got.append(buffer, *count);
    }
    co_await impatience.stop();
    co_return got;
  }
  static task<void> interrupt(loop& l, context ctx, stream& s, duration after) {
    if (co_await weft::sleep(l, ctx, after)) s.cancel(io_direction::read, errc::deadline_exceeded);
  }
  result<std::string> ask(stream& s, std::string what, duration patience = 10s) {
    return run(ask(on(), s, std::move(what), patience));
  }

  testkit::simulation sim_{11};
  testkit::host &client_ = sim_.add_host("client"), &middle_ = sim_.add_host("middle"),
                &server_ = sim_.add_host("server");
  tcp_proxy& proxy_ = sim_.make<tcp_proxy>(middle_.loop(), server_.address(7));
};

TEST_F(TcpProxy, PassesBytesOnUnchangedAndTheEndToo) {
  const auto s = connect();
  std::string long_text;
  for (int i = 0; i < 100'000; ++i) long_text += std::to_string(i);
  EXPECT_EQ(ask(*s, "hello").value(), "hello");
  EXPECT_EQ(ask(*s, long_text).value(), long_text);
  EXPECT_EQ(proxy_.open_connections(), 1u);
  s->shutdown_write();
  char rest[8];
  EXPECT_EQ(
      run([](stream& of, std::span<char> into) -> task<std::size_t> { co_return *co_await of.read(into); }(*s, rest)),
      0u);
  EXPECT_TRUE(sim_.run_until([this] { return proxy_.open_connections() == 0; }, 10s));
  EXPECT_EQ(proxy_.counted().bytes, 2 * (5 + long_text.size()));
}

TEST_F(TcpProxy, ACutIsAResetForBothEndsAndNewConnectionsCome) {
  const auto first = connect(), second = connect();
  EXPECT_EQ(ask(*first, "a").value(), "a");
  EXPECT_EQ(ask(*second, "b").value(), "b");
  EXPECT_EQ(obey(proxy_, "cut"), "ok 2");
  EXPECT_EQ(ask(*first, "a").error().code(), errc::unavailable);
  EXPECT_EQ(ask(*second, "b").error().code(), errc::unavailable);
  EXPECT_EQ(proxy_.open_connections(), 0u);
  EXPECT_EQ(ask(*connect(), "c").value(), "c");
}

TEST_F(TcpProxy, RefusesUntilItAdmitsAgain) {
  EXPECT_EQ(obey(proxy_, "refuse"), "ok");
  const auto refused = connect();
  EXPECT_FALSE(ask(*refused, "x"));
  EXPECT_EQ(proxy_.counted().refused, 1u);
  EXPECT_EQ(obey(proxy_, "admit"), "ok");
  EXPECT_EQ(ask(*connect(), "y").value(), "y");
}

TEST_F(TcpProxy, AStallHoldsEverythingAndLosesNothing) {
  const auto s = connect();
  EXPECT_EQ(ask(*s, "before").value(), "before");
  EXPECT_EQ(obey(proxy_, "stall"), "ok");
  EXPECT_EQ(ask(*s, "during", 30s).error().code(), errc::deadline_exceeded);
  EXPECT_EQ(obey(proxy_, "flow"), "ok");
  EXPECT_THAT(ask(*s, ", after").value(), testing::StartsWith("during,"));
}

TEST_F(TcpProxy, DelaysEachWay) {
  EXPECT_EQ(obey(proxy_, "delay 500"), "ok");
  const auto s = connect();
  const auto began = sim_.now();
  EXPECT_EQ(ask(*s, "late").value(), "late");
  EXPECT_GE(sim_.now() - began, 1s);
  EXPECT_LT(sim_.now() - began, 2s);
}

TEST_F(TcpProxy, StoppingEndsWhatIsThere) {
  const auto s = connect();
  EXPECT_EQ(ask(*s, "hello").value(), "hello");
  sim_.run(middle_, proxy_.stop());
  EXPECT_FALSE(ask(*s, "hello"));
  EXPECT_FALSE(run(on().connect(in(1s), proxy_.local())));
}

TEST_F(TcpProxy, SaysWhatItDoesNotUnderstand) {
  EXPECT_THAT(obey(proxy_, "delay -1"), testing::StartsWith("error"));
  EXPECT_THAT(obey(proxy_, "explode"), testing::HasSubstr("stall"));
  EXPECT_EQ(obey(proxy_, "figures"), "ok accepted 0 refused 0 cut 0 bytes 0");
}

}  // namespace
}  // namespace weft::system_tests
