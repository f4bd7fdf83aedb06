#include "programs.hpp"

namespace weft::testkit {
namespace {

struct pair_of_hosts {
  explicit pair_of_hosts(simulation_options o = exact_network()) : sim{7, std::move(o)} {
    b.on_boot([](host& h) { return echo_server(h.loop(), 80); });
  }
  simulation sim;
  host &a = sim.add_host("a"), &b = sim.add_host("b");
};

task<duration> round_trip_time(loop& l, std::string name) {
  auto s = (co_await connect_to(l, std::move(name), 80)).value();
  const auto begin = l.now();
  EXPECT_TRUE(co_await send_text(*s, "hello"));
  EXPECT_EQ((co_await receive(*s, 5)).value(), "hello");
  co_return l.now() - begin;
}

TEST(Network, ARoundTripTakesTwiceTheLatency) {
  pair_of_hosts two{exact_network(20ms)};
  EXPECT_EQ(two.sim.run(two.a, round_trip_time(two.a.loop(), "b")), 40ms);
}

TEST(Network, EachDirectionHasItsOwnLink) {
  pair_of_hosts two;
  two.sim.set_link_one_way("a", "b", {.latency = 5ms, .jitter = {}});
  two.sim.set_link_one_way("b", "a", {.latency = 70ms, .jitter = {}});
  EXPECT_EQ(two.sim.run(two.a, round_trip_time(two.a.loop(), "b")), 75ms);
}

TEST(Network, JitterStaysInItsRange) {
  auto options = exact_network();
  options.network.link.jitter = 3ms;
  pair_of_hosts two{options};
  for (int i = 0; i < 100; ++i) {
    const auto time = two.sim.run(two.a, round_trip_time(two.a.loop(), "b"));
    EXPECT_GE(time, 2ms);
    EXPECT_LE(time, 8ms);
  }
}

std::string numbers(std::size_t bytes) {
  std::string text;
  for (int i = 0; text.size() < bytes; ++i) text += std::to_string(i) + ",";
  return text;
}

task<void> collect(loop& l, std::string& got, bool& ended) {
  auto taking = l.listen(address::any(80)).value();
  auto s = (co_await taking->accept()).value();
  auto all = co_await receive_all(*s);
  EXPECT_TRUE(all) << all.error().describe();
  if (all) got = *std::move(all);
  ended = true;
}
task<void> pour(loop& l, std::string text) {
  auto s = (co_await connect_to(l, "b", 80)).value();
  for (std::size_t at = 0; at < text.size(); at += 777) {
    EXPECT_TRUE(co_await send_text(*s, text.substr(at, 777)));
    if (at % 3 == 0) static_cast<void>(co_await sleep(l, {}, 100us));
  }
}

TEST(Network, RefusesWrongOptions) {
  pair_of_hosts two;
  EXPECT_THROW(two.sim.set_link("a", "b", {.loss = 1.5}), std::invalid_argument);
  EXPECT_THROW(two.sim.set_link("a", "b", {.latency = -1ms}), std::invalid_argument);
  EXPECT_THROW(two.sim.set_link("a", "nobody", {}), std::invalid_argument);
}

TEST(Network, ABadLinkKeepsEveryByteInOrder) {
  for (std::uint64_t seed = 1; seed <= 30; ++seed) {
    simulation sim{seed};
    auto &a = sim.add_host("a"), &b = sim.add_host("b");
    sim.set_link("a", "b", {.jitter = 5ms, .loss = 0.05, .reorder = 0.3, .split = 0.5, .bytes_per_second = 300'000});
    auto& got = sim.make<std::string>();
    auto& ended = sim.make<bool>();
    b.spawn(collect(b.loop(), got, ended));
    const auto text = numbers(200'000);
    sim.run(a, pour(a.loop(), text));
    EXPECT_TRUE(sim.run_until([&] { return ended; }, 5min)) << "seed " << seed;
    EXPECT_EQ(got, text) << "seed " << seed;
  }
}

TEST(Network, ASlowLinkTakesItsTime) {
  auto options = exact_network();
  options.network.link.bytes_per_second = 100'000;
  simulation sim{1, options};
  auto &a = sim.add_host("a"), &b = sim.add_host("b");
  auto& got = sim.make<std::string>();
  auto& ended = sim.make<bool>();
  b.spawn(collect(b.loop(), got, ended));
  sim.run(a, pour(a.loop(), numbers(1'000'000)));
  ASSERT_TRUE(sim.run_until([&] { return ended; }, 1min));
  EXPECT_GT(sim.elapsed(), 10s);
  EXPECT_LT(sim.elapsed(), 12s);
}

task<void> accept_and_hold(loop& l, std::unique_ptr<stream>& into) {
  auto taking = l.listen(address::any(81)).value();
  into = (co_await taking->accept()).value();
  static_cast<void>(co_await sleep(l, {}, 24h));
}
task<void> write_until_blocked(loop& l, std::size_t& written, bool& went_on) {
  auto s = (co_await connect_to(l, "b", 81)).value();
  const std::string part(1000, 'x');
  for (;;) {
    const const_buffer buffer{part};
    const auto r = s->try_write({&buffer, 1});
    if (r.status != io_status::ok) break;
    written += r.bytes;
  }
  static_cast<void>(co_await send_text(*s, "more"));
  went_on = true;
  static_cast<void>(co_await sleep(l, {}, 24h));
}

TEST(Network, AWriterWaitsForAReaderThatDoesNotRead) {
  pair_of_hosts two;
  auto& held = two.sim.make<std::unique_ptr<stream>>();
  auto& written = two.sim.make<std::size_t>();
  auto& went_on = two.sim.make<bool>();
  two.b.spawn(accept_and_hold(two.b.loop(), held));
  two.a.spawn(write_until_blocked(two.a.loop(), written, went_on));
  two.sim.run_for(1min);
  EXPECT_EQ(written, 64u * 1024);
  EXPECT_FALSE(went_on);
  std::string all;
  std::array<char, 10'000> part{};
  for (auto r = held->try_read(part); r.status == io_status::ok; r = held->try_read(part))
    all.append(part.data(), r.bytes);
  EXPECT_EQ(all.size(), 64u * 1024);
  two.sim.run_for(5ms);
  EXPECT_TRUE(went_on);
  EXPECT_EQ(held->try_read(part).bytes, 4u);
  held.reset();
}

task<errc> connect_code(loop& l, address to, context ctx) {
  auto s = co_await l.connect(ctx, to);
  co_return s ? errc{} : s.error().code();
}

TEST(Network, AClosedPortRefusesAfterARoundTrip) {
  pair_of_hosts two;
  EXPECT_EQ(two.sim.run(two.a, connect_code(two.a.loop(), two.b.address(9), {})), errc::unavailable);
  EXPECT_EQ(two.sim.elapsed(), 2ms);
}

TEST(Network, ADeadHostDoesNotAnswer) {
  pair_of_hosts two;
  two.b.crash();
  const auto ctx = context{}.with_timeout(two.a.loop(), 3s);
  EXPECT_EQ(two.sim.run(two.a, connect_code(two.a.loop(), two.b.address(80), ctx)), errc::deadline_exceeded);
  EXPECT_EQ(two.sim.elapsed(), 3s);
  EXPECT_EQ(two.sim.run(two.a, connect_code(two.a.loop(), two.b.address(80), {})), errc::deadline_exceeded);
  EXPECT_GT(two.sim.elapsed(), 2min);
}

task<std::string> half_closing(loop& l) {
  auto s = (co_await connect_to(l, "b", 82)).value();
  EXPECT_TRUE(co_await send_text(*s, "question"));
  s->shutdown_write();
  co_return (co_await receive_all(*s)).value();
}
task<void> answer_at_the_end(loop& l) {
  auto taking = l.listen(address::any(82)).value();
  auto s = (co_await taking->accept()).value();
  auto question = (co_await receive_all(*s)).value();
  EXPECT_TRUE(co_await send_text(*s, "answer to " + question));
}

TEST(Network, AHalfClosedStreamStillReads) {
  pair_of_hosts two;
  two.b.spawn(answer_at_the_end(two.b.loop()));
  EXPECT_EQ(two.sim.run(two.a, half_closing(two.a.loop())), "answer to question");
  two.sim.run_for(1s);
  EXPECT_EQ(two.sim.open_connections(), 0u);
}

task<errc> read_code(loop& l, std::string name, std::uint16_t port) {
  auto s = (co_await connect_to(l, std::move(name), port)).value();
  std::array<char, 10> part{};
  auto count = co_await s->read(part);
  co_return count ? errc{} : count.error().code();
}
task<void> accept_and_reset(loop& l) {
  auto taking = l.listen(address::any(83)).value();
  (co_await taking->accept()).value()->reset();
}

TEST(Network, AResetIsAFailure) {
  pair_of_hosts two;
  two.b.spawn(accept_and_reset(two.b.loop()));
  EXPECT_EQ(two.sim.run(two.a, read_code(two.a.loop(), "b", 83)), errc::unavailable);
}

task<void> accept_and_close_unread(loop& l) {
  auto taking = l.listen(address::any(84)).value();
  auto s = (co_await taking->accept()).value();
  static_cast<void>(co_await sleep(l, {}, 1s));
}
task<errc> read_after_writing(loop& l) {
  auto s = (co_await connect_to(l, "b", 84)).value();
  EXPECT_TRUE(co_await send_text(*s, "never read"));
  std::array<char, 10> part{};
  auto count = co_await s->read(part);
  co_return count ? errc{} : count.error().code();
}
TEST(Network, ClosingWithUnreadBytesResets) {
  pair_of_hosts two;
  two.b.spawn(accept_and_close_unread(two.b.loop()));
  EXPECT_EQ(two.sim.run(two.a, read_after_writing(two.a.loop())), errc::unavailable);
}

TEST(Network, APartitionDelaysUntilItHeals) {
  pair_of_hosts two;
  two.sim.apply(fault_plan{}.at(10ms).partition({"a"}, {"b"}).at(20s).heal());
  two.sim.run_for(15ms);
  const auto answer = two.sim.run(two.a, ask(two.a.loop(), "b", 80, "through"));
  EXPECT_EQ(answer.value(), "through");
  EXPECT_GT(two.sim.elapsed(), 20s);
  EXPECT_LT(two.sim.elapsed(), 30s);
}

task<result<std::string>> ask_again(stream& s, std::string text) {
  const auto size = text.size();
  WEFT_CO_TRY_VOID(co_await send_text(s, std::move(text)));
  co_return co_await receive(s, size);
}

TEST(Network, AOneWayPartitionStopsTheAnswers) {
  pair_of_hosts two;
  auto s = two.sim.run(two.a, connect_to(two.a.loop(), "b", 80)).value();
  two.sim.partition({"b"}, {"a"}, partition_kind::one_way);
  bool answered = false;
  two.sim.apply(fault_plan{}.at(10s).run([&](simulation&) { EXPECT_FALSE(answered); }).heal());
  EXPECT_EQ(two.sim.run(two.a, ask_again(*s, "hi")).value(), "hi");
  EXPECT_GT(two.sim.elapsed(), 10s);
}

TEST(Network, AConnectionGivesUpAfterMinutesOfSilence) {
  pair_of_hosts two;
  auto s = two.sim.run(two.a, connect_to(two.a.loop(), "b", 80)).value();
  two.sim.partition({"a"}, {"b"});
  EXPECT_EQ(two.sim.run(two.a, ask_again(*s, "hi")).error().code(), errc::deadline_exceeded);
  EXPECT_GE(two.sim.elapsed(), 5min);
  EXPECT_LT(two.sim.elapsed(), 6min);
}

TEST(Network, ARestartedHostResetsConnectionsOfItsFormerLife) {
  pair_of_hosts two;
  auto s = two.sim.run(two.a, connect_to(two.a.loop(), "b", 80)).value();
  two.b.crash();
  two.sim.run_for(1s);
  two.b.restart();
  EXPECT_EQ(two.sim.run(two.a, ask_again(*s, "hi")).error().code(), errc::unavailable);
  EXPECT_EQ(two.sim.run(two.a, ask(two.a.loop(), "b", 80, "again")).value(), "again");
}

TEST(Network, AKilledProcessClosesItsConnections) {
  pair_of_hosts two;
  auto s = two.sim.run(two.a, connect_to(two.a.loop(), "b", 80)).value();
  two.sim.run_for(10ms);
  two.b.crash(crash_kind::process);
  EXPECT_EQ(two.sim.run(two.a, receive(*s, 1)).value(), "");
  EXPECT_EQ(two.sim.run(two.a, connect_code(two.a.loop(), two.b.address(80), {})), errc::unavailable);
}

TEST(Network, NamesAndRecordsResolve) {
  pair_of_hosts two;
  auto& l = two.a.loop();
  EXPECT_EQ(two.sim.run(two.a, l.resolve({}, "b", 80)).value().front(), two.b.address(80));
  EXPECT_EQ(two.sim.run(two.a, l.resolve({}, "nowhere", 80)).error().code(), errc::not_found);
  const dns_record one{.type = dns_type::srv, .ttl = 5s, .target = "b", .port = 80, .priority = 1, .weight = 2};
  two.sim.set_dns("_http._tcp.echo", {one});
  EXPECT_EQ(two.sim.run(two.a, l.query_dns({}, "_http._tcp.echo", dns_type::srv)).value().front(), one);
  EXPECT_EQ(two.sim.run(two.a, l.query_dns({}, "_http._tcp.echo", dns_type::a)).error().code(), errc::not_found);
  two.sim.set_dns_available(false);
  EXPECT_EQ(two.sim.run(two.a, l.resolve({}, "b", 80)).error().code(), errc::unavailable);
}

task<result<std::string>> ask_at(loop& l, address where) {
  WEFT_CO_TRY(auto s, co_await l.connect({}, where));
  WEFT_CO_TRY_VOID(co_await send_text(*s, "hi"));
  co_return co_await receive(*s, 2);
}
task<void> echo_at(loop& l, address where) {
  auto taking = l.listen(where).value();
  co_await echo_one((co_await taking->accept()).value());
}
TEST(Network, LoopbackAndUnixSocketsStayWithinAHost) {
  pair_of_hosts two;
  EXPECT_EQ(two.sim.run(two.b, ask_at(two.b.loop(), address::loopback(80))).value(), "hi");
  EXPECT_EQ(two.sim.run(two.a, ask_at(two.a.loop(), address::loopback(80))).error().code(), errc::unavailable);
  two.a.spawn(echo_at(two.a.loop(), address::unix_path("/run/echo")));
  two.sim.run_for(1ms);
  EXPECT_EQ(two.sim.run(two.a, ask_at(two.a.loop(), address::unix_path("/run/echo"))).value(), "hi");
  EXPECT_EQ(two.sim.run(two.b, ask_at(two.b.loop(), address::unix_path("/run/echo"))).error().code(),
            errc::unavailable);
  EXPECT_EQ(two.b.loop().listen(address::any(80)).error().code(), errc::already_exists);
}

TEST(Network, AReadIsInterruptedByItsContext) {
  pair_of_hosts two;
  const auto ctx = context{}.with_timeout(two.a.loop(), 2s);
  two.sim.apply(fault_plan{}.at(1500us).partition({"a"}, {"b"}));
  EXPECT_EQ(two.sim.run(two.a, ask(two.a.loop(), "b", 80, "x", ctx)).error().code(), errc::deadline_exceeded);
  EXPECT_EQ(two.sim.elapsed(), 2s);
}

}  // namespace
}  // namespace weft::testkit
