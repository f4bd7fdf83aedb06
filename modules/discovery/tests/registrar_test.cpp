#include <weft/discovery/memory_hub.hpp>
#include <weft/discovery/registrar.hpp>
#include <weft/runtime/sleep.hpp>
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

// A registry far away: what is sent arrives later, whether the sender still waits or not.
class far_registry final : public registry {
 public:
  explicit far_registry(testkit::host& h) : host_{h} {}
  [[nodiscard]] bool accepts_registrations() const noexcept override { return true; }
  task<result<>> add(context ctx, registration r) override {
    host_.spawn(arrive(*this, add_takes, [this, id = r.self.id] { known = id; }));
    co_return co_await answered(std::move(ctx), add_takes + add_answer_takes);
  }
  task<result<>> remove(context ctx, std::string, std::string) override {
    host_.spawn(arrive(*this, 1ms, [this] { known.clear(), ++removals; }));
    co_return co_await answered(std::move(ctx), 2ms);
  }
  task<result<>> heartbeat(context ctx, std::string, std::string id, health_state, std::string) override {
    WEFT_CO_TRY_VOID(co_await answered(std::move(ctx), 2ms));
    if (known != id) co_return fail(errc::not_found, "who?");
    co_return result<>{};
  }
  [[nodiscard]] std::unique_ptr<discovery::watch> watch(std::string) override { return nullptr; }
  task<result<snapshot>> resolve(context, std::string) override { co_return snapshot{}; }

  duration add_takes = 300ms, add_answer_takes{};
  std::string known;
  int removals = 0;

 private:
  static task<void> arrive(far_registry& r, duration after, std::function<void()> effect) {
    static_cast<void>(co_await sleep(r.host_.loop(), {}, after));
    effect();
  }
  task<result<>> answered(context ctx, duration after) { return sleep_or_fail(host_.loop(), std::move(ctx), after); }
  static task<result<>> sleep_or_fail(loop& l, context ctx, duration after) {
    WEFT_CO_TRY_VOID(co_await sleep(l, ctx, after));
    co_return result<>{};
  }
  testkit::host& host_;
};

// A19: SIGTERM during the registration. The removal waits for it, and no ghost stays.
TEST_F(registrar_test, ARemovalDoesNotOvertakeTheRegistration) {
  far_registry far{h};
  registrar other{h.loop(), far, {.self = {.id = "posts-3", .service = "posts"}, .ttl = 15s}};
  other.start();
  sim.run_for(10ms);
  EXPECT_TRUE(sim.run(h, leave(other)));
  sim.run_for(60s);
  EXPECT_EQ(far.known, "");
  EXPECT_EQ(far.removals, 1);
  EXPECT_EQ(other.state(), registrar::standing::left);
}

// A19: nor one whose answer never came, and that arrives after the removal.
TEST_F(registrar_test, ARegistrationWithoutAnAnswerIsLookedForAfterTheRemoval) {
  far_registry far{h};
  far.add_takes = 10'050ms;  // just after it was given up
  registrar other{h.loop(), far, {.self = {.id = "posts-3", .service = "posts"}, .ttl = 15s}};
  other.start();
  sim.run_for(10ms);
  EXPECT_TRUE(sim.run(h, leave(other)));
  sim.run_for(60s);
  EXPECT_EQ(far.known, "");
}

// A19: who leaves before anything was sent has nothing to wait for, and sends nothing afterwards.
TEST_F(registrar_test, LeavesBeforeItHasBegun) {
  self.start();
  EXPECT_TRUE(sim.run(h, leave(self)));
  sim.run_for(60s);
  EXPECT_EQ(where.known, "");
}

// A19: a drain that has no more time does not wait for the registry.
task<result<>> leave_soon(registrar& r, loop& l) { co_return co_await r.leave(context{}.with_timeout(l, 100ms)); }
TEST_F(registrar_test, LeavesWithinItsDeadline) {
  far_registry far{h};
  far.add_takes = 5s;
  registrar other{h.loop(), far, {.self = {.id = "posts-3", .service = "posts"}, .ttl = 15s}};
  other.start();
  sim.run_for(10ms);
  const auto before = sim.now();
  static_cast<void>(sim.run(h, leave_soon(other, h.loop())));
  EXPECT_LE(sim.now() - before, 200ms);
}

// A12: who is told is code of others.
TEST_F(registrar_test, AListenerThatThrowsEndsNothing) {
  registrar other{h.loop(),
                  where,
                  {.self = {.id = "posts-2", .service = "posts"}, .ttl = 15s},
                  [](registrar::standing, const std::optional<error>&) { throw 42; }};
  other.start();
  sim.run_for(20s);
  EXPECT_EQ(where.known, "posts-2");
}

TEST_F(registrar_test, SaysWhenTheRegistryWasNotTold) {
  self.start();
  sim.run_for(20s);
  where.down = true;
  EXPECT_FALSE(sim.run(h, leave(self)));
}

// A19: what failed may be tried again; what was done is not done twice.
TEST_F(registrar_test, TellsTheRegistryWhenItIsAskedAgain) {
  self.start();
  sim.run_for(20s);
  where.down = true;
  EXPECT_FALSE(sim.run(h, leave(self)));
  EXPECT_FALSE(sim.run(h, leave(self)));
  where.down = false;
  EXPECT_TRUE(sim.run(h, leave(self)));
  EXPECT_EQ(where.known, "");
  where.down = true;
  EXPECT_TRUE(sim.run(h, leave(self)));
}

}  // namespace
}  // namespace weft::discovery
