#include "virtual_loop.hpp"

#include <weft/resilience/pipeline.hpp>
#include <weft/resilience/policy_set.hpp>
#include <weft/resilience/presets.hpp>

#include <gtest/gtest.h>

namespace weft::resilience {
namespace {

constexpr auto text = R"({"policies": {"pricing": {
  "timeout": {"after": "1s"},
  "retry": {"max_attempts": 3, "base_delay": "50ms", "jitter": "decorrelated", "on": ["5xx"]},
  "circuit_breaker": {"failure_ratio": 0.5, "minimum_throughput": 4, "break_for": "5s", "mode": "enforce"},
  "rate_limit": {"algorithm": "sliding_window", "limit": 10, "per": "1m"},
  "attempt_timeout": {"after": "300ms"}}}})";

task<result<int>> answer(std::optional<errc> code) {
  if (code) co_return fail(*code, "scripted");
  co_return 1;
}
std::string call(virtual_loop& l, pipeline<int>& guard, std::optional<errc> code = {}) {
  const auto got = l.run(guard.run({}, [code](const context&) { return answer(code); }));
  return got ? "ok" : std::string{got.error().message()};
}

TEST(PolicySet, ReadsConfiguration) {
  const auto config = parse_policies(text);
  ASSERT_TRUE(config) << config.error().describe();
  EXPECT_TRUE(lint(*config).empty());
  const auto& p = config->policies.at("pricing");
  EXPECT_EQ(p.retry->jitter, jitter::decorrelated);
  EXPECT_EQ(p.retry->max_delay, 2s);  // not named, so as by default
  EXPECT_EQ(p.circuit_breaker->break_for, 5s);
  EXPECT_EQ(p.rate_limit->per, 1min);
  const auto unknown = parse_policies(R"({"policies": {"pricing": {"retry": {"max_atempts": 3}}}})");
  ASSERT_FALSE(unknown);
  EXPECT_THAT(unknown.error().message(), ::testing::HasSubstr("$.policies.pricing.retry"));
}

TEST(PolicySet, ANewConfigurationKeepsStates) {
  virtual_loop l;
  auto config = *parse_policies(text);
  policy_set set{config};
  std::vector<std::string> events;
  set.on_breaker_change(
      [&](const breaker_event& e) { events.push_back(std::string{e.name} + " " + e.cause.describe()); });
  pipeline<int> guard{l, set.find("pricing")};
  for (int i = 0; i < 3; ++i) call(l, guard, errc::internal);
  config.policies["pricing"].circuit_breaker->break_for = 1min;
  config.policies["pricing"].rate_limit->limit = 5;
  ASSERT_TRUE(set.apply(config, l.now()));
  call(l, guard, errc::internal);  // the fourth failure, of which three came before
  EXPECT_EQ(events, (std::vector<std::string>{"pricing 4 of 4 failed in 10 s"}));
  EXPECT_EQ(call(l, guard), "breaker open: 4 of 4 failed in 10 s");
  EXPECT_EQ(set.breaker("pricing")->retry_after(l.now()), 1min);
  config.policies["pricing"].circuit_breaker->probes = 2;
  ASSERT_TRUE(set.apply(config, l.now()));
  EXPECT_EQ(call(l, guard), "breaker open: 4 of 4 failed in 10 s");
  set.breaker("pricing")->close(l.now());
  EXPECT_EQ(call(l, guard), "ok");  // the fifth of the limiter
  EXPECT_THAT(call(l, guard), ::testing::HasSubstr("rate limited"));
}

TEST(PolicySet, ABadConfigurationChangesNothing) {
  virtual_loop l;
  auto config = *parse_policies(text);
  policy_set set{config};
  config.policies["pricing"].rate_limit->limit = 0;
  const auto refused = set.apply(config, l.now());
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().message(),
            "$.policies.pricing.rate_limit.limit: is 0: every call would be refused; give 1 or more");
  pipeline<int> guard{l, set.find("pricing")};
  EXPECT_EQ(call(l, guard), "ok");
  EXPECT_THROW(policy_set{config}, std::invalid_argument);
}

TEST(PolicySet, APolicyThatIsGoneLetsPass) {
  virtual_loop l;
  auto config = *parse_policies(text);
  policy_set set{config};
  pipeline<int> guard{l, set.find("pricing")};
  set.breaker("pricing")->isolate(l.now());
  EXPECT_EQ(call(l, guard), "breaker open: by hand");
  ASSERT_TRUE(set.apply({}, l.now()));
  EXPECT_EQ(call(l, guard), "ok");
  ASSERT_TRUE(set.apply(config, l.now()));
  EXPECT_EQ(call(l, guard), "breaker open: by hand");
}

TEST(PolicySet, MayNameAnotherOrder) {
  auto config = *parse_policies(text);
  config.policies["pricing"].order = {"circuit_breaker", "timeout", "retry", "rate_limit", "attempt_timeout"};
  EXPECT_TRUE(lint(config).empty());
}

std::string first_problem(const char* policy) {
  const auto config = parse_policies(R"({"policies": {"p": )" + std::string{policy} + "}}");
  if (!config) return std::string{config.error().message()};
  const auto found = lint(*config);
  return found.empty() ? "none" : found[0].describe();
}

TEST(Lint, NamesThePlaceAndTheRemedy) {
  EXPECT_EQ(first_problem(R"({"timeout": {"after": "100ms"}, "retry": {"base_delay": "200ms"}})"),
            "$.policies.p.retry.base_delay: is 200 ms, no shorter than timeout.after (100 ms); shorten it, or lengthen "
            "timeout.after: as it is, no retry can start");
  EXPECT_EQ(first_problem(R"({"timeout": {"after": "500ms"}, "retry": {}, "attempt_timeout": {"after": "300ms"}})"),
            "$.policies.p.retry.max_attempts: 3 attempts of 300 ms take longer than timeout.after (500 ms); lower "
            "max_attempts or attempt_timeout.after, or lengthen timeout.after");
  EXPECT_EQ(first_problem(R"({"retry": {"on": ["unavailable", "teapot"]}})"),
            "$.policies.p.retry.on[1]: \"teapot\" is no condition; write the name of a code such as unavailable, a "
            "status such as 503, or a class such as 5xx");
  EXPECT_EQ(
      first_problem(R"({"bulkhead": {}, "circuit_breaker": {}, "order": ["bulkhead", "circuit_breaker"]})"),
      "$.policies.p.order: pipeline: circuit_breaker stands inside bulkhead; name it before: a call would wait or "
      "pay for a permit that an open breaker makes useless");
  EXPECT_EQ(first_problem(R"({"timeout": {}, "order": ["retry"]})"),
            "$.policies.p.order[0]: \"retry\" is no policy that is used here; name those that are, each once");
  EXPECT_EQ(
      first_problem(R"({"retry": {"budget": {"kind": "none"}}})"),
      "$.policies.p.retry.budget.kind: is none: when the callee fails, retries multiply its load by 3; use active "
      "or tokens");
  EXPECT_EQ(
      first_problem(R"({"timeout": {}, "retry": {}, "circuit_breaker": {}, "bulkhead": {"queue_timeout": "100ms"}})"),
      "none");
}

TEST(Presets, AreSound) {
  for (const auto& b : {presets::opossum_breaker(), presets::consecutive_breaker(), presets::linkerd_breaker()})
    EXPECT_TRUE(lint(b, "b").empty());
  for (const auto& r :
       {presets::linear_retry(), presets::exponential_retry(), presets::envoy_retry(), presets::grpc_retry()})
    EXPECT_TRUE(lint(r, "r").empty());
}

TEST(Presets, LinearRetryWaitsAsItsSeedDoes) {
  virtual_loop l;
  pipeline<int> guard{l, "posts", presets::linear_retry()};
  const auto began = l.now();
  call(l, guard, errc::unavailable);
  EXPECT_EQ(l.now() - began, 1s + 2s + 3s);
}

TEST(Presets, OpossumOpensOnHalfAndProbesAfterThirtySeconds) {
  virtual_loop l;
  pipeline<int> guard{l, "posts", presets::opossum_breaker(), presets::opossum_timeout()};
  call(l, guard), call(l, guard, errc::unavailable);
  EXPECT_THAT(call(l, guard), ::testing::HasSubstr("1 of 2 failed"));
  l.advance(30s);
  EXPECT_EQ(call(l, guard), "ok");
}

}  // namespace
}  // namespace weft::resilience
