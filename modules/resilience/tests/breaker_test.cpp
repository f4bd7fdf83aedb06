#include <weft/resilience/core/breaker.hpp>

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <stdexcept>

namespace weft::resilience {
namespace {

constexpr auto ok = verdict::success, bad = verdict::failure, nothing = verdict::ignored;

struct bench {
  explicit bench(const circuit_breaker& options) : breaker{options, "posts"} {
    breaker.on_change([this](const breaker_event& e) {
      events.push_back(std::string{to_string(e.from)} + " -> " + std::string{to_string(e.to)} + ": " +
                       e.cause.describe());
    });
  }
  breaker_core::permit enter() { return breaker.try_acquire(now); }
  bool call(verdict v, duration latency = 1ms) {
    const auto p = enter();
    if (p.admitted()) breaker.record(p, v, latency, now, random);
    return p.admitted();
  }
  void calls(int n, verdict v) {
    for (int i = 0; i < n; ++i) call(v);
  }
  steady_time now{1000s};
  rng random{1};
  breaker_core breaker;
  std::vector<std::string> events;
};

TEST(Breaker, TripsExactlyAtItsRatioAndNotBelow) {
  bench b{{.failure_ratio = 0.5, .minimum_throughput = 10, .window = 10s}};
  b.calls(6, ok);
  b.calls(5, bad);  // 5 of 11
  EXPECT_EQ(b.breaker.state(), breaker_state::closed);
  b.calls(1, bad);  // 6 of 12
  EXPECT_EQ(b.breaker.state(), breaker_state::open);
  EXPECT_EQ(b.events, (std::vector<std::string>{"closed -> open: 6 of 12 failed in 10 s"}));
}

TEST(Breaker, NeedsItsMinimumThroughput) {
  bench b{{.failure_ratio = 0.5, .minimum_throughput = 10}};
  b.calls(9, bad);
  EXPECT_EQ(b.breaker.state(), breaker_state::closed);
  b.calls(1, ok);  // a good call completes the minimum, and 9 of 10 is enough
  EXPECT_EQ(b.breaker.state(), breaker_state::open);
}

TEST(Breaker, RatiosAreExact) {
  bench b{{.failure_ratio = 0.1, .minimum_throughput = 30}};
  b.calls(27, ok);
  b.calls(3, bad);  // 3 of 30 reach 0.1, which no binary fraction is
  EXPECT_EQ(b.breaker.state(), breaker_state::open);
}

TEST(Breaker, ForgetsWhatLeftTheWindow) {
  bench b{{.failure_ratio = 0.5, .minimum_throughput = 10, .window = 10s}};
  b.calls(9, bad);
  b.now += 10s;
  b.calls(1, bad);
  EXPECT_EQ(b.breaker.state(), breaker_state::closed);
  b.now += 9s;
  b.calls(9, bad);
  EXPECT_EQ(b.breaker.state(), breaker_state::open);
}

TEST(Breaker, JudgesAgainWhenGoodCallsLeaveTheWindow) {
  bench b{{.failure_ratio = 0.5, .minimum_throughput = 10, .window = 10s}};
  b.calls(20, ok);
  b.now += 5s;
  b.calls(10, bad);
  EXPECT_EQ(b.breaker.state(), breaker_state::closed);
  b.now += 5s;  // the 20 are gone
  b.calls(1, ok);
  EXPECT_EQ(b.breaker.state(), breaker_state::open);
}

TEST(Breaker, CountsTheLastCalls) {
  bench b{{.failure_ratio = 0.5, .minimum_throughput = 10, .window_calls = 10}};
  b.calls(10, bad), b.breaker.close(b.now), b.events.clear();
  b.calls(10, ok);
  b.calls(4, bad);
  EXPECT_EQ(b.breaker.state(), breaker_state::closed);
  b.now += 1h;  // time does not matter
  b.calls(1, bad);
  EXPECT_EQ(b.events, (std::vector<std::string>{"closed -> open: 5 of 10 calls failed"}));
}

TEST(Breaker, TripsAfterFailuresInARow) {
  bench b{{.failure_ratio = 0, .consecutive_failures = 5}};
  b.calls(4, bad);
  b.calls(1, ok);
  b.calls(4, bad);
  b.calls(1, nothing);
  EXPECT_EQ(b.breaker.state(), breaker_state::closed);
  b.calls(1, bad);
  EXPECT_EQ(b.events, (std::vector<std::string>{"closed -> open: 5 failed in a row"}));
}

TEST(Breaker, TripsOnSlowCalls) {
  bench b{{.failure_ratio = 0, .minimum_throughput = 4, .slow_after = 1s, .slow_ratio = 0.5}};
  b.call(ok, 999ms), b.call(ok, 1ms), b.call(ok, 1s);
  b.call(ok, 999ms);
  EXPECT_EQ(b.breaker.state(), breaker_state::closed);  // 1 of 4
  b.call(ok, 1s), b.call(ok, 1s);
  EXPECT_EQ(b.events, (std::vector<std::string>{"closed -> open: 3 of 6 took 1 s or more in 10 s"}));
}

TEST(Breaker, AdmitsABoundedNumberOfProbesAndClosesWhenTheyPass) {
  bench b{{.failure_ratio = 0.5, .consecutive_failures = 1, .break_for = 5s, .probes = 2}};
  b.call(bad);
  b.now += 5s - 1ns;
  EXPECT_FALSE(b.enter().admitted());
  EXPECT_EQ(b.breaker.retry_after(b.now), 1ns);
  b.now += 1ns;
  const auto first = b.enter(), second = b.enter();
  EXPECT_TRUE(first.admitted() && second.admitted());
  EXPECT_FALSE(b.enter().admitted());
  b.breaker.record(first, ok, 1ms, b.now, b.random);
  EXPECT_FALSE(b.enter().admitted());  // two in all, not two at a time
  b.breaker.record(second, ok, 1ms, b.now, b.random);
  EXPECT_EQ(b.breaker.state(), breaker_state::closed);
  EXPECT_EQ(b.events.back(), "half_open -> closed: 2 of 2 probes passed");
}

TEST(Breaker, OpensAgainWhenAProbeFails) {
  bench b{{.consecutive_failures = 1, .break_for = 5s, .break_multiplier = 2, .max_break_for = 15s}};
  b.call(bad);
  for (const auto pause : {5s, 10s, 15s, 15s}) {
    EXPECT_EQ(b.breaker.retry_after(b.now), pause);
    b.now += pause;
    b.call(bad);
    EXPECT_EQ(b.breaker.state(), breaker_state::open);
  }
  b.now += 15s;
  b.call(ok);
  b.call(bad);
  EXPECT_EQ(b.breaker.retry_after(b.now), 5s);  // healthy in between: from the start
}

TEST(Breaker, AnIgnoredProbeGivesItsPlaceBack) {
  bench b{{.consecutive_failures = 1, .break_for = 5s}};
  b.call(bad);
  b.now += 5s;
  for (int i = 0; i < 50; ++i) EXPECT_TRUE(b.call(nothing));
  EXPECT_EQ(b.breaker.state(), breaker_state::half_open);
  EXPECT_TRUE(b.call(ok));
  EXPECT_EQ(b.breaker.state(), breaker_state::closed);
}

TEST(Breaker, AProbeThatNeverReportsCountsAsFailed) {
  bench b{{.consecutive_failures = 1, .break_for = 5s, .probe_timeout = 2s}};
  b.call(bad);
  b.now += 5s;
  const auto lost = b.enter();
  EXPECT_TRUE(lost.admitted());
  b.now += 2s;
  EXPECT_FALSE(b.enter().admitted());
  EXPECT_EQ(b.breaker.state(), breaker_state::half_open);  // exactly at its deadline it may still report
  b.now += 1ns;
  EXPECT_FALSE(b.enter().admitted());
  EXPECT_EQ(b.breaker.state(), breaker_state::open);
  b.now += 5s;
  const auto next = b.enter();
  EXPECT_TRUE(next.admitted());
  b.breaker.record(lost, ok, 7s, b.now, b.random);  // too late to help
  EXPECT_EQ(b.breaker.state(), breaker_state::half_open);
  b.breaker.record(next, ok, 1ms, b.now, b.random);
  EXPECT_EQ(b.breaker.state(), breaker_state::closed);
}

TEST(Breaker, AResultFromBeforeTheTripDecidesNothing) {
  bench b{{.consecutive_failures = 2, .break_for = 5s}};
  const auto early_good = b.enter(), early_bad = b.enter();
  b.calls(2, bad);
  b.now += 5s;
  const auto probe = b.enter();
  ASSERT_TRUE(probe.admitted());
  b.breaker.record(early_good, ok, 5s, b.now, b.random);
  EXPECT_EQ(b.breaker.state(), breaker_state::half_open);
  b.breaker.record(early_bad, bad, 5s, b.now, b.random);
  EXPECT_EQ(b.breaker.state(), breaker_state::half_open);
  b.breaker.record(probe, ok, 1ms, b.now, b.random);
  EXPECT_EQ(b.breaker.state(), breaker_state::closed);
  b.breaker.record(early_bad, bad, 5s, b.now, b.random);
  b.calls(1, bad);
  EXPECT_EQ(b.breaker.state(), breaker_state::closed);
}

TEST(Breaker, ObeysHands) {
  bench b{{.break_for = 5s}};
  b.breaker.isolate(b.now);
  b.now += 24h;
  EXPECT_FALSE(b.enter().admitted());
  b.breaker.close(b.now);
  EXPECT_TRUE(b.call(ok));
  b.breaker.open(b.now, b.random);
  EXPECT_FALSE(b.enter().admitted());
  b.now += 5s;
  EXPECT_TRUE(b.call(ok));
  EXPECT_EQ(b.events, (std::vector<std::string>{
                          "closed -> isolated: by hand", "isolated -> closed: by hand", "closed -> open: by hand",
                          "open -> half_open: its break of 5 s is over", "half_open -> closed: 1 of 1 probes passed"}));
}

TEST(Breaker, KeepsItsStateUnderNewOptions) {
  bench b{{.minimum_throughput = 10, .window = 10s}};
  b.calls(9, bad);
  b.breaker.configure({.minimum_throughput = 10, .window = 10s, .break_for = 1min});
  b.calls(1, bad);
  EXPECT_EQ(b.breaker.state(), breaker_state::open);
  EXPECT_EQ(b.breaker.retry_after(b.now), 1min);
  b.breaker.configure({.window_calls = 100});
  EXPECT_EQ(b.breaker.state(), breaker_state::open);
}

TEST(Breaker, RefusesNonsenseByName) {
  try {
    const breaker_core b{{.failure_ratio = 1.5}};
    FAIL();
  } catch (const std::invalid_argument& e) {
    EXPECT_STREQ(e.what(), "circuit_breaker.failure_ratio: is 1.5; give 0 to 1");
  }
}

TEST(Breaker, BreaksAreJittered) {
  EXPECT_TRUE(rc::check([](std::uint64_t seed) {
    bench b{{.consecutive_failures = 1, .break_for = 10s, .break_jitter = 0.2}};
    b.random = rng{seed};
    b.call(bad);
    const auto pause = b.breaker.retry_after(b.now);
    RC_ASSERT(pause >= 8s && pause <= 12s);
  }));
}

// A plain model, without shards, buckets of its own or lazy judging, must agree on every step.
TEST(Breaker, AgreesWithAModel) {
  EXPECT_TRUE(rc::check([] {
    const circuit_breaker options{.failure_ratio = 0.5, .minimum_throughput = 5, .window = 10s, .break_for = 3s};
    bench b{options};
    struct sample {
      std::int64_t second;
      bool failed;
    };
    std::vector<sample> seen;
    std::optional<steady_time> open_until;
    const auto steps = *rc::gen::container<std::vector<int>>(rc::gen::inRange(0, 100));
    for (const int s : steps) {
      if (s < 30) b.now += std::chrono::milliseconds{s * 50};
      const auto v = s % 2 == 0 ? ok : bad;
      const bool expected = !open_until || b.now >= *open_until;
      RC_ASSERT(b.call(v) == expected);
      if (!expected) continue;
      if (open_until) {
        if (v == ok)
          open_until.reset(), seen.clear();
        else
          open_until = b.now + 3s;
        continue;
      }
      const auto second = std::chrono::floor<std::chrono::seconds>(b.now.time_since_epoch()).count();
      seen.push_back({second, v == bad});
      std::erase_if(seen, [&](const sample& e) { return e.second <= second - 10; });
      const auto failed = static_cast<std::size_t>(std::ranges::count_if(seen, &sample::failed));
      if (seen.size() >= 5 && failed * 2 >= seen.size()) open_until = b.now + 3s;
    }
  }));
}

}  // namespace
}  // namespace weft::resilience
