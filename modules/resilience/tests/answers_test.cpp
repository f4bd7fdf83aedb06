// Fallback and cache around a call, limits by key, and what listeners see.
#include "virtual_loop.hpp"

#include <weft/resilience/pipeline.hpp>

#include <gtest/gtest.h>

namespace weft::resilience {
namespace {

struct source {
  explicit source(loop& l) : clock{l} {}
  task<result<std::string>> operator()(context ctx) {
    ++calls;
    const auto answer = "answer " + std::to_string(calls);
    const auto problem = fails;
    WEFT_CO_TRY_VOID(co_await sleep(clock, ctx, takes));
    if (problem) co_return fail(*problem, "scripted");
    co_return answer;
  }
  loop& clock;
  duration takes = 10ms;
  std::optional<errc> fails;
  int calls = 0;
};

struct bench {
  virtual_loop loop;
  source posts{loop};
  decision_record record;
  origin from{};

  std::string call(pipeline<std::string>& guard, operation_lifetime lifetime = operation_lifetime::caller_frame) {
    record.clear();
    auto got =
        loop.run(guard.run({}, {.lifetime = lifetime, .cache_key = "k", .record = &record, .answered_from = &from},
                           [this](const context& c) { return posts(c); }));
    return got ? *got : std::string{to_string(got.error().code())};
  }
};

TEST(Fallback, AnswersWhenAllElseFailed) {
  bench b;
  pipeline<std::string> guard{b.loop, "posts", fallback<std::string>::value("none"),
                              retry{.max_attempts = 2, .base_delay = 1ms, .jitter = jitter::none}};
  EXPECT_EQ(b.call(guard), "answer 1");
  EXPECT_EQ(b.from, origin::call);
  b.posts.fails = errc::unavailable;
  EXPECT_EQ(b.call(guard), "none");
  EXPECT_EQ(b.from, origin::fallback);
  EXPECT_EQ(b.record.describe(),
            "try 1 failed: unavailable after 10 ms; waited 1 ms; try 2 failed: unavailable after 10 ms; no retry: that "
            "was the last of 2 attempts; fallback used");
  b.posts.fails = errc::not_found;  // the callee is well, and the answer is no
  EXPECT_EQ(b.call(guard), "not_found");
  b.posts.fails = errc::cancelled;
  EXPECT_EQ(b.call(guard), "cancelled");
}

task<result<std::string>> explain(const error& last) {
  if (last.code() == errc::unavailable) co_return fail(errc::internal, "the fallback has failed too");
  co_return "instead of " + std::string{to_string(last.code())};
}

TEST(Fallback, MayBeAFunctionAndMayFail) {
  bench b;
  pipeline<std::string> guard{b.loop, "posts",
                              fallback<std::string>{[](const context&, const error& last) { return explain(last); }}};
  b.posts.fails = errc::deadline_exceeded;
  EXPECT_EQ(b.call(guard), "instead of deadline_exceeded");
  b.posts.fails = errc::unavailable;
  EXPECT_EQ(b.call(guard), "unavailable");  // the first error is the one that matters
  EXPECT_EQ(guard.count(reason::fallback_failed), 1u);
}

TEST(CachePolicy, AnswersWithoutACall) {
  bench b;
  pipeline<std::string> guard{b.loop, "posts", cache<std::string>{{.ttl = 10s}}};
  EXPECT_EQ(b.call(guard), "answer 1");
  b.loop.advance(4s);
  EXPECT_EQ(b.call(guard), "answer 1");
  EXPECT_EQ(b.from, origin::cache);
  EXPECT_EQ(b.record.describe(), "cache: 4 s old");
  b.loop.advance(6s);
  EXPECT_EQ(b.call(guard), "answer 2");
}

TEST(CachePolicy, ServesStaleWhenTheCallFails) {
  bench b;
  pipeline<std::string> guard{b.loop, "posts", cache<std::string>{{.ttl = 1s, .stale_if_error = 1min}}};
  EXPECT_EQ(b.call(guard), "answer 1");
  b.posts.fails = errc::unavailable;
  b.loop.advance(4s - 10ms);
  EXPECT_EQ(b.call(guard), "answer 1");
  EXPECT_EQ(b.from, origin::stale_cache);
  EXPECT_EQ(b.record.describe(), "try 1 failed: unavailable after 10 ms; stale cache: 4 s old");
  b.loop.advance(1h);
  EXPECT_EQ(b.call(guard), "unavailable");
}

TEST(CachePolicy, RefreshesInTheBackground) {
  bench b;
  pipeline<std::string> guard{b.loop, "posts", cache<std::string>{{.ttl = 1s, .stale_while_revalidate = 1min}}};
  EXPECT_EQ(b.call(guard), "answer 1");
  b.loop.advance(2s);
  const auto before = b.loop.now();
  EXPECT_EQ(b.call(guard, operation_lifetime::self_contained), "answer 1");
  EXPECT_EQ(b.loop.now(), before);
  b.loop.advance(10ms);
  EXPECT_EQ(b.posts.calls, 2);
  EXPECT_EQ(b.call(guard), "answer 2");
  EXPECT_EQ(b.from, origin::cache);
}

task<void> one(pipeline<std::string>& guard, source& posts, context ctx, std::vector<std::string>& into) {
  auto got = co_await guard.run(ctx, {.cache_key = "k"}, [&posts](const context& c) { return posts(c); });
  into.push_back(got ? *got : std::string{to_string(got.error().code())});
}
task<int> many(loop& l, pipeline<std::string>& guard, source& posts, context first, int n,
               std::vector<std::string>& into) {
  task_group group{l};
  for (int i = 0; i < n; ++i) group.spawn(one(guard, posts, i == 0 ? first : context{}, into));
  co_await group.join();
  co_return n;
}

TEST(CachePolicy, OneCallerFetchesForAll) {
  bench b;
  pipeline<std::string> guard{b.loop, "posts", cache<std::string>{}};
  std::vector<std::string> got;
  b.loop.run(many(b.loop, guard, b.posts, {}, 5, got));
  EXPECT_EQ(b.posts.calls, 1);
  EXPECT_EQ(got, (std::vector<std::string>(5, "answer 1")));
}

TEST(CachePolicy, WithoutTimeToLiveAsksEachTimeAndOnceForAll) {
  bench b;
  pipeline<std::string> guard{b.loop, "posts", cache<std::string>{{.ttl = 0s, .stale_if_error = 1min}}};
  std::vector<std::string> got;
  b.loop.run(many(b.loop, guard, b.posts, {}, 5, got));
  EXPECT_EQ(got, (std::vector<std::string>(5, "answer 1")));
  b.loop.advance(1ms);
  EXPECT_EQ(b.call(guard), "answer 2");
  EXPECT_EQ(b.from, origin::call);
  b.posts.fails = errc::unavailable;
  b.loop.advance(1ms);
  EXPECT_EQ(b.call(guard), "answer 2");
  EXPECT_EQ(b.from, origin::stale_cache);
}

TEST(CachePolicy, AnotherLeadsWhenTheFirstGivesUp) {
  bench b;
  pipeline<std::string> guard{b.loop, "posts", cache<std::string>{}};
  std::vector<std::string> got;
  cancel_source gives_up;
  b.loop.post([&] { gives_up.cancel(); });
  b.loop.run(many(b.loop, guard, b.posts, context{}.with_cancellation(gives_up.token()), 3, got));
  EXPECT_EQ(got, (std::vector<std::string>{"cancelled", "answer 2", "answer 2"}));
}

TEST(CachePolicy, AFailureIsSharedAndNotKept) {
  bench b;
  b.posts.fails = errc::unavailable;
  pipeline<std::string> guard{b.loop, "posts", cache<std::string>{}};
  std::vector<std::string> got;
  b.loop.run(many(b.loop, guard, b.posts, {}, 3, got));
  EXPECT_EQ(got, (std::vector<std::string>(3, "unavailable")));
  EXPECT_EQ(b.posts.calls, 1);
  b.posts.fails.reset();
  EXPECT_EQ(b.call(guard), "answer 2");
}

struct broken_store final : rate_limit_store {
  task<result<rate_decision>> take(context, loop&, std::string, rate_limit, std::uint32_t) override {
    co_return fail(errc::unavailable, "no store");
  }
};

TEST(KeyedLimit, LimitsEachKeyAndFollowsItsSettingWhenTheStoreIsDown) {
  bench b;
  auto store = std::make_shared<memory_rate_limit_store>();
  pipeline<std::string> guard{b.loop, "posts", keyed_rate_limit{store, {.limit = 1, .per = 1h}}};
  const auto call = [&](pipeline<std::string>& p, const char* key) {
    return b.loop.run(p.run({}, {.limit_key = key}, [&](const context& c) { return b.posts(c); })).has_value();
  };
  EXPECT_TRUE(call(guard, "a"));
  EXPECT_FALSE(call(guard, "a"));
  EXPECT_TRUE(call(guard, "b"));
  auto broken = std::make_shared<broken_store>();
  pipeline<std::string> open{b.loop, "posts", keyed_rate_limit{broken, {.store_failure = on_store_failure::allow}}};
  pipeline<std::string> shut{b.loop, "posts", keyed_rate_limit{broken, {.store_failure = on_store_failure::refuse}}};
  EXPECT_TRUE(call(open, "a"));
  EXPECT_FALSE(call(shut, "a"));
  EXPECT_EQ(open.count(reason::limiter_unavailable), 1u);
}

TEST(KeyedLimit, ForgetsTheLeastRecentlyUsedBeyondItsBound) {
  memory_rate_limit_store store{{.max_keys = 160}};
  for (int i = 0; i < 10'000; ++i)
    EXPECT_TRUE(store.take_now("key " + std::to_string(i), {.limit = 1}, 1, steady_time{1000s}).allowed);
  EXPECT_LE(store.size(), 160u);
  EXPECT_FALSE(store.take_now("key 9999", {.limit = 1}, 1, steady_time{1000s}).allowed);
}

struct witness final : policy_listener {
  void decided(const context&, std::string_view pipeline, const decision& d) override {
    seen.push_back(std::string{pipeline} + " " + std::string{to_string(d.why)});
  }
  void breaker_changed(std::string_view pipeline, const breaker_event& e) override {
    seen.push_back(std::string{pipeline} + " " + std::string{to_string(e.to)} + ": " + e.cause.describe());
  }
  std::vector<std::string> seen;
};

TEST(Listener, SeesDecisionsAndBreakers) {
  bench b;
  witness w;
  pipeline<std::string> guard{b.loop, "posts", circuit_breaker{.consecutive_failures = 1}};
  guard.listen(w);
  b.posts.fails = errc::unavailable;
  b.call(guard), b.call(guard);
  EXPECT_EQ(w.seen, (std::vector<std::string>{"posts open: 1 failed in a row", "posts failed", "posts breaker_open"}));
}

}  // namespace
}  // namespace weft::resilience
