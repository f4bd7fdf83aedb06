#pragma once
// What every broker behind weft::messaging has to do, as a suite that runs over any backend, gated by what it declares.
//
//     class my_broker_under_test final : public testkit::broker_under_test {
//       void run(const std::function<task<void>(loop&)>& body) override { ... }
//       task<result<std::unique_ptr<messaging::broker>>> open(loop& l) override { ... }
//     };
//
//     class MyBroker : public testing::TestWithParam<testkit::broker_case> {};
//     TEST_P(MyBroker, Conforms) {
//       my_broker_under_test broker;
//       const auto outcome = run_case(broker, GetParam());
//       if (outcome.is == testkit::broker_outcome::kind::skipped) GTEST_SKIP() << outcome.message;
//       EXPECT_EQ(outcome.is, testkit::broker_outcome::kind::passed) << outcome.message;
//     }
//     INSTANTIATE_TEST_SUITE_P(Suite, MyBroker, testing::ValuesIn(testkit::broker_conformance()));
//
// In the simulator it takes no time; on real brokers every wait has a deadline. Cases use topics and groups of their
// own, so that they may share a server. No test framework is needed: an outcome is a value.
#include <weft/messaging/broker.hpp>
#include <weft/runtime/loop.hpp>

#include <cstddef>
#include <functional>
#include <iosfwd>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace weft::testkit {

// The backend, as the suite drives it.
class broker_under_test {
 public:
  virtual ~broker_under_test() = default;

  // Runs the task to its end, on one loop, in virtual or real time.
  virtual void run(const std::function<task<void>(loop&)>& body) = 0;
  // One more client of the same broker.
  virtual task<result<std::unique_ptr<messaging::broker>>> open(loop& l) = 0;

  // What can be done to it. A case that needs what is missing is skipped, and says so.
  [[nodiscard]] virtual bool can_cut() const { return false; }
  [[nodiscard]] virtual bool can_restart() const { return false; }
  // Every connection is lost, as if its cable were cut; clients connect again by themselves.
  virtual task<void> cut(loop&) { co_return; }
  // The broker ends and starts, and keeps what is durable.
  virtual task<void> restart(loop&) { co_return; }
  // While it is on, the broker cannot put a message aside (a full disk, an alarm); deliveries and acknowledgements may
  // go on. Publishing need not work meanwhile.
  [[nodiscard]] virtual bool can_fail_settling() const { return false; }
  virtual task<void> fail_settling(loop&, bool /*on*/) { co_return; }
  // How many small messages a group takes before publish() waits; nullopt: it has no bound to test.
  [[nodiscard]] virtual std::optional<std::size_t> bound() const { return std::nullopt; }

  // How long a message may take to arrive, and how long it must stay away to count as not coming.
  [[nodiscard]] virtual duration patience() const { return std::chrono::seconds{30}; }
  [[nodiscard]] virtual duration quiet() const { return std::chrono::milliseconds{300}; }
  // Of the case "many messages".
  [[nodiscard]] virtual std::size_t many() const { return 100'000; }
};

enum class broker_fault : std::uint8_t { none, cut, restart, bound, settling };

class broker_trial;  // one run of a case

struct broker_case {
  std::string_view name;     // "RetriesInOrder"
  std::string_view promise;  // "a message that waits for its retry holds up its key, and no other"
  messaging::feature_set needs;
  broker_fault fault = broker_fault::none;
  task<void> (*run)(broker_trial&) = nullptr;

  friend std::ostream& operator<<(std::ostream& out, const broker_case& c);
};

[[nodiscard]] std::span<const broker_case> broker_conformance();

struct broker_outcome {
  enum class kind : std::uint8_t { passed, skipped, failed };
  kind is = kind::passed;
  std::string message;  // why it was skipped, or what went wrong
};

[[nodiscard]] broker_outcome run_case(broker_under_test& target, const broker_case& which);

}  // namespace weft::testkit
