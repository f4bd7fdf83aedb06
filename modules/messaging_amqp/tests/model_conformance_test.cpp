// The suite that every broker passes, against the model of RabbitMQ, in virtual time: with quorum queues and with
// classic ones, with and without partitions. The real server passes it too, in tests/servers.
#include <weft/messaging_amqp/amqp_broker.hpp>
#include <weft/runtime/sleep.hpp>
#include <weft/testkit/broker_conformance.hpp>

#include <gtest/gtest.h>

#include "model_broker.hpp"

namespace weft::messaging {
namespace {
using namespace std::chrono_literals;

class model_under_test final : public testkit::broker_under_test {
 public:
  explicit model_under_test(std::string query) : query_{std::move(query)} {
    server_.on_boot([this](testkit::host& h) { return model_broker::run(h.loop(), rabbit_); });
  }
  void run(const std::function<task<void>(loop&)>& body) override { sim_.run(client_, body(client_.loop())); }
  task<result<std::unique_ptr<broker>>> open(loop& l) override {
    auto o = amqp_options::parse("amqp://weft:weft@rabbit/" + query_).value();
    o.connection.backoff_first = 50ms;
    o.connection.backoff_most = 1s;
    WEFT_CO_TRY(auto made, co_await amqp_broker::open(l, context{}.with_timeout(l, 60s), std::move(o)));
    co_return std::unique_ptr<broker>{std::move(made)};
  }
  [[nodiscard]] bool can_cut() const override { return true; }
  [[nodiscard]] bool can_restart() const override { return true; }
  task<void> cut(loop& l) override {
    rabbit_.cut();
    static_cast<void>(co_await sleep(l, {}, 20ms));  // until the clients have heard of it
  }
  task<void> restart(loop&) override {
    server_.crash(testkit::crash_kind::process);
    rabbit_.restart();
    server_.restart();
    co_return;
  }
  // Short of memory it takes no copies.
  [[nodiscard]] bool can_fail_settling() const override { return true; }
  task<void> fail_settling(loop& l, bool on) override {
    rabbit_.set_alarm(on);
    static_cast<void>(co_await sleep(l, {}, 20ms));
  }
  [[nodiscard]] std::size_t many() const override { return 5'000; }

 private:
  std::string query_;
  testkit::simulation sim_{3};
  model_broker& rabbit_ = sim_.make<model_broker>();
  testkit::host &server_ = sim_.add_host("rabbit"), &client_ = sim_.add_host("client");
};

class ModelConformance : public testing::TestWithParam<std::tuple<std::string, testkit::broker_case>> {};

TEST_P(ModelConformance, Passes) {
  const auto& [how, which] = GetParam();
  // Messages without a key are in no order over several partitions.
  if (how == "partitions" && (which.name == "Redelivers" || which.name == "BoundsWhatIsOut")) return;
  model_under_test target{how == "partitions" ? "?partitions=4" : "?queues=" + how};
  const auto outcome = testkit::run_case(target, which);
  using kind = testkit::broker_outcome::kind;
  // What RabbitMQ cannot be asked for, and quorum queues neither.
  std::vector<std::string_view> skipped{"DropsDuplicates", "ParksTheWholeKey", "PushesBack", "TakesAllOrNone"};
  if (how != "classic") skipped.emplace_back("PrefersPriorities");
  const bool skips = std::ranges::find(skipped, which.name) != skipped.end();
  EXPECT_EQ(outcome.is, skips ? kind::skipped : kind::passed) << outcome.message;
}

INSTANTIATE_TEST_SUITE_P(Suite, ModelConformance,
                         testing::Combine(testing::Values("quorum", "classic", "partitions"),
                                          testing::ValuesIn(testkit::broker_conformance())),
                         [](const auto& info) {
                           return std::get<0>(info.param) + "_" + std::string{std::get<1>(info.param).name};
                         });

}  // namespace
}  // namespace weft::messaging
