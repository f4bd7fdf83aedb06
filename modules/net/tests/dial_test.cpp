#include <weft/net/dial.hpp>

#include <weft/net/pipe.hpp>
#include <weft/runtime/epoll_loop.hpp>
#include <weft/runtime/when.hpp>

#include "certificates.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

namespace weft::net {
namespace {
using namespace std::chrono_literals;
using testing::HasSubstr;

// A loop whose name service is a table; everything else is real.
class loop_with_names final : public loop {
 public:
  std::map<std::string, std::vector<address>> names;

  steady_time now() const noexcept override { return real.now(); }
  wall_time wall_now() const noexcept override { return real.wall_now(); }
  rng& random() noexcept override { return real.random(); }
  void schedule(ready_node& node) noexcept override { real.schedule(node); }
  void arm(timer_node& node, steady_time due) override { real.arm(node, due); }
  void post(callback work) override { real.post(std::move(work)); }
  void offload(callback work, callback done) override { real.offload(std::move(work), std::move(done)); }
  result<std::unique_ptr<listener>> listen(const address& at, listen_options o) override { return real.listen(at, o); }
  task<result<std::unique_ptr<stream>>> connect(context ctx, address to, connect_options o) override {
    return real.connect(std::move(ctx), std::move(to), o);
  }
  task<result<std::vector<address>>> resolve(context, std::string host, std::uint16_t port) override {
    std::vector<address> found;
    for (const auto& each : names[host]) found.push_back(each.port() == 0 ? each.with_port(port) : each);
    if (found.empty()) co_return fail(errc::not_found, "no such name");
    co_return found;
  }
  task<result<std::vector<dns_record>>> query_dns(context, std::string, dns_type) override {
    co_return fail(errc::not_found, "no such name");
  }
  result<std::unique_ptr<watched_descriptor>> watch(int descriptor) override { return real.watch(descriptor); }

  epoll_loop real;
};

class Dial : public testing::Test {
 protected:
  result<std::unique_ptr<stream>> dial_to(std::string_view where, dial_options options = {}, context ctx = {}) {
    return loop_.real.run(dial(loop_, std::move(ctx), endpoint::parse(where).value(), std::move(options)));
  }
  loop_with_names loop_;
  std::unique_ptr<listener> listening_ = loop_.real.listen(address::loopback(0)).value();
  std::string port_ = std::to_string(listening_->local().port());
};

address dead(loop& l) {  // nobody listens there
  return l.listen(address::loopback(0)).value()->local();
}

TEST_F(Dial, TakesTheFirstAddressThatAnswers) {
  loop_.names["svc"] = {dead(loop_), dead(loop_), listening_->local()};
  const auto made = dial_to("tcp://svc:" + port_);
  ASSERT_TRUE(made) << made.error().describe();
  EXPECT_EQ((*made)->info().peer, listening_->local());
}

TEST_F(Dial, ListsWhatEachAddressSaid) {
  loop_.names["svc"] = {dead(loop_), dead(loop_)};
  const auto made = dial_to("tcp://svc:1");
  EXPECT_EQ(made.error().code(), errc::unavailable);
  EXPECT_TRUE(made.error().unprocessed());
  for (const auto& each : loop_.names["svc"]) EXPECT_THAT(made.error().message(), HasSubstr(each.to_string()));
  EXPECT_THAT(made.error().describe(), HasSubstr("tcp://svc:1"));
}

TEST_F(Dial, ANameThatIsUnknownSaysSo) {
  const auto made = dial_to("http://nobody");
  EXPECT_EQ(made.error().code(), errc::not_found);
  EXPECT_THAT(made.error().describe(), HasSubstr("http://nobody:80"));
}

// A full queue of a listener that never accepts: who connects hears nothing.
task<address> silent(loop& l, listener& full, std::vector<std::unique_ptr<stream>>& queued) {
  for (;;) {
    auto made = co_await l.connect(context{}.with_timeout(l, 20ms), full.local());
    if (!made) co_return full.local();
    queued.push_back(std::move(*made));
  }
}
TEST_F(Dial, DoesNotWaitForAnAddressThatIsSilent) {
  auto full = loop_.listen(address::loopback(0), {.backlog = 1}).value();
  std::vector<std::unique_ptr<stream>> queued;
  const auto mute = loop_.real.run(silent(loop_, *full, queued));
  loop_.names["svc"] = {mute, listening_->local()};
  const auto made = dial_to("tcp://svc:1", {.attempt_timeout = 1h, .stagger = 1ms});
  ASSERT_TRUE(made) << made.error().describe();
  EXPECT_EQ((*made)->info().peer, listening_->local());

  loop_.names["mute"] = {mute, mute};
  const auto slow = dial_to("tcp://mute:1", {.attempt_timeout = 5ms, .stagger = 1ms});
  EXPECT_EQ(slow.error().code(), errc::deadline_exceeded);
  const auto late = dial_to("tcp://mute:1", {}, context{}.with_timeout(loop_, 5ms));
  EXPECT_EQ(late.error().code(), errc::deadline_exceeded);
}

TEST_F(Dial, ConnectsToUnixSockets) {
  std::string folder = testing::TempDir() + "weftXXXXXX";
  ASSERT_NE(::mkdtemp(folder.data()), nullptr);
  auto taking = loop_.listen(address::unix_path(folder + "/s"), {}).value();
  EXPECT_TRUE(dial_to("unix:" + folder + "/s"));
  EXPECT_EQ(dial_to("unix:" + folder + "/t").error().code(), errc::unavailable);
}

task<result<std::unique_ptr<stream>>> serve_tls(loop& l, listener& taking, tls_context tls) {
  co_return co_await tls_accept(l, {}, (co_await taking.accept()).value(), std::move(tls));
}
task<result<std::unique_ptr<stream>>> both(loop& l, listener& taking, tls_context server, endpoint to, dial_options o) {
  auto [s, c] = co_await when_all(l, serve_tls(l, taking, std::move(server)), dial(l, {}, std::move(to), std::move(o)));
  co_return std::move(c);
}
TEST_F(Dial, SpeaksTlsWhereTheSchemeAsksForIt) {
  const test_authority authority;
  const auto server =
      tls_context::server({.identities = {authority.issue({.names = {"svc"}}).identity()}, .alpn = {"h2"}}).value();
  const auto client = tls_context::client({.authorities = authority.trust(), .alpn = {"h2"}}).value();
  loop_.names["svc"] = {listening_->local()};
  loop_.names["other"] = {listening_->local()};
  const auto go = [&](std::string_view where, dial_options o) {
    return loop_.real.run(both(loop_, *listening_, server, endpoint::parse(where).value(), std::move(o)));
  };
  EXPECT_EQ(go("https://svc", {.tls = client}).value()->info().protocol, "h2");
  EXPECT_TRUE(go("https://other", {.tls = client, .server_name = "svc"}));
  const auto refused = go("https://other", {.tls = client});
  EXPECT_EQ(refused.error().code(), errc::unauthenticated);
  EXPECT_TRUE(refused.error().unprocessed());
  EXPECT_EQ(dial_to("https://svc").error().code(), errc::failed_precondition) << "never in the clear by accident";
}

task<void> through_a_pipe(loop& l) {
  auto [a, b] = make_pipe(l, 10);
  char room[64];
  const_buffer hello{std::string_view{"hello"}};
  EXPECT_TRUE(co_await a->write({&hello, 1}));
  EXPECT_EQ((co_await b->read(room)).value(), 5u);
  const auto many = std::string(15, 'x');
  const const_buffer more{many};
  EXPECT_EQ(a->try_write({&more, 1}).bytes, 10u) << "no more than its capacity";
  EXPECT_EQ(a->try_write({&more, 1}).status, io_status::blocked);
  a->shutdown_write();
  EXPECT_EQ((co_await b->read(room)).value(), 10u);
  EXPECT_EQ((co_await b->read(room)).value(), 0u);
  const_buffer back{std::string_view{"back"}};
  EXPECT_TRUE(co_await b->write({&back, 1})) << "half closed";
  EXPECT_EQ((co_await a->read(room)).value(), 4u);
  a.reset();
  const_buffer lost{std::string_view{"lost"}};
  EXPECT_EQ((co_await b->write({&lost, 1})).error().code(), errc::unavailable);
}
task<void> reset_pipe(loop& l) {
  auto [a, b] = make_pipe(l);
  l.post([&] { a->reset(); });
  char room[4];
  EXPECT_EQ((co_await b->read(room)).error().code(), errc::unavailable);
}
TEST(Pipe, BehavesLikeAConnection) {
  epoll_loop loop;
  loop.run(through_a_pipe(loop));
  loop.run(reset_pipe(loop));
}

}  // namespace
}  // namespace weft::net
