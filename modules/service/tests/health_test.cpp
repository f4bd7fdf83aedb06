// What /health says, and that no check can hold it up.
#include <weft/runtime/sleep.hpp>
#include <weft/service/health.hpp>
#include <weft/testkit.hpp>

#include <gtest/gtest.h>

namespace {

using namespace weft;
using namespace std::chrono_literals;
using service::health_checks;
using service::health_details;

task<result<health_details>> after(loop& l, duration time, result<health_details> answer) {
  (void)co_await weft::sleep(l, context::background(), time);
  co_return answer;
}

// Lets neither time nor cancellation end it.
task<result<health_details>> never(loop& l) {
  for (;;) (void)co_await weft::sleep(l, context::background(), 1h);
}

std::string report_of(loop& l, const service::health_report& report) { return report.to_json(l.wall_now()); }

TEST(health, shows_every_check) {
  testkit::run([](loop& l) -> task<void> {
    health_checks checks{l};
    checks.add("database",
               [&](context) { return after(l, 10ms, health_details{{"message", "connected"}, {"pool", 3}}); });
    checks.add("queue", [&](context) { return after(l, 20ms, fail(errc::unavailable, "no connection")); });
    const auto began = l.now();
    const auto report = co_await checks.run(context::background());
    EXPECT_EQ(l.now() - began, 20ms);  // they run beside each other
    EXPECT_FALSE(report.healthy);
    const auto text = report_of(l, report);
    EXPECT_TRUE(text.starts_with(
        R"({"status":"unhealthy","checks":{"database":{"status":"healthy","message":"connected","pool":3},)"
        R"("queue":{"status":"unhealthy","error":"no connection"}},"timestamp":")"))
        << text;
  });
}

TEST(health, a_check_that_hangs_holds_up_nobody) {
  testkit::run([](loop& l) -> task<void> {
    health_checks checks{l};
    int runs = 0;
    checks.add("stuck", [&](context) { return ++runs, never(l); }, {.timeout = 500ms});
    checks.add("fine", [&](context) { return after(l, 1ms, health_details{}); });
    for (int i = 0; i < 3; ++i) {
      const auto began = l.now();
      const auto report = co_await checks.run(context::background());
      EXPECT_LE(l.now() - began, 500ms);
      EXPECT_FALSE(report.lines[0].healthy);
      EXPECT_TRUE(report.lines[0].problem.starts_with("no answer after 5")) << report.lines[0].problem;
      EXPECT_TRUE(report.lines[1].healthy);
    }
    EXPECT_EQ(runs, 1);  // and is not started over and over
  });
}

TEST(health, an_advisory_check_does_not_decide) {
  testkit::run([](loop& l) -> task<void> {
    health_checks checks{l};
    checks.add("cache", [&](context) { return after(l, 0ms, fail(errc::unavailable, "cold")); },
               {.weight = service::health_weight::advisory});
    const auto report = co_await checks.run(context::background());
    EXPECT_TRUE(report.healthy);
    EXPECT_NE(report_of(l, report).find(R"("cache":{"status":"unhealthy","error":"cold","critical":false})"),
              std::string::npos);
  });
}

TEST(health, many_askers_cost_one_run_and_answers_can_be_kept) {
  testkit::run([](loop& l) -> task<void> {
    health_checks checks{l};
    int runs = 0;
    checks.add("database", [&](context) { return ++runs, after(l, 100ms, health_details{}); }, {.keep = 1s});
    co_await when_all(l, checks.run(context::background()), checks.run(context::background()));
    EXPECT_EQ(runs, 1);
    (void)co_await weft::sleep(l, context::background(), 900ms);
    (void)co_await checks.run(context::background());
    EXPECT_EQ(runs, 1);
    (void)co_await weft::sleep(l, context::background(), 200ms);
    (void)co_await checks.run(context::background());
    EXPECT_EQ(runs, 2);
  });
}

task<result<health_details>> throws_an_int() {
  throw 7;
  co_return health_details{};
}
task<result<health_details>> throws() {
  throw std::runtime_error{"broken check"};
  co_return health_details{};
}

TEST(health, a_check_that_throws_is_unhealthy) {
  testkit::run([](loop& l) -> task<void> {
    std::vector<std::string> logged;
    health_checks checks{l, [&](std::string_view check, std::string_view thrown) {
                           logged.push_back(std::string{check} + ": " + std::string{thrown});
                         }};
    checks.add("bug", [](context) { return throws(); });
    checks.add("worse", [](context) { return throws_an_int(); });
    checks.add("at once", [](context) -> task<result<health_details>> { throw 7; });
    const auto report = co_await checks.run(context::background());
    // G15: whoever asks may be anyone. A12: whatever is thrown.
    for (const auto& line : report.lines) {
      EXPECT_FALSE(line.healthy);
      EXPECT_EQ(line.problem, "the check threw an exception; the log has its text");
    }
    EXPECT_EQ(report_of(l, report).find("broken check"), std::string::npos);
    (void)co_await checks.run(context::background());
    EXPECT_EQ(logged,
              (std::vector<std::string>{"bug: broken check", "worse: an exception that is no std::exception was thrown",
                                        "at once: an exception that is no std::exception was thrown"}));
    EXPECT_THROW(checks.add("bug", [](context) { return throws(); }), std::invalid_argument);
  });
}

TEST(health, memory_is_compared_with_its_limit) {
  testkit::run([](loop& l) -> task<void> {
    health_checks checks{l};
    checks.add("small", service::memory_check(1));
    checks.add("any", service::memory_check(0));
    const auto report = co_await checks.run(context::background());
    EXPECT_FALSE(report.lines[0].healthy);
    EXPECT_TRUE(report.lines[1].healthy);
    EXPECT_EQ(report.lines[1].details.front().key, "rss_bytes");
  });
}

}  // namespace
