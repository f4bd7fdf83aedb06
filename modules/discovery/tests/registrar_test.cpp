#include <weft/discovery/memory_hub.hpp>
#include <weft/discovery/registrar.hpp>
#include <weft/testkit.hpp>

#include <gtest/gtest.h>

namespace weft::discovery {
namespace {
using namespace std::chrono_literals;

// A registry that can be made to fail, and to forget.
class moody_registry final : public registry {
 public:
  [[nodiscard]] bool accepts_registrations() const noexcept override { return true; }
  task<result<>> add(context, registration r) override {
    ++adds;
    if (down) co_return fail(errc::unavailable, "refused");
    known = r.self.id;
    co_return result<>{};
  }
  task<result<>> remove(context, std::string, std::string id) override {
    if (down) co_return fail(errc::unavailable, "refused");
    if (known == id) known.clear();
    co_return result<>{};
  }
  task<result<>> heartbeat(context, std::string, std::string id, health_state, std::string) override {
    ++heartbeats;
    if (down) co_return fail(errc::unavailable, "refused");
    if (known != id) co_return fail(errc::not_found, "who?");
    co_return result<>{};
  }
  [[nodiscard]] std::unique_ptr<discovery::watch> watch(std::string) override { return nullptr; }
  task<result<snapshot>> resolve(context, std::string) override { co_return snapshot{}; }

  bool down = false;
  std::string known;
  int adds = 0, heartbeats = 0;
};

struct registrar_test : testing::Test {
  testkit::simulation sim{3};
  testkit::host& h = sim.add_host("posts");
  moody_registry where;
  registrar self{h.loop(), where, {.self = {.id = "posts-1", .service = "posts"}, .ttl = 15s}};
};

task<result<>> leave(registrar& r) { co_return co_await r.leave({}); }

TEST_F(registrar_test, RegistersAndSendsHeartbeatsInTime) {
  self.start();
  sim.run_for(60s);
  EXPECT_EQ(where.known, "posts-1");
  EXPECT_EQ(where.adds, 1);
  EXPECT_GE(where.heartbeats, 11);
  EXPECT_LE(where.heartbeats, 12);
}

TEST_F(registrar_test, KeepsTryingWhileTheRegistryIsDown) {
  where.down = true;
  self.start();
  sim.run_for(60s);
  EXPECT_EQ(self.state(), registrar::standing::registering);
  EXPECT_LE(where.adds, 20) << "and without hammering it";
  where.down = false;
  sim.run_for(16s);
  EXPECT_EQ(where.known, "posts-1");
}

TEST_F(registrar_test, RegistersAnewWhenItWasForgotten) {
  self.start();
  sim.run_for(20s);
  where.known.clear();
  sim.run_for(6s);
  EXPECT_EQ(where.known, "posts-1");
}

TEST_F(registrar_test, TellsOfHeartbeatsThatAreNotHeardAndOfTheFirstThatIsAgain) {
  std::vector<std::string> told;
  registrar other{
      h.loop(),
      where,
      {.self = {.id = "posts-2", .service = "posts"}, .ttl = 15s},
      [&](registrar::standing now, const std::optional<error>& trouble) {
        told.push_back(trouble ? "trouble" : now == registrar::standing::registered ? "registered" : "other");
      }};
  other.start();
  sim.run_for(21s);
  where.down = true;
  sim.run_for(10s);
  where.down = false;
  sim.run_for(20s);
  EXPECT_EQ(told, (std::vector<std::string>{"other", "registered", "trouble", "trouble", "registered"}));
}

TEST_F(registrar_test, LeavesAndStaysAway) {
  self.start();
  sim.run_for(20s);
  EXPECT_TRUE(sim.run(h, leave(self)));
  EXPECT_EQ(where.known, "");
  sim.run_for(60s);
  EXPECT_EQ(where.known, "");
  EXPECT_EQ(self.state(), registrar::standing::left);
}

TEST_F(registrar_test, SaysWhenTheRegistryWasNotTold) {
  self.start();
  sim.run_for(20s);
  where.down = true;
  EXPECT_FALSE(sim.run(h, leave(self)));
}

}  // namespace
}  // namespace weft::discovery
