#include <weft/discovery/service_client.hpp>
#include <weft/http/limits.hpp>
#include <weft/http/server.hpp>
#include <weft/runtime/sleep.hpp>
#include <weft/testkit.hpp>

#include <gtest/gtest.h>
#include <boost/describe/class.hpp>

#include <functional>

#include "service_fleet.hpp"

namespace weft::discovery {
namespace {

task<result<http::response>> answered(http::response r) { co_return r; }

const resilience::retry three_tries{.max_attempts = 3, .base_delay = 10ms, .jitter = resilience::jitter::none};

TEST(ServiceClient, SendsAlongWhatCallsBetweenServicesCarry) {
  fleet f{1};
  f.client(resilience::timeout{.after = 2s});
  trace_position here;
  here.trace_id.fill(0xab);
  here.span_id.fill(0xcd);
  here.flags = 1;
  const auto ctx = context{}.with_correlation_id("order-17").with_trace(here).with_timeout(*f.home, 900ms);
  ASSERT_TRUE(f.send(ctx, {http::method::get, "/api/posts/7"}));
  ASSERT_EQ(f.seen.size(), 1u);
  const auto& fields = f.seen[0].headers;
  EXPECT_EQ(fields.get("x-service-name"), "users");
  EXPECT_EQ(fields.get("x-correlation-id"), "order-17");
  EXPECT_TRUE(fields.get("traceparent").value_or("").starts_with("00-abababab"));
  const auto left = std::stoi(std::string{fields.get(http::timeout_header).value_or("0")});
  EXPECT_GT(left, 800);
  EXPECT_LE(left, 900);
}

TEST(ServiceClient, RetriesElsewhereAndSaysSo) {
  fleet f{2};
  auto& c = f.client(three_tries);
  for (auto& [name, answer] : f.answers) {
    answer = [&f](loop&, http::request&) {
      return fleet::say(f.seen.size() == 1 ? http::status::service_unavailable : http::status::ok);
    };
  }
  resilience::decision_record record;
  const auto answer = f.send({}, {http::method::get, "/x"}, {.record = &record});
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, http::status::ok);
  ASSERT_EQ(f.seen.size(), 2u);
  EXPECT_NE(f.seen[0].instance, f.seen[1].instance);
  EXPECT_TRUE(record.has(resilience::reason::retried)) << record.describe();
  EXPECT_EQ(c.policies().count(resilience::reason::retried), 1u);
}

TEST(ServiceClient, DoesNotRepeatWhatMayHaveBeenDone) {
  fleet f{2};
  f.client(three_tries);
  for (auto& [name, answer] : f.answers)
    answer = [](loop&, http::request&) { return fleet::say(http::status::service_unavailable); };
  EXPECT_EQ(f.send({}, {http::method::post, "/x", "{}"})->status, http::status::service_unavailable);
  EXPECT_EQ(f.seen.size(), 1u);

  f.seen.clear();
  http::request keyed{http::method::post, "/x", "{\"n\":1}"};
  keyed.headers.set("Idempotency-Key", "order-17");
  EXPECT_EQ(f.send({}, std::move(keyed))->status, http::status::service_unavailable);
  ASSERT_EQ(f.seen.size(), 3u);
  for (const auto& s : f.seen) EXPECT_EQ(s.content, "{\"n\":1}");
}

TEST(ServiceClient, RepeatsWhatCertainlyWasNotDone) {
  fleet f{3};
  f.client(three_tries);
  // Nobody listens on two of three: a connection that is refused has done nothing, so even a POST goes on.
  f.sim.run_for(10ms);
  f.registry =
      make_registry(*f.home, "static:posts=10.0.0.1:81,10.0.0.2:81," + f.sim.at("posts-3").address(80).to_string());
  f.client(three_tries);
  for (int i = 0; i < 6; ++i) EXPECT_EQ(f.send({}, {http::method::post, "/x", "{}"})->status, http::status::ok) << i;
  EXPECT_EQ(f.seen.size(), 6u);
}

TEST(ServiceClient, AnOpenBreakerAsksNobodyAndExplains) {
  fleet f{1};
  f.client(resilience::circuit_breaker{.minimum_throughput = 4, .break_for = 30s});
  f.answers["posts-1"] = [](loop&, http::request&) { return fleet::say(http::status::internal_server_error); };
  for (int i = 0; i < 4; ++i)
    EXPECT_EQ(f.send({}, {http::method::get, "/x"})->status, http::status::internal_server_error);
  const auto refused = f.send({}, {http::method::get, "/x"});
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().describe().find("breaker open"), std::string::npos) << refused.error().describe();
  EXPECT_EQ(f.seen.size(), 4u);
  f.answers["posts-1"] = [](loop&, http::request&) { return fleet::say(http::status::ok); };
  f.sim.run_for(31s);
  EXPECT_TRUE(f.send({}, {http::method::get, "/x"}));
}

TEST(ServiceClient, CountsWhatItsPoliciesDecide) {
  fleet f{1};
  observe::registry metrics;
  f.options.metrics = &metrics;
  f.client(resilience::circuit_breaker{.minimum_throughput = 2, .break_for = 30s});
  f.answers["posts-1"] = [](loop&, http::request&) { return fleet::say(http::status::internal_server_error); };
  for (int i = 0; i < 3; ++i) static_cast<void>(f.send({}, {http::method::get, "/x"}));
  const auto text = metrics.expose();
  EXPECT_TRUE(text.contains(R"(weft_policy_decisions_total{pipeline="posts",reason="breaker_open",mode="enforce"} 1)"))
      << text;
  EXPECT_TRUE(text.contains(R"(weft_breaker_state{pipeline="posts"} 1)")) << text;
}

TEST(ServiceClient, TheErrorOfTheLastTryTellsOfAll) {
  fleet f{2};
  f.client(resilience::retry{.max_attempts = 2, .base_delay = 10ms}, resilience::timeout{.after = 300ms});
  for (auto& [name, answer] : f.answers)
    answer = [](loop& l, http::request&) -> task<result<http::response>> {
      static_cast<void>(co_await sleep(l, {}, 10s));
      co_return co_await fleet::say(http::status::ok);
    };
  const auto before = f.sim.now();
  const auto answer = f.send({}, {http::method::get, "/x"});
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code(), errc::deadline_exceeded);
  const auto told = answer.error().describe();
  EXPECT_NE(told.find("try 1 to 10.0.0."), std::string::npos) << told;
  EXPECT_NE(told.find("try 2 to 10.0.0."), std::string::npos) << told;
  EXPECT_NE(told.find("300 ms"), std::string::npos) << told;
  EXPECT_LT(f.sim.now() - before, 1s);
}

TEST(ServiceClient, HonoursRetryAfterWithinTheDeadline) {
  fleet f{1};
  f.client(three_tries);
  f.answers["posts-1"] = [&f](loop&, http::request&) {
    return f.seen.size() == 1 ? fleet::say(http::status::service_unavailable, "2") : fleet::say(http::status::ok);
  };
  const auto before = f.sim.now();
  EXPECT_EQ(f.send(context{}.with_timeout(*f.home, 10s), {http::method::get, "/x"})->status, http::status::ok);
  EXPECT_GE(f.sim.now() - before, 2s);

  f.seen.clear();
  const auto start = f.sim.now();
  EXPECT_EQ(f.send(context{}.with_timeout(*f.home, 1s), {http::method::get, "/x"})->status,
            http::status::service_unavailable);
  EXPECT_LT(f.sim.now() - start, 500ms) << "waiting for more than is left helps nobody";
}

TEST(ServiceClient, GoesOnWhenAnInstanceCrashes) {
  fleet f{3};
  f.client(resilience::timeout{.after = 3s}, three_tries, resilience::timeout{.after = 500ms});
  ASSERT_TRUE(f.send({}, {http::method::get, "/x"}));
  f.sim.at("posts-2").crash();
  for (int i = 0; i < 30; ++i) EXPECT_TRUE(f.send({}, {http::method::get, "/x"})) << i;
}

struct issuer {
  int issued = 0;
  task<result<http::bearer_token>> issue(loop& l) {
    static_cast<void>(co_await sleep(l, {}, 20ms));
    ++issued;
    co_return http::bearer_token{.value = "t" + std::to_string(issued), .expires = l.wall_now() + 10min};
  }
};

TEST(ServiceClient, ShowsATokenAndRefreshesItInTime) {
  fleet f{1};
  issuer from;
  http::token_keeper token{*f.home, [&](const context&) { return from.issue(*f.home); }};
  f.options.token = &token;
  f.client();
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(f.send({}, {http::method::get, "/x"}));
  EXPECT_EQ(from.issued, 1);
  EXPECT_EQ(f.seen.back().headers.get("authorization"), "Bearer t1");
  f.sim.run_for(9min + 30s);
  ASSERT_TRUE(f.send({}, {http::method::get, "/x"}));  // the old one is still good, and a new one is fetched
  f.sim.run_for(1s);
  EXPECT_EQ(from.issued, 2);
  ASSERT_TRUE(f.send({}, {http::method::get, "/x"}));
  EXPECT_EQ(f.seen.back().headers.get("authorization"), "Bearer t2");
}

struct post {
  int id = 0;
};
BOOST_DESCRIBE_STRUCT(post, (), (id))

task<result<post>> get_post(service_client& c, service_call call = {}) {
  WEFT_CO_TRY_VOID(co_await c.ready({}));
  co_return co_await c.get<post>({}, "/api/posts/7", call);
}
TEST(ServiceClient, DecodesAnswers) {
  fleet f{1};
  const auto got = f.sim.run(f.sim.at("users"), get_post(f.client()));
  ASSERT_TRUE(got) << got.error().describe();
  EXPECT_EQ(got->id, 7);
}

// The beginning of an answer's content, and then nothing for an hour, or the end of the connection.
class broken_content final : public http::body_source {
 public:
  enum class way : std::uint8_t { stalls, breaks_off };
  broken_content(loop& l, way w) : loop_{l}, way_{w} {}
  task<result<std::string_view>> next() override {
    if (!std::exchange(begun_, true)) co_return std::string_view{"{\"id\":"};
    if (way_ == way::stalls) static_cast<void>(co_await sleep(loop_, {}, 1h));
    co_return fail(errc::unavailable, "scripted");
  }

 private:
  loop& loop_;
  way way_;
  bool begun_ = false;
};

fleet::answer broken(broken_content::way w) {
  return [w](loop& l, http::request&) {
    http::response r{http::status::ok};
    r.content = http::body::stream(std::make_unique<broken_content>(l, w));
    return answered(std::move(r));
  };
}

class ServiceClientContent : public testing::TestWithParam<broken_content::way> {};

TEST_P(ServiceClientContent, ThatDoesNotComeIsTriedElsewhereAndCounts) {
  fleet f{2};
  f.answers["posts-1"] = broken(GetParam());
  auto& c = f.client(resilience::timeout{.after = 2s}, three_tries, resilience::timeout{.after = 200ms});
  int asked_again = 0;
  for (int i = 0; i < 10; ++i) {
    const auto before = f.sim.now();
    f.seen.clear();
    resilience::decision_record record;
    const auto got = f.sim.run(f.sim.at("users"), get_post(c, {.record = &record}));
    ASSERT_TRUE(got) << got.error().describe();
    EXPECT_EQ(got->id, 7);
    EXPECT_LT(f.sim.now() - before, 1s);
    if (f.seen.size() == 1) continue;
    ++asked_again;
    EXPECT_EQ(f.seen[0].instance, "posts-1");
    EXPECT_EQ(f.seen[1].instance, "posts-2");
    EXPECT_TRUE(record.has(resilience::reason::retried)) << record.describe();
  }
  EXPECT_GE(asked_again, 1);
  EXPECT_EQ(c.instances().hosts().count().ejected, 1u) << c.instances().describe();
}

TEST_P(ServiceClientContent, ThatDoesNotComeOpensTheBreaker) {
  fleet f{1};
  f.answers["posts-1"] = broken(GetParam());
  auto& c = f.client(resilience::circuit_breaker{.minimum_throughput = 4, .break_for = 30s},
                     resilience::timeout{.after = 200ms});
  for (int i = 0; i < 4; ++i) {
    const auto got = f.sim.run(f.sim.at("users"), get_post(c));
    ASSERT_FALSE(got);
    EXPECT_EQ(got.error().code(),
              GetParam() == broken_content::way::stalls ? errc::deadline_exceeded : errc::unavailable);
    EXPECT_TRUE(got.error().describe().contains("content")) << got.error().describe();
  }
  const auto refused = f.sim.run(f.sim.at("users"), get_post(c));
  ASSERT_FALSE(refused);
  EXPECT_TRUE(refused.error().describe().contains("breaker open")) << refused.error().describe();
  EXPECT_EQ(f.seen.size(), 4u);
}

INSTANTIATE_TEST_SUITE_P(Ways, ServiceClientContent,
                         testing::Values(broken_content::way::stalls, broken_content::way::breaks_off),
                         [](const auto& way) {
                           return way.param == broken_content::way::stalls ? "Stalls" : "BreaksOff";
                         });

TEST(ServiceClient, ContentBeyondItsLimitIsNobodysFault) {
  fleet f{2};
  f.options.content_limit = 100;
  auto& c = f.client(three_tries, resilience::circuit_breaker{.minimum_throughput = 2});
  for (auto& [name, answer] : f.answers)
    answer = [](loop&, http::request&) {
      return answered(http::response::json_text("{\"id\":7,\"text\":\"" + std::string(100, 'x') + "\"}"));
    };
  for (int i = 0; i < 4; ++i) {
    const auto got = f.sim.run(f.sim.at("users"), get_post(c));
    ASSERT_FALSE(got);
    EXPECT_EQ(got.error().code(), errc::resource_exhausted) << got.error().describe();
    EXPECT_TRUE(got.error().remedy().contains("content_limit"));
  }
  EXPECT_EQ(f.seen.size(), 4u) << "another instance would send as much";
  EXPECT_TRUE(f.send({}, {http::method::get, "/x"})) << "streamed, there is no limit";
}

TEST(ServiceClient, ReadsContentUpToTheLimitItWasGiven) {
  fleet f{1};
  f.options.content_limit = 3 << 20;
  auto& c = f.client(three_tries);
  f.answers["posts-1"] = [](loop&, http::request&) {
    return answered(http::response::json_text("{\"id\":7,\"text\":\"" + std::string(2 << 20, 'x') + "\"}"));
  };
  const auto got = f.sim.run(f.sim.at("users"), get_post(c));
  ASSERT_TRUE(got) << got.error().describe();
  EXPECT_EQ(got->id, 7);
}

}  // namespace
}  // namespace weft::discovery
