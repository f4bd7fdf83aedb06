// How much the relay's window reads, and when it waits.
#include "relay_window.hpp"

#include <gtest/gtest.h>

namespace weft::messaging {
namespace {

using namespace std::chrono_literals;

struct RelayWindowLimits : testing::Test {
  void open(relay_window_options o) {
    window = relay_window{o};
    window.hold(0, 1, now + 24h);
  }
  void admit(std::int64_t seq, std::string key, std::size_t bytes = 1, unsigned shard = 0) {
    window.admit({.seq = seq,
                  .shard = shard,
                  .what = {.what = {.id = std::to_string(seq),
                                    .topic = "t",
                                    .key = std::move(key),
                                    .body = std::string(bytes, 'x')}}},
                 now);
  }
  std::vector<std::int64_t> take() {
    last = window.take(now);
    std::vector<std::int64_t> seqs;
    for (const auto& s : last.rows) seqs.push_back(s.seq);
    return seqs;
  }
  void answer(const result<>& each) {
    window.answered(last.rows, std::vector<result<>>(last.rows.size(), each), now, 0.5);
  }
  const error not_now{errc::unavailable, "not now"};

  steady_time now{1h};
  relay_window window{{}};
  relay_window::batch last;
};

TEST_F(RelayWindowLimits, ANewerLeaseDropsTheRowsOfTheOneBefore) {
  open({.rows = 16, .batch = 8});
  window.begin_reading();
  for (int i = 1; i <= 3; ++i) admit(i, "k" + std::to_string(i));
  EXPECT_EQ(take().size(), 3u);
  window.hold(0, 2, now + 1h);  // lost and taken again, without a word between
  EXPECT_EQ(window.size(), 0u);
  EXPECT_EQ(window.out(), 0u);
  answer({});  // of the lease before: nothing is marked under this one
  EXPECT_EQ(window.to_mark(), 0u);
}

TEST_F(RelayWindowLimits, ReadsNothingWhileMoreThanThreeQuartersOfTheBytesAreTaken) {
  open({.rows = 1000, .bytes = 100'000, .batch = 8});
  window.begin_reading();
  admit(1, "a", 70'000);
  EXPECT_GT(window.wanted(now), 0u);
  EXPECT_FALSE(window.starved());
  admit(2, "b", 6'000);
  EXPECT_EQ(window.wanted(now), 0u);
  EXPECT_TRUE(window.starved());
}

TEST_F(RelayWindowLimits, ReadsFewRowsNearTheEndOfTheBytes) {
  open({.rows = 1000, .bytes = 1'000'000, .batch = 8});
  window.begin_reading();
  for (int i = 1; i <= 200; ++i) admit(i, "k" + std::to_string(i), 3'500);
  EXPECT_LE(window.wanted(now), 100u);  // of some 3,300 bytes each 300,000 are left
  EXPECT_GE(window.wanted(now), 50u);
  EXPECT_LE(window.room(), 300'000u);
}

TEST_F(RelayWindowLimits, WhatFailedOneByOneGoesAtOnceAfterAnOutage) {
  open({.rows = 256, .batch = 64, .first_pause = 10s, .longest_pause = 1000s});
  window.begin_reading();
  for (int i = 1; i <= 3; ++i) admit(i, "stuck" + std::to_string(i));
  for (int round = 0; round < 3; ++round) {  // three failures each, some of them of others between
    EXPECT_EQ(take().size(), 3u);
    answer(fail(not_now));
    window.begin_reading();
    admit(100 + round, "fine" + std::to_string(round));
    EXPECT_EQ(take(), std::vector<std::int64_t>{100 + round});
    answer({});
    if (round < 2) now += 1000s;
  }
  EXPECT_EQ(take().size(), 0u);  // they wait for long
  window.begin_reading();
  for (int i = 200; i < 220; ++i) admit(i, "k" + std::to_string(i));
  EXPECT_EQ(take().size(), 20u);
  answer(fail(not_now));
  ASSERT_TRUE(window.in_outage());
  now = window.next_due();
  EXPECT_EQ(take().size(), 16u);
  answer({});
  EXPECT_FALSE(window.in_outage());
  auto sent = take();
  for (int i = 1; i <= 3; ++i) EXPECT_TRUE(std::ranges::find(sent, i) != sent.end()) << i;
}

TEST_F(RelayWindowLimits, AnOutageNeedsFailuresInARow) {
  open({.rows = 256, .batch = 64});
  std::int64_t next = 1;
  const auto send = [&](int count) {
    window.begin_reading();
    for (int i = 0; i < count; ++i, ++next) admit(next, "k" + std::to_string(next));
    EXPECT_EQ(take().size(), static_cast<std::size_t>(count));
  };
  send(15);
  answer(fail(not_now));
  send(1);
  answer({});
  send(15);
  answer(fail(not_now));
  EXPECT_FALSE(window.in_outage());
  send(1);  // goes at once
  answer(fail(not_now));
  EXPECT_TRUE(window.in_outage());
}

// F9: what is missing or full at the broker says nothing about the message; what is too large does.
TEST(RelayRefusals, AreOfTheMessageOrOfTheBroker) {
  const error missing{errc::not_found, "no exchange"};
  EXPECT_FALSE(refused_for_good(missing, unroutable::drop));
  EXPECT_TRUE(refused_for_good(missing, unroutable::refuse));
  const error full{errc::resource_exhausted, "the queue is full"};
  EXPECT_FALSE(refused_for_good(full, unroutable::drop));
  EXPECT_FALSE(refused_for_good(full.with_limit(limit_kind::space), unroutable::drop));
  EXPECT_TRUE(refused_for_good(full.with_limit(limit_kind::size), unroutable::drop));
  for (const auto code : {errc::invalid_argument, errc::out_of_range, errc::unimplemented})
    EXPECT_TRUE(refused_for_good(error{code}, unroutable::drop)) << to_string(code);
  for (const auto code : {errc::unavailable, errc::deadline_exceeded, errc::aborted, errc::unknown, errc::internal,
                          errc::permission_denied, errc::unauthenticated, errc::failed_precondition, errc::cancelled})
    EXPECT_FALSE(refused_for_good(error{code}, unroutable::refuse)) << to_string(code);
}

}  // namespace
}  // namespace weft::messaging
