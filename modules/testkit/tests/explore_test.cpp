#include "programs.hpp"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace weft::testkit {
namespace {

// A register over the network: "r" answers the value, "w<digit>" sets it. An increment is a read and then a write, so
// two clients lose one if the first's read and write enclose the other's.
task<void> serve_register(std::unique_ptr<stream> s, int& value) {
  for (;;) {
    auto command = co_await receive(*s, 2);
    if (!command || command->size() < 2) co_return;
    if ((*command)[0] == 'w') value = (*command)[1] - '0';
    if (!co_await send_text(*s, std::to_string(value))) co_return;
  }
}
task<void> register_server(loop& l, int& value) {
  task_group connections{l};
  auto taking = l.listen(address::any(80)).value();
  for (;;) connections.spawn(serve_register((co_await taking->accept()).value(), value));
}
task<void> increment(loop& l, duration after, int& done) {
  static_cast<void>(co_await sleep(l, {}, after));
  auto s = (co_await connect_to(l, "server", 80)).value();
  EXPECT_TRUE(co_await send_text(*s, "r?"));
  const auto value = (co_await receive(*s, 1)).value();
  EXPECT_TRUE(co_await send_text(*s, "w" + std::to_string(value[0] - '0' + 1)));
  EXPECT_TRUE(co_await receive(*s, 1));
  ++done;
}

void two_increments(simulation& sim) {
  auto &value = sim.make<int>(), &done = sim.make<int>();
  sim.add_host("server").on_boot([&](host& h) { return register_server(h.loop(), value); });
  for (auto name : {"a", "b"}) {
    auto& client = sim.add_host(name);
    client.spawn(increment(client.loop(), duration{sim.random().between(0, 20'000'000)}, done));
  }
  sim.run_until([&] { return done == 2; }, 1min);
  sim.check(value == 2, "an increment was lost: " + std::to_string(value));
}

std::string trace_of(std::uint64_t seed) {
  simulation sim{seed, {.network = {.link = {.loss = 0.1, .reorder = 0.2, .split = 0.2}}, .trace = trace_level::all}};
  std::vector<std::string> names{"server"};
  auto &value = sim.make<int>(), &done = sim.make<int>();
  auto& server = sim.add_host("server");
  server.on_boot([&](host& h) { return register_server(h.loop(), value); });
  for (auto name : {"a", "b", "c"}) {
    auto& client = sim.add_host(name);
    client.spawn(increment(client.loop(), duration{sim.random().between(0, 1'000'000)}, done));
  }
  sim.apply(fault_plan{}.at(300ms).partition({"a"}, {"server"}).at(5s).heal());
  sim.run_for(1min);
  EXPECT_EQ(done, 3);
  return sim.log().tail(1'000'000) + std::to_string(sim.fingerprint()) + " " + std::to_string(sim.log().hash());
}

TEST(Replay, TheSameSeedGivesTheSameTraceByteForByte) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    const auto first = trace_of(seed);
    EXPECT_EQ(first, trace_of(seed));
    EXPECT_NE(first, trace_of(seed + 1));
    EXPECT_NE(first.find("connected"), std::string::npos);
  }
}

TEST(Replay, TheTraceDoesNotChangeTheHistory) {
  simulation quiet{5}, loud{5, {.trace = trace_level::all}};
  two_increments(quiet);
  two_increments(loud);
  EXPECT_EQ(quiet.fingerprint(), loud.fingerprint());
  EXPECT_EQ(quiet.events(), loud.events());
}

class Explore : public testing::Test {
 protected:
  Explore() {
    auto pattern = (std::filesystem::temp_directory_path() / "weft-trace-XXXXXX").string();
    folder = ::mkdtemp(pattern.data());
  }
  ~Explore() override {
    std::filesystem::remove_all(folder);
    ::unsetenv("WEFT_SEED");
    ::unsetenv("WEFT_SEEDS");
  }
  explore_options options(std::uint64_t seeds) {
    return {.name = "Explore.Race", .seeds = seeds, .trace_directory = folder};
  }
  std::string folder;
};

TEST_F(Explore, FindsARaceAndReplaysIt) {
  const auto report = explore(options(1000), two_increments);
  ASSERT_EQ(report.failures.size(), 1u);
  const auto& f = report.failures.front();
  EXPECT_EQ(f.message, "an increment was lost: 1");
  EXPECT_TRUE(f.replayed_exactly);
  const auto text = report.describe();
  EXPECT_NE(text.find("WEFT_SEED=" + std::to_string(f.seed) + " "), std::string::npos);
  EXPECT_NE(text.find("--gtest_filter=Explore.Race"), std::string::npos);
  EXPECT_NE(text.find("FAILED: an increment was lost"), std::string::npos);
  std::ifstream file{f.trace_file};
  std::stringstream trace;
  trace << file.rdbuf();
  EXPECT_NE(trace.str().find("accept c1"), std::string::npos);
  EXPECT_TRUE(trace.str().ends_with(f.trace_tail));

  ::setenv("WEFT_SEED", std::to_string(f.seed).c_str(), 1);
  const auto again = explore(options(1000), two_increments);
  EXPECT_EQ(again.seeds_run, 1u);
  ASSERT_EQ(again.failures.size(), 1u);
  EXPECT_EQ(again.failures.front().trace_tail, f.trace_tail);
}

TEST_F(Explore, RunsAllSeedsWhenAsked) {
  auto all = options(1000);
  all.on_failure = after_failure::go_on;
  ::setenv("WEFT_SEEDS", "200", 1);
  const auto report = explore(all, two_increments);
  EXPECT_EQ(report.seeds_run, 200u);
  EXPECT_GT(report.failures.size(), 1u);
  EXPECT_LT(report.failures.size(), 100u);
  for (const auto& f : report.failures) EXPECT_TRUE(f.replayed_exactly);
}

TEST_F(Explore, SeveralThreadsFindTheSame) {
  auto one = options(100), four = options(100);
  one.on_failure = four.on_failure = after_failure::go_on;
  four.threads = 4;
  const auto a = explore(one, two_increments), b = explore(four, two_increments);
  EXPECT_EQ(a.events, b.events);
  EXPECT_EQ(a.describe(), b.describe());
}

TEST_F(Explore, AnExceptionFailsTheSeed) {
  const auto report = explore(options(3), [](simulation& sim) {
    if (sim.seed() == 2) throw std::logic_error{"oops"};
  });
  ASSERT_EQ(report.failures.size(), 1u);
  EXPECT_EQ(report.failures.front().seed, 2u);
  EXPECT_EQ(report.failures.front().message, "the scenario ended with an exception: oops");
}

TEST_F(Explore, SaysWhenAScenarioIsNotDeterministic) {
  int runs = 0;
  const auto report = explore(options(1), [&runs](simulation& sim) {
    sim.run_for(std::chrono::seconds{1});
    sim.fail("run " + std::to_string(++runs));
  });
  ASSERT_EQ(report.failures.size(), 1u);
  EXPECT_FALSE(report.failures.front().replayed_exactly);
  EXPECT_NE(report.describe().find("NOT the same history"), std::string::npos);
}

TEST_F(Explore, RefusesASeedThatIsNoNumber) {
  ::setenv("WEFT_SEED", "12x", 1);
  EXPECT_THROW(static_cast<void>(explore(options(1), two_increments)), std::invalid_argument);
}

using ExploreDeathTest = Explore;
TEST_F(ExploreDeathTest, ABrokenAssertionNamesItsSeed) {
  EXPECT_DEATH(
      static_cast<void>(explore(options(5), [](simulation& sim) { WEFT_ASSERT(sim.seed() < 3, "seeds are small"); })),
      "aborted in Explore.Race under seed 3; replay: WEFT_SEED=3 ");
}

}  // namespace
}  // namespace weft::testkit
