// A18, G2, G3: names of policies that do not fit, and the series of those that do.
#include "virtual_loop.hpp"

#include <weft/resilience/pipeline.hpp>
#include <weft/resilience/policy_names.hpp>
#include <weft/resilience/policy_set.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace weft::resilience {
namespace {

using ::testing::HasSubstr;

policies some() {
  policies p;
  p.policies["prices"].circuit_breaker = circuit_breaker{.minimum_throughput = 2};
  p.policies["posts"].timeout = timeout{};
  return p;
}

std::string refusal(const policy_set& set, std::string_view name) {
  try {
    static_cast<void>(set.at(name));
  } catch (const std::invalid_argument& e) {
    return e.what();
  }
  return "there is one";
}

TEST(PolicyNames, AMisspeltOneIsRefusedWithTheOneThatWasMeant) {
  const policy_set set{some()};
  EXPECT_NE(set.at("prices"), nullptr);
  EXPECT_EQ(refusal(set, "price"), "there is no policy \"price\"; did you mean \"prices\"?");
  EXPECT_EQ(refusal(set, "psots"), "there is no policy \"psots\"; did you mean \"posts\"?");
  EXPECT_EQ(refusal(set, "inventory"), "there is no policy \"inventory\"; there are: posts, prices");
  EXPECT_EQ(refusal(policy_set{policies{}}, "posts"), "there is no policy \"posts\"; none is configured");
}

TEST(PolicyNames, NullIsNoPipelineWithoutPolicies) {
  virtual_loop loop;
  const policy_set set{some()};
  EXPECT_THROW((pipeline<int>{loop, set.find("typo")}), std::invalid_argument);
}

TEST(PolicyNames, AreComparedWithThoseThatTheProgramAsksFor) {
  const std::vector<std::string> asked{"posts", "price"};
  const auto found = check_names(asked, some());
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(found[0].severity, severity::error);
  EXPECT_THAT(found[0].describe(),
              HasSubstr("$.policies.price: there is no policy \"price\"; did you mean \"prices\"?"));
  EXPECT_EQ(found[1].severity, severity::warning);
  EXPECT_THAT(found[1].describe(), HasSubstr("$.policies.prices: nothing in the program asks for it"));
  const policy_set set{some()};
  static_cast<void>(set.at("posts"));
  static_cast<void>(set.find("typo"));
  EXPECT_EQ(set.asked(), (std::vector<std::string>{"posts", "typo"}));
}

// G2: a misspelling is a name that is not there beside a similar one that nobody asks for; each belongs to one.
TEST(PolicyNames, ArePairedByWhatWasProbablyMeant) {
  using strings = std::vector<std::string>;
  const auto found =
      compare_names(strings{"posts", "prices", "stock", "orders"}, strings{"posts", "post", "price", "prise", "cart"});
  ASSERT_EQ(found.misspelt.size(), 1u);
  EXPECT_EQ(found.misspelt[0].asked, "prices");
  EXPECT_EQ(found.misspelt[0].configured, "price");
  EXPECT_EQ(found.missing, (strings{"stock", "orders"}));
  EXPECT_EQ(found.unused, (strings{"post", "prise", "cart"}));
}

// A18: one that was asked for in vain would be "changed" and never in force.
TEST(PolicyNames, OneThatComesTooLateIsRefused) {
  virtual_loop loop;
  policy_set set{some()};
  EXPECT_EQ(set.find("orders"), nullptr);
  auto more = some();
  more.policies["orders"].timeout = timeout{};
  more.policies["posts"].timeout->after = 7s;
  const auto applied = set.apply(more, loop.now());
  ASSERT_FALSE(applied);
  EXPECT_EQ(applied.error().code(), errc::failed_precondition);
  EXPECT_THAT(std::string{applied.error().message()}, HasSubstr("$.policies.orders"));
  pipeline<int> guard{loop, set.at("posts")};
  EXPECT_EQ(guard.whole_timeout(), 1s) << "nothing of it is in force";

  more.policies.erase("orders");
  more.policies["nobody_asked_yet"].timeout = timeout{.after = 3s};
  ASSERT_TRUE(set.apply(more, loop.now()));
  EXPECT_EQ(guard.whole_timeout(), 7s);
  pipeline<int> later_on{loop, set.at("nobody_asked_yet")};
  EXPECT_EQ(later_on.whole_timeout(), 3s);
}

task<result<int>> failing() { co_return fail(errc::unavailable, "scripted"); }

// G3: the series are there before anything happens, once for a breaker that several pipelines share.
TEST(PolicyMetrics, HaveTheBreakersOfTheConfiguration) {
  virtual_loop loop;
  observe::registry metrics;
  policy_set set{some()};
  set.measure(metrics);
  EXPECT_THAT(metrics.expose(), HasSubstr(R"(weft_breaker_state{pipeline="prices"} 0)"));
  pipeline<int> one{loop, set.at("prices")}, two{loop, set.at("prices")};
  for (auto* guard : {&one, &two})
    static_cast<void>(loop.run(guard->run({}, [](const context&) { return failing(); })));
  static_cast<void>(loop.run(two.run({}, [](const context&) { return failing(); })));
  const auto text = metrics.expose();
  EXPECT_THAT(text, HasSubstr(R"(weft_breaker_state{pipeline="prices"} 1)"));
  EXPECT_THAT(text, HasSubstr(R"(weft_breaker_transitions_total{pipeline="prices",to="open"} 1)"));
  EXPECT_THAT(text,
              HasSubstr(R"(weft_policy_decisions_total{pipeline="prices",reason="breaker_open",mode="enforce"} 1)"));
  // A breaker that the configuration names later has its series too.
  auto more = some();
  more.policies["posts"].circuit_breaker = circuit_breaker{};
  ASSERT_TRUE(set.apply(more, loop.now()));
  EXPECT_THAT(metrics.expose(), HasSubstr(R"(weft_breaker_state{pipeline="posts"} 0)"));
}

TEST(PolicyMetrics, OfAPipelineMadeByHand) {
  virtual_loop loop;
  observe::registry metrics;
  pipeline<int> guard{loop, "by hand", circuit_breaker{.minimum_throughput = 1}};
  guard.measure(metrics);
  EXPECT_THAT(metrics.expose(), HasSubstr(R"(weft_breaker_state{pipeline="by hand"} 0)"));
  static_cast<void>(loop.run(guard.run({}, [](const context&) { return failing(); })));
  EXPECT_THAT(metrics.expose(), HasSubstr(R"(weft_breaker_state{pipeline="by hand"} 1)"));
  EXPECT_THAT(metrics.expose(),
              HasSubstr(R"(weft_policy_decisions_total{pipeline="by hand",reason="failed",mode="enforce"} 1)"));
}

}  // namespace
}  // namespace weft::resilience
