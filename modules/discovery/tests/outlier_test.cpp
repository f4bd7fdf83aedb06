// Outlier detection at its boundaries: one below, exactly at, how many, how long.
#include <weft/discovery/outlier.hpp>

#include <gtest/gtest.h>

#include <deque>

#include "hosts.hpp"

namespace weft::discovery {
namespace {

class Outlier : public testing::Test {
 protected:
  void make(std::size_t hosts, outlier_options options = {}) {
    ASSERT_TRUE(options.validate());
    detector_ = outlier_detector{options};
    detector_.set_hosts(hosts);
    records_.assign(hosts, {});
    for (auto& r : records_) pointers_.push_back(&r);
  }
  std::optional<ejection_cause> fail_times(std::size_t host, int times, call_result how = call_result::server_error) {
    std::optional<ejection_cause> cause;
    for (int i = 0; i < times && !cause; ++i) cause = detector_.report(records_[host], how, now_);
    return cause;
  }
  std::vector<outlier_change> sweep() { return detector_.sweep(pointers_, now_); }
  // Sweeps every 10 s; how long until the host is back.
  duration until_returned(std::size_t host) {
    const auto from = now_;
    while (records_[host].ejected && now_ - from < 1h) {
      now_ += 10s;
      static_cast<void>(sweep());
    }
    return now_ - from;
  }

  steady_time now_ = start;
  outlier_detector detector_;
  std::deque<outlier_record> records_;
  std::vector<outlier_record*> pointers_;
};

TEST_F(Outlier, FourFailuresInARowAreNotFive) {
  make(10);
  EXPECT_FALSE(fail_times(0, 4));
  static_cast<void>(detector_.report(records_[0], call_result::success, now_));
  EXPECT_FALSE(fail_times(0, 4));
  EXPECT_FALSE(records_[0].ejected);
  EXPECT_EQ(fail_times(0, 1), ejection_cause::consecutive_5xx);
  EXPECT_TRUE(records_[0].ejected);
  EXPECT_EQ(records_[0].why, "5 failures in a row, for 30 s");
}

TEST_F(Outlier, EveryKindOfFailureCountsAmongTheFive) {
  make(10);
  EXPECT_FALSE(fail_times(0, 2, call_result::server_error));
  EXPECT_FALSE(fail_times(0, 2, call_result::gateway_error));
  EXPECT_EQ(fail_times(0, 1, call_result::local_failure), ejection_cause::consecutive_5xx);
}

TEST_F(Outlier, WhatSaysNothingNeitherCountsNorResets) {
  make(10);
  EXPECT_FALSE(fail_times(0, 100, call_result::ignored));
  EXPECT_FALSE(fail_times(0, 4));
  EXPECT_FALSE(fail_times(0, 100, call_result::ignored));
  EXPECT_TRUE(fail_times(0, 1));
}

TEST_F(Outlier, LimitsAndLocalRefusalsAreIgnored) {
  using resilience::outcome_view, resilience::verdict;
  EXPECT_EQ(classify({.verdict = resilience::verdict_of_status(429), .status = 429}), call_result::ignored);
  EXPECT_EQ(classify({.verdict = verdict::failure, .code = errc::unavailable, .local = true}), call_result::ignored);
  EXPECT_EQ(classify({.verdict = resilience::verdict_of(errc::cancelled), .code = errc::cancelled}),
            call_result::ignored);
  EXPECT_EQ(classify({.verdict = resilience::verdict_of_status(404), .status = 404}), call_result::success);
  EXPECT_EQ(classify({.verdict = resilience::verdict_of_status(500), .status = 500}), call_result::server_error);
  for (const auto status : {502, 503, 504})
    EXPECT_EQ(classify({.verdict = verdict::failure, .status = status}), call_result::gateway_error);
  EXPECT_EQ(classify({.verdict = verdict::failure, .code = errc::unavailable}), call_result::local_failure);
  EXPECT_EQ(classify({.verdict = verdict::failure, .code = errc::deadline_exceeded}), call_result::local_failure);
  EXPECT_EQ(classify({.verdict = verdict::failure, .code = errc::internal}), call_result::server_error);
  EXPECT_EQ(classify({}), call_result::success);
}

TEST_F(Outlier, GatewayAndLocalFailuresHaveLimitsOfTheirOwn) {
  make(10, {.consecutive_5xx = 100, .consecutive_gateway_failures = 3, .consecutive_local_failures = 2});
  EXPECT_FALSE(fail_times(0, 2, call_result::gateway_error));
  EXPECT_FALSE(fail_times(0, 1, call_result::server_error));  // breaks the row
  EXPECT_FALSE(fail_times(0, 2, call_result::gateway_error));
  EXPECT_EQ(fail_times(0, 1, call_result::gateway_error), ejection_cause::consecutive_gateway_failures);
  static_cast<void>(until_returned(0));
  EXPECT_EQ(fail_times(1, 2, call_result::local_failure), ejection_cause::consecutive_local_failures);
}

TEST_F(Outlier, AtMostTenPerCentAreEjected) {
  make(20);
  EXPECT_TRUE(fail_times(0, 5));
  EXPECT_TRUE(fail_times(1, 5));
  EXPECT_FALSE(fail_times(2, 50));
  EXPECT_EQ(detector_.ejected(), 2u);
  detector_.set_hosts(30);
  EXPECT_TRUE(fail_times(2, 1));  // it still fails in a row
}

TEST_F(Outlier, OneOfFewIsEjectedUnlessTheLimitIsStrict) {
  make(3);
  EXPECT_TRUE(fail_times(0, 5));
  EXPECT_FALSE(fail_times(1, 50));
  pointers_.clear();
  make(9, {.first = first_ejection::within_limit});
  EXPECT_FALSE(fail_times(0, 50));
  detector_.set_hosts(10);
  EXPECT_TRUE(fail_times(0, 1));
}

TEST_F(Outlier, AHostThatIsGoneGivesItsPlaceFree) {
  make(10);
  EXPECT_TRUE(fail_times(0, 5));
  EXPECT_FALSE(fail_times(1, 5));
  detector_.forget(records_[0]);
  EXPECT_EQ(detector_.ejected(), 0u);
  EXPECT_TRUE(fail_times(1, 1));
}

TEST_F(Outlier, EachEjectionLastsLongerUpToTheLongest) {
  make(10);
  std::vector<duration> lasted;
  for (int i = 0; i < 12; ++i) {
    EXPECT_TRUE(fail_times(0, 5));
    lasted.push_back(until_returned(0));
  }
  for (int i = 0; i < 12; ++i) EXPECT_EQ(lasted[static_cast<std::size_t>(i)], std::min(30s * (i + 1), 300s)) << i;
}

TEST_F(Outlier, EachGoodIntervalForgivesOneStep) {
  make(10);
  for (int i = 0; i < 3; ++i) {
    EXPECT_TRUE(fail_times(0, 5));
    static_cast<void>(until_returned(0));
  }
  EXPECT_EQ(records_[0].multiplier, 3u);  // the sweep that ends the ejection forgives nothing
  const auto answer_well = [&] { EXPECT_FALSE(detector_.report(records_[0], call_result::success, now_)); };
  now_ += 10s;
  answer_well();
  static_cast<void>(sweep());
  EXPECT_EQ(records_[0].multiplier, 2u);
  EXPECT_TRUE(fail_times(0, 5));
  EXPECT_EQ(records_[0].ejected_for, 90s);
  static_cast<void>(until_returned(0));
  for (int i = 0; i < 10; ++i) answer_well(), static_cast<void>(sweep());
  EXPECT_EQ(records_[0].multiplier, 0u);
  EXPECT_TRUE(fail_times(0, 5));
  EXPECT_EQ(records_[0].ejected_for, 30s);
}

// B3: a host that always fails but is called rarely is not forgiven in the intervals without a call, nor by one in
// which it failed.
TEST_F(Outlier, AnIntervalWithoutAGoodAnswerForgivesNothing) {
  make(10);
  EXPECT_TRUE(fail_times(0, 5));
  static_cast<void>(until_returned(0));
  for (int i = 0; i < 10; ++i) static_cast<void>(sweep());
  EXPECT_FALSE(fail_times(0, 2));
  static_cast<void>(sweep());
  EXPECT_TRUE(fail_times(0, 3));
  EXPECT_EQ(records_[0].ejected_for, 60s);
}

// A11: durations without limit.
TEST_F(Outlier, EjectionsWithoutLimitAreNoOverflow) {
  make(10, {.base_ejection = duration::max() / 2, .max_ejection = duration::max()});
  for (int i = 0; i < 3; ++i) {
    EXPECT_TRUE(fail_times(0, 5));
    EXPECT_GE(records_[0].ejected_for, duration::max() / 2);
    detector_.forget(records_[0]);
    records_[0].multiplier = 3;
  }
}

TEST_F(Outlier, AnEjectionEndsAtTheFirstSweepAfterItsTime) {
  make(10);
  EXPECT_TRUE(fail_times(0, 5));
  now_ += 30s - 1ns;
  EXPECT_TRUE(sweep().empty());
  now_ += 1ns;
  const auto changes = sweep();
  ASSERT_EQ(changes.size(), 1u);
  EXPECT_EQ(changes[0].what, outlier_change::kind::returned);
  EXPECT_FALSE(fail_times(0, 4));  // its row starts again
}

class OutlierRates : public Outlier {
 protected:
  void calls(std::size_t host, int good, int bad) {
    for (int i = 0; i < bad; ++i) {  // spread, so that no row of five arises
      static_cast<void>(detector_.report(records_[host], call_result::server_error, now_));
      if (good > 0) --good, static_cast<void>(detector_.report(records_[host], call_result::success, now_));
    }
    for (int i = 0; i < good; ++i) static_cast<void>(detector_.report(records_[host], call_result::success, now_));
  }
};

TEST_F(OutlierRates, TheHostFarBelowTheMeanIsEjected) {
  make(10);
  for (std::size_t h = 0; h < 9; ++h) calls(h, 99, 1);
  calls(9, 70, 30);
  const auto changes = sweep();
  ASSERT_EQ(changes.size(), 1u);
  EXPECT_EQ(changes[0].record, &records_[9]);
  EXPECT_EQ(changes[0].cause, ejection_cause::success_rate);
  EXPECT_TRUE(records_[9].why.starts_with("success rate 70.0 % of 100 calls, below 79.6 % (mean 96.1, deviation 8.7)"))
      << records_[9].why;
}

TEST_F(OutlierRates, NeedsFiveHostsWithAHundredCallsEach) {
  make(10);
  for (std::size_t h = 0; h < 4; ++h) calls(h, 100, 0);
  calls(4, 49, 50);  // 99 calls
  EXPECT_TRUE(sweep().empty());
  // With five hosts the worst is at most 2 standard deviations below the mean: 1.9 of them is nearly that.
  for (std::size_t h = 0; h < 4; ++h) calls(h, 100, 0);
  calls(4, 50, 50);
  EXPECT_EQ(sweep().size(), 1u);
}

TEST_F(OutlierRates, OnlyTheLastIntervalCounts) {
  make(10);
  for (std::size_t h = 0; h < 9; ++h) calls(h, 60, 0);
  calls(9, 30, 30);
  EXPECT_TRUE(sweep().empty());
  for (std::size_t h = 0; h < 9; ++h) calls(h, 60, 0);
  calls(9, 30, 30);
  EXPECT_TRUE(sweep().empty());
}

TEST_F(OutlierRates, FailurePercentageAtItsThreshold) {
  make(10, {.success_rate_stdev_factor = 0, .failure_percentage = 40});
  for (std::size_t h = 0; h < 9; ++h) calls(h, 50, 0);
  calls(9, 31, 19);  // 38 %
  EXPECT_TRUE(sweep().empty());
  for (std::size_t h = 0; h < 9; ++h) calls(h, 50, 0);
  calls(9, 30, 20);  // 40 %
  const auto changes = sweep();
  ASSERT_EQ(changes.size(), 1u);
  EXPECT_EQ(changes[0].cause, ejection_cause::failure_percentage);
  EXPECT_EQ(records_[9].why, "40.0 % of 50 calls failed, at least 40.0 %, for 30 s");
}

TEST(OutlierOptions, AreCheckedByName) {
  EXPECT_NE(outlier_options{.max_ejection_percent = 101}.validate().error().message().find("max_ejection_percent"),
            std::string::npos);
  EXPECT_NE(
      (outlier_options{.base_ejection = 60s, .max_ejection = 59s}).validate().error().message().find("max_ejection"),
      std::string::npos);
  EXPECT_FALSE(outlier_options{.interval = 0s}.validate());
}

}  // namespace
}  // namespace weft::discovery
