// The suite that every broker passes, over sqlite: in real time on a real file, and in virtual time on a simulated disk
// whose power goes at the restart.
#include <weft/runtime/epoll_loop.hpp>
#include <weft/testkit/simulation.hpp>

#include <gtest/gtest.h>

#include <vector>

#include "under_test.hpp"

namespace weft::messaging {
namespace {

constexpr std::size_t bound_of_tests = 2000;

sqlite_broker_options options_for(std::string path, blocking_disk* disk) {
  return {
      .path = std::move(path), .disk = disk, .max_messages = bound_of_tests, .remember_ids = std::chrono::minutes{5}};
}

class on_a_file final : public testkit::broker_under_test {
 public:
  void run(const std::function<task<void>(loop&)>& body) override {
    epoll_loop l;
    l.run(body(l));
    hub_.reset();
  }
  task<result<std::unique_ptr<broker>>> open(loop& l) override {
    if (!hub_) {
      WEFT_CO_TRY(hub_, co_await open_sqlite_hub(l, options_for(folder_.file(), nullptr)));
    }
    co_return std::make_unique<sqlite_broker>(l, hub_);
  }
  [[nodiscard]] bool can_cut() const override { return true; }
  task<void> cut(loop&) override { co_return hub_->cut(); }
  [[nodiscard]] bool can_restart() const override { return true; }
  task<void> restart(loop& l) override {
    if (const auto done = co_await hub_->reopen(l); !done) throw std::runtime_error{done.error().describe()};
  }
  [[nodiscard]] std::optional<std::size_t> bound() const override { return bound_of_tests; }

 private:
  temporary_folder folder_;
  std::shared_ptr<sqlite_hub> hub_;
};

// The file is on the disk of another host than the one that the broker runs on, so that its power can go alone.
class on_a_simulated_disk final : public testkit::broker_under_test {
 public:
  void run(const std::function<task<void>(loop&)>& body) override {
    testkit::simulation sim{1};
    storage_ = &sim.add_host("storage");
    auto& host = sim.add_host("host");
    sim.run(host, body(host.loop()));
    hub_.reset();
  }
  task<result<std::unique_ptr<broker>>> open(loop& l) override {
    if (!hub_) {
      WEFT_CO_TRY(hub_, co_await open_sqlite_hub(l, options_for("broker.db", &storage_->blocking_disk())));
    }
    co_return std::make_unique<sqlite_broker>(l, hub_);
  }
  [[nodiscard]] bool can_cut() const override { return true; }
  task<void> cut(loop&) override { co_return hub_->cut(); }
  [[nodiscard]] bool can_restart() const override { return true; }
  task<void> restart(loop& l) override {
    storage_->crash(testkit::crash_kind::power);
    storage_->restart();
    if (const auto done = co_await hub_->reopen(l, &storage_->blocking_disk()); !done)
      throw std::runtime_error{done.error().describe()};
  }
  // The disk syncs no more; then the process starts again, which SQLite needs in order to go on.
  [[nodiscard]] bool can_fail_settling() const override { return true; }
  task<void> fail_settling(loop& l, bool on) override {
    storage_->set_disk_options({.sync_failure = on ? 1.0 : 0.0});
    if (!on) co_await restart(l);
  }
  [[nodiscard]] std::optional<std::size_t> bound() const override { return bound_of_tests; }

 private:
  testkit::host* storage_ = nullptr;
  std::shared_ptr<sqlite_hub> hub_;
};

template <class Target>
void expect_conforms(const testkit::broker_case& which) {
  Target broker;
  const auto outcome = testkit::run_case(broker, which);
  EXPECT_EQ(outcome.is, testkit::broker_outcome::kind::passed) << outcome.message;
}

class SqliteBrokerConformance : public testing::TestWithParam<testkit::broker_case> {};

TEST_P(SqliteBrokerConformance, PassesOnASimulatedDisk) { expect_conforms<on_a_simulated_disk>(GetParam()); }

// A real disk is slow, and needed only for what is about it.
class SqliteBrokerOnAFile : public testing::TestWithParam<testkit::broker_case> {};
TEST_P(SqliteBrokerOnAFile, Passes) { expect_conforms<on_a_file>(GetParam()); }

std::vector<testkit::broker_case> about_the_disk() {
  std::vector<testkit::broker_case> some;
  for (const auto& each : testkit::broker_conformance())
    if (each.fault == testkit::broker_fault::cut || each.fault == testkit::broker_fault::restart) some.push_back(each);
  return some;
}

const auto by_name = [](const auto& info) { return std::string{info.param.name}; };
INSTANTIATE_TEST_SUITE_P(Suite, SqliteBrokerConformance, testing::ValuesIn(testkit::broker_conformance()), by_name);
INSTANTIATE_TEST_SUITE_P(Suite, SqliteBrokerOnAFile, testing::ValuesIn(about_the_disk()), by_name);

}  // namespace
}  // namespace weft::messaging
