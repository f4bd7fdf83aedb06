// A7: what a stream says before it is used for a new question.
#include <weft/net/pipe.hpp>
#include <weft/net/tls.hpp>
#include <weft/runtime/epoll_loop.hpp>
#include <weft/runtime/sleep.hpp>
#include <weft/runtime/when.hpp>
#include <weft/testkit/run.hpp>

#include "certificates.hpp"

#include <gtest/gtest.h>

namespace weft::net {
namespace {
using namespace std::chrono_literals;

using streams = std::pair<std::unique_ptr<stream>, std::unique_ptr<stream>>;

task<result<>> send(stream& s, std::string text) {
  const_buffer buffer{text};
  co_return co_await s.write({&buffer, 1});
}

// Quiet, then bytes that stay there, then the end; `arrive` lets what was sent get there.
task<void> looks_at(loop& l, streams both, duration arrive) {
  auto& [a, b] = both;
  char room[16];
  for (int round = 0; round < 2; ++round) {
    EXPECT_EQ(a->peek(), io_status::blocked);
    EXPECT_TRUE((co_await send(*b, "hi")).has_value());
    if (arrive > duration::zero()) static_cast<void>(co_await sleep(l, {}, arrive));
    EXPECT_EQ(a->peek(), io_status::ok);
    EXPECT_EQ(a->peek(), io_status::ok) << "it takes nothing";
    EXPECT_EQ((co_await a->read(room)).value_or(0), 2u);
    EXPECT_EQ(a->peek(), io_status::blocked);
  }
  b->shutdown_write();
  if (arrive > duration::zero()) static_cast<void>(co_await sleep(l, {}, arrive));
  EXPECT_EQ(a->peek(), io_status::end);
  EXPECT_EQ((co_await a->read(room)).value_or(7), 0u);
  a->reset();
  EXPECT_EQ(a->peek(), io_status::failed);
}

task<streams> connected(loop& l) {
  auto listening = l.listen(address::loopback(0)).value();
  auto [to, from] = co_await when_all(l, l.connect({}, listening->local()), listening->accept());
  co_return streams{std::move(to).value(), std::move(from).value()};
}
task<streams> secured(loop& l, streams raw, const test_authority& authority) {
  auto [c, s] =
      co_await when_all(l,
                        tls_connect(l, {}, std::move(raw.first),
                                    tls_context::client({.authorities = authority.trust()}).value(), "localhost"),
                        tls_accept(l, {}, std::move(raw.second),
                                   tls_context::server({.identities = {authority.issue().identity()}}).value()));
  co_return streams{std::move(c).value(), std::move(s).value()};
}

task<void> over_pipes(loop& l) { co_await looks_at(l, make_pipe(l), 0s); }
task<void> over_the_network(loop& l, duration arrive) { co_await looks_at(l, co_await connected(l), arrive); }
task<void> over_tls(loop& l, duration arrive) {
  const test_authority authority;
  auto both = co_await secured(l, co_await connected(l), authority);
  co_await looks_at(l, std::move(both), arrive);
}

TEST(Peek, OfAPipe) {
  epoll_loop loop;
  loop.run(over_pipes(loop));
}
// On sockets nothing is waited for: the loop does not turn, and the kernel knows all the same.
TEST(Peek, OfASocket) {
  epoll_loop loop;
  loop.run(over_the_network(loop, 0s));
}
TEST(Peek, OfTls) {
  epoll_loop loop;
  loop.run(over_tls(loop, 0s));
}
TEST(Peek, OfASimulatedStream) {
  testkit::run([](loop& l) { return over_the_network(l, 1s); });
}
TEST(Peek, OfTlsInTheSimulator) {
  testkit::run([](loop& l) { return over_tls(l, 1s); });
}

}  // namespace
}  // namespace weft::net
