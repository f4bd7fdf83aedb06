// Faults of calls to other services that were found by reading: what is sent again, whom a failure blames, what is
// known before the registry has answered.
#include <gtest/gtest.h>
#include <boost/describe/class.hpp>

#include "service_fleet.hpp"

namespace weft::discovery {
namespace {

const resilience::retry three_tries{.max_attempts = 3, .base_delay = 10ms, .jitter = resilience::jitter::none};

struct thing {
  int id = 0;
};
BOOST_DESCRIBE_STRUCT(thing, (), (id))

fleet::answer taking(duration time, http::status s = http::status::ok) {
  // weft-style: closure outlives the coroutine
  return [time, s](loop& l, http::request&) -> task<result<http::response>> {
    static_cast<void>(co_await sleep(l, {}, time));
    co_return http::response::json_text("{\"id\":7}", s);
  };
}

http::request streamed_post(std::string text) {
  http::request r{http::method::post, "/x"};
  struct pieces {
    std::string left;
  };
  auto rest = std::make_shared<pieces>(std::move(text));
  // weft-style: closure outlives the coroutine
  r.content = http::body::generate([rest]() -> task<result<std::string>> {
    auto piece = rest->left.substr(0, 1000);
    rest->left.erase(0, piece.size());
    co_return piece;
  });
  return r;
}

// A2: a hedge sends no second POST.
TEST(ServiceClientFaults, AHedgeSendsNoSecondPost) {
  fleet f{2};
  f.client(resilience::hedge{.delay = 10ms});
  for (auto& [name, answer] : f.answers) answer = taking(100ms);
  ASSERT_TRUE(f.send({}, {http::method::post, "/x", "{}"}));
  EXPECT_EQ(f.seen.size(), 1u);
  ASSERT_TRUE(f.send({}, {http::method::get, "/x"}));
  EXPECT_EQ(f.seen.size(), 3u);
}

// A2: neither does it send streamed or large content, of whatever method, out empty.
TEST(ServiceClientFaults, AHedgeSendsNoContentTwiceThatIsThereOnce) {
  fleet f{2};
  f.client(resilience::hedge{.delay = 10ms});
  for (auto& [name, answer] : f.answers) answer = taking(100ms);
  auto streamed = streamed_post(std::string(5000, 'x'));
  streamed.set_method("PUT");
  ASSERT_TRUE(f.send({}, std::move(streamed)));
  ASSERT_TRUE(f.send({}, {http::method::put, "/x", std::string(100'000, 'y')}));
  ASSERT_EQ(f.seen.size(), 2u);
  EXPECT_EQ(f.seen[0].content, std::string(5000, 'x'));
  EXPECT_EQ(f.seen[1].content, std::string(100'000, 'y'));
}

// A2, B1: what nobody has read of goes to another instance when the first cannot be reached, whole.
TEST(ServiceClientFaults, ContentThatWasNotTakenGoesElsewhere) {
  fleet f{2};
  f.registry = make_registry(*f.home, "static:posts=10.0.0.1:81," + f.sim.at("posts-2").address(80).to_string());
  f.client(three_tries);
  for (int i = 0; i < 6; ++i) {
    const auto streamed = f.send({}, streamed_post(std::string(5000, 'x')));
    ASSERT_TRUE(streamed) << streamed.error().describe();
    const auto large = f.send({}, {http::method::post, "/x", std::string(100'000, 'y')});
    ASSERT_TRUE(large) << large.error().describe();
    EXPECT_EQ(f.seen[f.seen.size() - 2].content, std::string(5000, 'x'));
    EXPECT_EQ(f.seen.back().content, std::string(100'000, 'y'));
  }
  EXPECT_EQ(f.seen.size(), 12u);
}

TEST(ServiceClientFaults, StreamedContentThatWasTakenIsNotSentAgain) {
  fleet f{2};
  f.client(three_tries);
  for (auto& [name, answer] : f.answers) answer = taking(1ms, http::status::service_unavailable);
  auto r = streamed_post(std::string(5000, 'x'));
  r.set_method("PUT");
  EXPECT_EQ(f.send({}, std::move(r))->status, http::status::service_unavailable);
  EXPECT_EQ(f.seen.size(), 1u);
}

// B1: with a breaker that trips at the first failure, one dead instance costs no call its answer.
TEST(ServiceClientFaults, OneDeadInstanceOpensNoBreaker) {
  for (const int instances : {2, 3, 10}) {
    fleet f{instances};
    auto& c = f.client(resilience::timeout{.after = 2s}, three_tries,
                       resilience::circuit_breaker{.failure_ratio = 0.1, .minimum_throughput = 1, .break_for = 30s},
                       resilience::timeout{.after = 200ms});
    f.sim.at("posts-1").crash();
    for (int i = 0; i < 40; ++i) {
      const auto got = f.send({}, {http::method::get, "/x"});
      ASSERT_TRUE(got) << got.error().describe();
    }
    EXPECT_EQ(c.policies().count(resilience::reason::breaker_open), 0u);
  }
}

// B1: nor do calls that may not be repeated, whose failures are seen by their callers.
TEST(ServiceClientFaults, FailuresOfOneInstanceAreNoneOfTheService) {
  fleet f{2};
  f.options.hosts.outlier = std::nullopt;
  auto& c = f.client(resilience::circuit_breaker{.minimum_throughput = 4, .break_for = 30s});
  f.answers["posts-1"] = taking(1ms, http::status::internal_server_error);
  int failed = 0;
  for (int i = 0; i < 60; ++i) failed += f.send({}, {http::method::post, "/x", "{}"})->ok() ? 0 : 1;
  EXPECT_GT(failed, 10);
  EXPECT_EQ(c.policies().count(resilience::reason::breaker_open), 0u);
  // When all fail, it opens.
  f.answers["posts-2"] = taking(1ms, http::status::internal_server_error);
  for (int i = 0; i < 60; ++i) static_cast<void>(f.send({}, {http::method::post, "/x", "{}"}));
  EXPECT_GT(c.policies().count(resilience::reason::breaker_open), 10u);
}

// B1: what goes elsewhere since one instance is to blame does not wait for a retry budget.
TEST(ServiceClientFaults, GoingElsewhereNeedsNoBudget) {
  fleet f{2};
  f.options.hosts.outlier = std::nullopt;
  auto again = three_tries;
  again.budget = {.ratio = 0, .min_concurrent = 0};
  f.client(again);
  f.answers["posts-1"] = taking(1ms, http::status::service_unavailable);
  for (int i = 0; i < 40; ++i) EXPECT_TRUE(f.send({}, {http::method::get, "/x"})->ok()) << i;
  f.answers["posts-2"] = taking(1ms, http::status::service_unavailable);
  for (int i = 0; i < 10; ++i) static_cast<void>(f.send({}, {http::method::get, "/x"}));
  f.seen.clear();
  for (int i = 0; i < 10; ++i) EXPECT_FALSE(f.send({}, {http::method::get, "/x"})->ok());
  EXPECT_EQ(f.seen.size(), 10u) << "all fail: each retry costs, and there is nothing to spend";
}

// B2: callers that give 5 ms to hosts that need 20 ms neither eject them nor open the breaker for others.
TEST(ServiceClientFaults, AShortDeadlineSaysNothingAboutTheHost) {
  for (const bool own_timeout : {true, false}) {
    fleet f{2};
    auto core = std::make_shared<resilience::breaker_core>(resilience::circuit_breaker{.minimum_throughput = 4});
    auto& c = own_timeout ? f.client(core, resilience::timeout{.after = 500ms}) : f.client(core);
    for (auto& [name, answer] : f.answers) answer = taking(20ms);
    ASSERT_TRUE(f.send({}, {http::method::get, "/x"}));
    for (int i = 0; i < 40; ++i) {
      EXPECT_FALSE(f.send(context{}.with_timeout(*f.home, 5ms), {http::method::get, "/x"}));
      f.sim.run_for(50ms);
    }
    EXPECT_EQ(c.instances().hosts().count().ejected, 0u);
    EXPECT_EQ(core->state(), resilience::breaker_state::closed);
    EXPECT_TRUE(f.send({}, {http::method::get, "/x"}));
  }
}

// B2: where nobody but callers says how long is too long, a host that does not answer at all is still found.
TEST(ServiceClientFaults, AHostThatNeverAnswersIsFoundByPatientCallersToo) {
  fleet f{2};
  auto& c = f.client();
  ASSERT_TRUE(f.send({}, {http::method::get, "/x"}));
  f.answers["posts-1"] = taking(1h);
  for (int i = 0; i < 30; ++i)
    static_cast<void>(f.send(context{}.with_timeout(*f.home, 2s), {http::method::get, "/x"}));
  EXPECT_EQ(c.instances().hosts().count().ejected, 1u);
}

task<result<http::response>> first_call(service_client& c, context ctx) {
  co_return co_await c.send(std::move(ctx), {http::method::get, "/x"});
}

// A registry that answers late, or never.
class late_watch final : public watch {
 public:
  late_watch(loop& l, std::unique_ptr<watch> inner, duration after)
      : loop_{l}, inner_{std::move(inner)}, after_{after} {}
  task<result<snapshot>> next(context ctx) override {
    WEFT_CO_TRY_VOID(co_await sleep(loop_, ctx, after_));
    after_ = {};
    co_return co_await inner_->next(ctx);
  }

 private:
  loop& loop_;
  std::unique_ptr<watch> inner_;
  duration after_;
};
class late_registry final : public registry {
 public:
  late_registry(loop& l, std::unique_ptr<registry> inner, duration after)
      : loop_{l}, inner_{std::move(inner)}, after_{after} {}
  [[nodiscard]] bool accepts_registrations() const noexcept override { return false; }
  task<result<>> add(context, registration) override { co_return fail(errc::unimplemented); }
  task<result<>> remove(context, std::string, std::string) override { co_return fail(errc::unimplemented); }
  task<result<>> heartbeat(context, std::string, std::string, health_state, std::string) override {
    co_return fail(errc::unimplemented);
  }
  [[nodiscard]] std::unique_ptr<discovery::watch> watch(std::string service) override {
    return std::make_unique<late_watch>(loop_, inner_->watch(std::move(service)), after_);
  }
  task<result<snapshot>> resolve(context ctx, std::string service) override {
    return inner_->resolve(std::move(ctx), std::move(service));
  }

 private:
  loop& loop_;
  std::unique_ptr<registry> inner_;
  duration after_;
};

// B5: the first calls wait for the registry's first answer, within their deadline.
TEST(ServiceClientFaults, TheFirstCallWaitsForTheRegistry) {
  fleet f{1};
  f.registry = std::make_unique<late_registry>(*f.home, std::move(f.registry), 1s);
  auto& patient = f.client(resilience::timeout{.after = 3s}, three_tries, resilience::timeout{.after = 300ms});
  EXPECT_FALSE(patient.ready_now());
  const auto got = f.sim.run(f.sim.at("users"), first_call(patient, {}));
  ASSERT_TRUE(got) << got.error().describe();
  EXPECT_TRUE(patient.ready_now());

  auto& hurried = f.client(resilience::timeout{.after = 500ms});
  const auto before = f.sim.now();
  const auto too_early = f.sim.run(f.sim.at("users"), first_call(hurried, {}));
  ASSERT_FALSE(too_early);
  EXPECT_TRUE(too_early.error().describe().contains("registry")) << too_early.error().describe();
  EXPECT_TRUE(too_early.error().unprocessed());
  EXPECT_EQ(f.sim.now() - before, 500ms);
  EXPECT_EQ(f.seen.size(), 1u);
}

TEST(ServiceClientFaults, AFirstCallWithoutADeadlineDoesNotWaitForEver) {
  fleet f{1};
  f.registry = std::make_unique<late_registry>(*f.home, std::move(f.registry), 24h);
  f.options.registry_timeout = 4s;
  auto& c = f.client();
  const auto before = f.sim.now();
  EXPECT_FALSE(f.sim.run(f.sim.at("users"), first_call(c, {})));
  EXPECT_EQ(f.sim.now() - before, 4s);
}

task<result<thing>> get_thing(service_client& c) {
  WEFT_CO_TRY_VOID(co_await c.ready({}));
  co_return co_await c.get<thing>({}, "/x");
}

// G5: a code survives one hop. B4: what cannot be decoded is the callee's fault.
TEST(ServiceClientFaults, ACodeSurvivesOneHop) {
  fleet f{1};
  auto& c = f.client(three_tries);
  f.answers["posts-1"] = [](loop&, http::request&) -> task<result<http::response>> {
    co_return fail(errc::already_exists, "that one is there");
  };
  const auto got = f.sim.run(f.sim.at("users"), get_thing(c));
  ASSERT_FALSE(got);
  EXPECT_EQ(got.error().code(), errc::already_exists);
  f.answers["posts-1"] = [](loop&, http::request&) -> task<result<http::response>> {
    co_return http::response::json_text("{\"id\":");
  };
  EXPECT_EQ(f.sim.run(f.sim.at("users"), get_thing(c)).error().code(), errc::data_loss);
}

// A18: no client without policies by mistake.
TEST(ServiceClientFaults, PoliciesThatDoNotExistAreNoClient) {
  fleet f{1};
  EXPECT_THROW((service_client{*f.home, *f.registry, f.options, std::shared_ptr<resilience::policy_source>{}}),
               std::invalid_argument);
}

// G3: calls are counted and timed by callee.
TEST(ServiceClientFaults, CallsAreCountedAndTimedByCallee) {
  fleet f{1};
  observe::registry metrics;
  f.options.metrics = &metrics;
  f.client(resilience::timeout{.after = 100ms});
  f.answers["posts-1"] = taking(20ms);
  ASSERT_TRUE(f.send({}, {http::method::get, "/x"}));
  f.answers["posts-1"] = taking(1ms, http::status::not_found);
  ASSERT_TRUE(f.send({}, {http::method::get, "/x"}));
  f.answers["posts-1"] = taking(1h);
  ASSERT_FALSE(f.send({}, {http::method::get, "/x"}));
  const auto text = metrics.expose();
  EXPECT_TRUE(text.contains(R"(weft_client_calls_total{service="posts",code="200"} 1)")) << text;
  EXPECT_TRUE(text.contains(R"(weft_client_calls_total{service="posts",code="404"} 1)")) << text;
  EXPECT_TRUE(text.contains(R"(weft_client_calls_total{service="posts",code="deadline_exceeded"} 1)")) << text;
  EXPECT_TRUE(text.contains(R"(weft_client_call_duration_seconds_count{service="posts"} 3)")) << text;
}

}  // namespace
}  // namespace weft::discovery
