// The suite that every broker passes, over memory:, in virtual time.
#include <weft/messaging/memory_broker.hpp>
#include <weft/testkit/broker_conformance.hpp>
#include <weft/testkit/simulation.hpp>

#include <gtest/gtest.h>

namespace weft::messaging {
namespace {

class memory_under_test final : public testkit::broker_under_test {
 public:
  void run(const std::function<task<void>(loop&)>& body) override {
    testkit::simulation sim{1};
    auto& host = sim.add_host("host");
    sim.run(host, body(host.loop()));
  }
  task<result<std::unique_ptr<broker>>> open(loop& l) override { co_return std::make_unique<memory_broker>(l, hub_); }
  [[nodiscard]] bool can_cut() const override { return true; }
  task<void> cut(loop&) override { co_return hub_->cut(); }
  [[nodiscard]] std::optional<std::size_t> bound() const override { return options.max_messages; }

 private:
  static constexpr memory_options options{.max_messages = 2000};
  std::shared_ptr<memory_hub> hub_ = std::make_shared<memory_hub>(options);
};

class MemoryBrokerConformance : public testing::TestWithParam<testkit::broker_case> {};

// What memory: cannot be asked for: it ends with its process, keeps every duplicate, and takes each message for itself.
constexpr std::string_view not_for_memory[] = {"SurvivesARestart", "DropsDuplicates", "TakesAllOrNone",
                                               "AFailedSettlementEnds"};

TEST_P(MemoryBrokerConformance, Passes) {
  memory_under_test broker;
  const auto outcome = testkit::run_case(broker, GetParam());
  using kind = testkit::broker_outcome::kind;
  const bool skips = std::ranges::find(not_for_memory, GetParam().name) != std::end(not_for_memory);
  EXPECT_EQ(outcome.is, skips ? kind::skipped : kind::passed) << outcome.message;
}

INSTANTIATE_TEST_SUITE_P(Suite, MemoryBrokerConformance, testing::ValuesIn(testkit::broker_conformance()),
                         [](const auto& info) { return std::string{info.param.name}; });

}  // namespace
}  // namespace weft::messaging
