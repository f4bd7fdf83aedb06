// The code of docs/guides/resilience.md: its regions stand there, and run here.
#include <weft/discovery/service_client.hpp>
#include <weft/http/server.hpp>
#include <weft/resilience.hpp>
#include <weft/runtime/blocking.hpp>
#include <weft/runtime/sleep.hpp>
#include <weft/service/config.hpp>
#include <weft/service/settings.hpp>
#include <weft/testkit.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <boost/describe/class.hpp>

#include <fstream>

namespace {

using namespace weft;
using namespace std::chrono_literals;
using ::testing::HasSubstr;

// [types]
struct post {
  int id = 0;
  std::string title;
};
BOOST_DESCRIBE_STRUCT(post, (), (id, title))
using posts = std::vector<post>;
// [/types]

// [client]
class posts_api {
 public:
  posts_api(loop& l, discovery::registry& services)
      : client_{l,
                services,
                {.service = "posts", .caller = "users"},
                resilience::timeout{.after = 2s},  // of the whole call: every attempt and every pause
                resilience::retry{.max_attempts = 3, .base_delay = 50ms},
                resilience::circuit_breaker{.failure_ratio = 0.5, .minimum_throughput = 10, .break_for = 5s},
                resilience::bulkhead{.max_concurrent = 64, .max_queued = 16, .queue_timeout = 100ms},
                resilience::timeout{.after = 300ms}} {}  // of each attempt

  task<result<posts>> of_user(context ctx, int user, resilience::decision_record* record = nullptr) {
    return client_.get<posts>(std::move(ctx), "/api/posts/user/" + std::to_string(user), {.record = record});
  }

  discovery::service_client client_;
};
// [/client]

// [answers]
// A page that always has something to show, and says where it came from.
struct page {
  posts shown;
  resilience::origin source = resilience::origin::call;  // or cache, stale_cache, fallback
};
BOOST_DESCRIBE_STRUCT(page, (), (shown, source))

class user_page {
 public:
  user_page(loop& l, posts_api& api)
      : api_{api},
        answers_{l, "posts of a user", resilience::fallback<posts>::value({}),
                 resilience::cache<posts>{{.ttl = 10s, .stale_if_error = 5min}, {}}} {}

  task<page> of(context ctx, int user) {
    resilience::origin from{};
    auto found = co_await answers_.run(ctx, {.cache_key = std::to_string(user), .answered_from = &from},
                                       [this, user](const context& c) { return api_.of_user(c, user); });
    co_return page{std::move(found).value_or(posts{}), from};
  }

 private:
  posts_api& api_;
  resilience::pipeline<posts> answers_;
};
// [/answers]

// Two instances of posts that answer as the test says, and the caller.
class world {
 public:
  world() {
    for (const auto* name : {"posts-1", "posts-2"})
      sim.add_host(name).on_boot([this](testkit::host& h) { return serve(*this, h); });
    sim.add_host("users");
    services = discovery::make_registry(home(), "static:posts=" + sim.at("posts-1").address(80).to_string() + "," +
                                                    sim.at("posts-2").address(80).to_string());
  }
  loop& home() { return sim.at("users").loop(); }

  testkit::simulation sim{5};
  std::unique_ptr<discovery::registry> services;
  duration takes = 5ms;
  http::status status = http::status::ok;

 private:
  static task<void> serve(world& w, testkit::host& h) {
    http::server server{h.loop(), [&w, &h](http::request&) { return answer(w, h.loop()); }};
    EXPECT_TRUE(server.listen(h.address(80)));
    static_cast<void>(co_await weft::sleep(h.loop(), {}, 24h));
  }
  static task<result<http::response>> answer(world& w, loop& l) {
    static_cast<void>(co_await weft::sleep(l, {}, w.takes));
    co_return http::response::json_text(R"([{"id":1,"title":"first"}])", w.status);
  }
};

task<result<posts>> ask(posts_api& api, int user, resilience::decision_record* record = nullptr) {
  WEFT_CO_TRY_VOID(co_await api.client_.ready({}));
  co_return co_await api.of_user({}, user, record);
}

TEST(ResilienceGuide, TheErrorTellsWhatHappened) {
  world w;
  posts_api api{w.home(), *w.services};
  ASSERT_TRUE(w.sim.run(w.sim.at("users"), ask(api, 7)));
  w.takes = 10s;
  const auto slow = w.sim.run(w.sim.at("users"), ask(api, 7));
  ASSERT_FALSE(slow);
  EXPECT_EQ(
      slow.error().describe(),
      "deadline_exceeded: no answer in time [try 1 to 10.0.0.1:80 timed out after 300 ms; waited 41.5 ms; try 2 to "
      "10.0.0.2:80 timed out after 300 ms; waited 99.1 ms; try 3 to 10.0.0.1:80 timed out after 300 ms; no retry: "
      "that was the last of 3 attempts] (GET /api/posts/user/7 to 10.0.0.1:80)");
  w.takes = 5ms;
  w.status = http::status::service_unavailable;
  resilience::decision_record record;
  while (api.client_.policies().count(resilience::reason::breaker_open) == 0)
    static_cast<void>(w.sim.run(w.sim.at("users"), ask(api, 7, &record)));
  record.clear();
  const auto refused = w.sim.run(w.sim.at("users"), ask(api, 7, &record));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().describe(), "unavailable: breaker open: 9 of 10 failed in 10 s (posts)");
  EXPECT_EQ(record.describe(), "try 1 refused: breaker open: 9 of 10 failed in 10 s");
}

TEST(ResilienceGuide, ThePageSaysWhereItsPostsCameFrom) {
  world w;
  posts_api api{w.home(), *w.services};
  user_page view{w.home(), api};
  ASSERT_TRUE(w.sim.run(w.sim.at("users"), ask(api, 7)));
  const auto source = [&](int user) { return w.sim.run(w.sim.at("users"), view.of({}, user)).source; };
  EXPECT_EQ(source(7), resilience::origin::call);
  EXPECT_EQ(source(7), resilience::origin::cache);
  w.status = http::status::service_unavailable;
  w.sim.run_for(11s);
  EXPECT_EQ(source(7), resilience::origin::stale_cache);
  EXPECT_EQ(source(8), resilience::origin::fallback);
}

task<result<int>> refused_by_nobody() { co_return 1; }

TEST(ResilienceGuide, AnOrderThatCannotWorkSaysWhy) {
  world w;
  std::string said;
  try {
    // [order]
    resilience::pipeline<int> guard{w.home(), "pricing", resilience::bulkhead{}, resilience::circuit_breaker{}};
    // [/order]
  } catch (const std::invalid_argument& e) {
    said = e.what();
  }
  EXPECT_EQ(said,
            "pipeline: circuit_breaker stands inside bulkhead; name it before: a call would wait or pay for a permit "
            "that an open breaker makes useless");
}

TEST(ResilienceGuide, AShadowCountsAndLetsPass) {
  world w;
  auto& l = w.home();
  // [shadow]
  resilience::pipeline<int> guard{l, "pricing",
                                  resilience::rate_limit{.limit = 10, .mode = resilience::policy_mode::shadow}};
  // [/shadow]
  for (int i = 0; i < 15; ++i)
    EXPECT_TRUE(w.sim.run(w.sim.at("users"), guard.run({}, [](const context&) { return refused_by_nobody(); })));
  // [shadow_count]
  const auto would_refuse = guard.shadow_count(resilience::reason::rate_limited);
  // [/shadow_count]
  EXPECT_EQ(would_refuse, 5u);
}

// [settings]
struct settings : service::service_settings {
  std::map<std::string, resilience::policy> policies;

  // What is wrong with them is told when the configuration is read, with place and remedy.
  void check(service::config_check& c) const {
    for (const auto& p : resilience::lint(resilience::policies{policies}))
      if (p.severity == resilience::severity::error) c.add(p.path.substr(2), p.what + "; " + p.remedy);
  }
};
BOOST_DESCRIBE_STRUCT(settings, (service::service_settings), (policies))
// [/settings]

constexpr auto yaml = R"(
# [yaml]
policies:
  posts:
    timeout:         {after: 2s}
    retry:           {max_attempts: 3, base_delay: 50ms, jitter: full, on: [unavailable, "503"]}
    circuit_breaker: {failure_ratio: 0.5, minimum_throughput: 10, break_for: 5s}
    rate_limit:      {limit: 200, per: 1s, mode: shadow}
    attempt_timeout: {after: 300ms}
# [/yaml]
)";

// [reload]
task<result<>> reload(loop& l, service::configuration<settings>& config, resilience::policy_set& set) {
  WEFT_CO_TRY(auto again, co_await blocking(l, [&config] { return config.reread(); }));
  WEFT_CO_TRY_VOID(set.apply({again->policies}, l.now()));  // all of it, or nothing
  config = std::move(again);
  co_return result<>{};
}
// [/reload]

class file {
 public:
  explicit file(std::string text) { write(std::move(text)); }
  ~file() { std::remove(path.c_str()); }
  void write(const std::string& text) const { std::ofstream{path} << text; }
  std::string path = testing::TempDir() + "weft_resilience_guide.yaml";
};

TEST(ResilienceGuide, ConfigurationIsReloadedAndStatesAreKept) {
  world w;
  auto& l = w.home();
  const file source{yaml};
  auto config = service::load<settings>({.files = {source.path}}).value();
  // [named]
  resilience::policy_set set{{config->policies}};
  discovery::service_client posts_client{l, *w.services, {.service = "posts", .caller = "users"}, set.at("posts")};
  // [/named]
  set.breaker("posts")->isolate(l.now());
  auto changed = std::string{yaml};
  changed.replace(changed.find("break_for: 5s"), 13, "break_for: 9s");
  source.write(changed);
  const auto reloaded = w.sim.run(w.sim.at("users"), reload(l, config, set));
  ASSERT_TRUE(reloaded) << reloaded.error().describe();
  EXPECT_EQ(set.breaker("posts")->options().break_for, 9s);
  EXPECT_EQ(set.breaker("posts")->state(), resilience::breaker_state::isolated);

  changed.replace(changed.find("after: 300ms"), 12, "after: 0ms");
  source.write(changed);
  const auto wrong = w.sim.run(w.sim.at("users"), reload(l, config, set));
  ASSERT_FALSE(wrong);
  EXPECT_THAT(wrong.error().describe(),
              HasSubstr(":9:30: policies.posts.attempt_timeout.after: is 0 s; give a duration above zero"));
  EXPECT_EQ(config->policies.at("posts").attempt_timeout->after, 300ms);
}

}  // namespace
