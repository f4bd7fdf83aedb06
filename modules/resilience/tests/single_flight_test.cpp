// Those who wait for another caller's answer: what is that caller's own does not become theirs.
#include "virtual_loop.hpp"

#include <weft/resilience/pipeline.hpp>

#include <gtest/gtest.h>

namespace weft::resilience {
namespace {

struct source {
  explicit source(loop& l) : clock{l} {}
  task<result<int>> operator()(context ctx) {
    const auto me = ++calls;
    const auto problem = me <= fail_first ? std::optional{errc::unavailable} : std::nullopt;
    WEFT_CO_TRY_VOID(co_await sleep(clock, ctx, takes));
    if (problem) co_return fail(*problem, "scripted");
    co_return me;
  }
  loop& clock;
  duration takes = 200ms;
  int calls = 0, fail_first = 0;
};

struct single_flight : testing::Test {
  virtual_loop loop;
  source callee{loop};
  task_group calls{loop};
  std::vector<std::pair<std::string, std::string>> ended;

  void ask(pipeline<int>& guard, std::string who, context ctx, priority p = priority::normal) {
    calls.spawn(asked(*this, guard, std::move(who), std::move(ctx), p));
  }
  static task<void> asked(single_flight& f, pipeline<int>& guard, std::string who, context ctx, priority p) {
    const auto got = co_await guard.run(std::move(ctx), {.priority = p, .cache_key = "k"},
                                        [&f](const context& c) { return f.callee(c); });
    f.ended.emplace_back(std::move(who), got ? std::to_string(*got) : std::string{to_string(got.error().code())});
  }
  std::string answer_of(std::string_view who) {
    for (const auto& [name, text] : ended)
      if (name == who) return text;
    return "still waits";
  }
};

// A17: a leader with 100 ms does not fail those who have 5 s.
TEST_F(single_flight, ALeadersOwnDeadlineIsNotThatOfOthers) {
  pipeline<int> guard{loop, "posts", cache<int>{{.ttl = 0s}, {}}, timeout{.after = 3s}};
  ask(guard, "impatient", context{}.with_timeout(loop, 100ms));
  loop.advance(1ms);
  for (const auto* who : {"a", "b", "c"}) ask(guard, who, context{}.with_timeout(loop, 5s));
  loop.advance(2s);
  EXPECT_EQ(answer_of("impatient"), "deadline_exceeded");
  for (const auto* who : {"a", "b", "c"}) EXPECT_EQ(answer_of(who), "2") << who;
  EXPECT_EQ(callee.calls, 2) << "one of those who waited asks for all";
}

// A17: nor is a retry that the leader had no time for.
TEST_F(single_flight, ARetryThatTheLeaderHadNoTimeForIsMadeByAnother) {
  callee.takes = 50ms;
  callee.fail_first = 1;
  pipeline<int> guard{loop, "posts", cache<int>{{.ttl = 0s}, {}}, timeout{.after = 3s},
                      retry{.base_delay = 100ms, .jitter = jitter::none}};
  ask(guard, "impatient", context{}.with_timeout(loop, 120ms));
  loop.advance(1ms);
  ask(guard, "patient", context{}.with_timeout(loop, 5s));
  loop.advance(2s);
  EXPECT_EQ(answer_of("impatient"), "unavailable");
  EXPECT_EQ(answer_of("patient"), "2");
}

// A17: nor is the leader's priority.
TEST_F(single_flight, WhatIsShedForItsPriorityIsAskedByWhoMattersMore) {
  auto shedder = std::make_shared<load_shedder_core>(load_shed{.max_in_flight = 1, .low = 0});
  pipeline<int> guard{loop, "posts", cache<int>{{.ttl = 0s}, {}}, shedder};
  ask(guard, "low", {}, priority::low);
  ask(guard, "critical", {}, priority::critical);
  loop.advance(2s);
  EXPECT_EQ(answer_of("low"), "resource_exhausted");
  EXPECT_EQ(answer_of("critical"), "1");
}

// A failure of the callee's is shared, so that no queue of callers asks it one after another.
TEST_F(single_flight, AFailureOfTheCalleesIsShared) {
  callee.fail_first = 1;
  pipeline<int> guard{loop, "posts", cache<int>{{.ttl = 0s}, {}}, timeout{.after = 3s}};
  for (const auto* who : {"a", "b", "c"}) ask(guard, who, context{}.with_timeout(loop, 5s));
  loop.advance(2s);
  for (const auto* who : {"a", "b", "c"}) EXPECT_EQ(answer_of(who), "unavailable") << who;
  EXPECT_EQ(callee.calls, 1);
}

}  // namespace
}  // namespace weft::resilience
