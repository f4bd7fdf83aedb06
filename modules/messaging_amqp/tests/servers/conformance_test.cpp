// The suite that every broker passes, over a RabbitMQ, with quorum queues and with classic ones. A restart of the
// server takes long, and is in faults_test.cpp once, with all that can be seen of it.
#include <weft/testkit/broker_conformance.hpp>

#include "rabbitmq.hpp"

namespace weft::messaging {
namespace {

class rabbitmq_under_test final : public testkit::broker_under_test {
 public:
  rabbitmq_under_test(epoll_loop& l, std::string query) : loop_{l}, query_{std::move(query)} {}
  void run(const std::function<task<void>(loop&)>& body) override { loop_.run(body(loop_)); }
  task<result<std::unique_ptr<broker>>> open(loop& l) override { return open_broker(l, options_for(query_)); }
  [[nodiscard]] bool can_cut() const override { return true; }
  task<void> cut(loop& l) override { return rabbitmqctl(l, "close_all_connections cut"); }
  [[nodiscard]] bool can_restart() const override { return false; }
  [[nodiscard]] duration patience() const override { return 120s; }
  [[nodiscard]] std::size_t many() const override { return 5'000; }

 private:
  epoll_loop& loop_;
  std::string query_;
};

class AmqpBrokerConformance : public testing::TestWithParam<std::tuple<std::string, testkit::broker_case>> {};

TEST_P(AmqpBrokerConformance, Passes) {
  epoll_loop loop;
  WEFT_NEEDS_RABBITMQ(loop)
  const auto& [queues, which] = GetParam();
  rabbitmq_under_test target{loop, "?heartbeat=5&queues=" + queues};
  const auto outcome = testkit::run_case(target, which);
  using kind = testkit::broker_outcome::kind;
  // What RabbitMQ cannot be asked for, and quorum queues neither.
  std::vector<std::string_view> skipped{"DropsDuplicates", "ParksTheWholeKey", "PushesBack",
                                        "TakesAllOrNone",  "SurvivesARestart", "AFailedSettlementEnds"};
  if (queues == "quorum") skipped.emplace_back("PrefersPriorities");
  const bool skips = std::ranges::find(skipped, which.name) != skipped.end();
  EXPECT_EQ(outcome.is, skips ? kind::skipped : kind::passed) << outcome.message;
}

std::vector<std::tuple<std::string, testkit::broker_case>> cases() {
  constexpr std::string_view of_classic[] = {
      "KeepsOrderPerKey", "ARetryBlocksItsKey", "CountsAttempts", "KeepsDeadLetters",
      "Delays",           "PrefersPriorities",  "Expires",        "SurvivesACut"};
  std::vector<std::tuple<std::string, testkit::broker_case>> all;
  for (const auto& each : testkit::broker_conformance()) {
    all.emplace_back("quorum", each);
    if (std::ranges::find(of_classic, each.name) != std::end(of_classic)) all.emplace_back("classic", each);
  }
  return all;
}

INSTANTIATE_TEST_SUITE_P(Suite, AmqpBrokerConformance, testing::ValuesIn(cases()), [](const auto& info) {
  return std::get<0>(info.param) + "_" + std::string{std::get<1>(info.param).name};
});

}  // namespace
}  // namespace weft::messaging
