// Which hosts take part, and why the one that was picked was picked.
#include <weft/discovery/host_set.hpp>

#include <gtest/gtest.h>

#include <cmath>
#include <deque>
#include <set>
#include <stdexcept>

#include "hosts.hpp"

namespace weft::discovery {
namespace {

const resilience::outcome_view good{}, bad{.verdict = resilience::verdict::failure, .status = 500},
    limited{.verdict = resilience::verdict::ignored, .status = 429};

snapshot listing(const std::vector<instance>& instances) { return make_snapshot(instances); }

std::vector<instance> numbered_instances(std::size_t count) {
  std::vector<instance> all;
  for (std::size_t i = 0; i < count; ++i) all.push_back(make_instance(numbered(i)));
  return all;
}

class HostSet : public testing::Test {
 protected:
  host_set& make(const std::vector<instance>& instances, host_set_options options = {}) {
    set_.emplace("posts", std::move(options), random_);
    set_->on_event = [this](const host_event& e) {
      events_.push_back(std::string{to_string(e.what)} + " " + e.which.info.id);
    };
    set_->update(listing(instances), now_);
    events_.clear();
    return *set_;
  }
  host& at(std::string_view id) {
    for (const auto& h : set_->hosts())
      if (h->info.id == id) return *h;
    throw std::out_of_range{std::string{id}};
  }
  counts pick_many(int times, const pick_request& request = {}) {
    counts seen;
    for (int i = 0; i < times; ++i) {
      const auto p = set_->pick(request, now_);
      ++seen[p ? p->target().id : "none"];
      if (p) ++seen["reason " + std::string{to_string(p->reason())}];
    }
    return seen;
  }
  void fail_times(std::string_view id, int times, const resilience::outcome_view& how = bad) {
    for (int ended = 0; ended < times;) {
      auto p = set_->pick({}, now_).value();
      if (p.target().id != id) continue;
      p.end(how, now_, 5ms);
      ++ended;
    }
  }

  rng random_{5};
  steady_time now_ = start;
  std::vector<std::string> events_;
  std::optional<host_set> set_;
};

TEST_F(HostSet, SaysWhyNothingCanBePicked) {
  make({});
  auto p = set_->pick({}, now_);
  EXPECT_EQ(p.error().code(), errc::unavailable);
  EXPECT_TRUE(p.error().unprocessed());
  EXPECT_EQ(p.error().message(), "posts: no instance is known");

  make(numbered_instances(2), {.panic_threshold_percent = 0});
  set_->check_failed(at("h00"), "status 503");
  auto gone = make_instance("h01");
  gone.state = health_state::critical;
  set_->update(listing({make_instance("h00"), gone}), now_);
  p = set_->pick({}, now_);
  EXPECT_EQ(p.error().message(),
            "posts: 2 instances, 0 healthy; h00: failing its health check; h01: critical in the registry");
}

TEST_F(HostSet, KeepsAHostAsLongAsItsIdAndPlaceStay) {
  make(numbered_instances(3));
  const auto* h0 = &at("h00");
  const host_ptr h1{&at("h01")};
  at("h00").active = 3;
  auto changed = make_instance("h00", 7);
  auto moved = make_instance("h01");
  moved.where.port = 81;
  set_->update(listing({changed, moved, make_instance("h03")}), now_);
  EXPECT_EQ(&at("h00"), h0);
  EXPECT_EQ(at("h00").active, 3u);
  EXPECT_EQ(at("h00").info.weight, 7u);
  EXPECT_NE(&at("h01"), h1.get());
  EXPECT_EQ(events_, (std::vector<std::string>{"left h01", "joined h01", "left h02", "joined h03"}));
}

// Survivor D02: a host that leaves while it is ejected gives its place free for the next.
TEST_F(HostSet, AHostThatLeavesTellsTheDetector) {
  make(numbered_instances(4), {.outlier = outlier_options{.max_ejection_percent = 25}});
  fail_times("h00", 5);
  ASSERT_TRUE(at("h00").outlier.ejected);
  fail_times("h01", 5);
  ASSERT_FALSE(at("h01").outlier.ejected) << "one of four is the most";
  auto rest = numbered_instances(5);
  rest.erase(rest.begin());
  set_->update(listing(rest), now_);
  fail_times("h01", 1);
  EXPECT_TRUE(at("h01").outlier.ejected);
}

// B3: a host that comes back from an ejection starts slowly, as one that is new.
TEST_F(HostSet, AHostThatReturnsStartsSlowly) {
  make(numbered_instances(4), {.balance = {.warm_up = {.window = 60s}}});
  EXPECT_GT(effective_weight(at("h00"), set_->options().balance.warm_up, now_), 0.99);
  fail_times("h00", 5);
  now_ += 30s;
  set_->sweep(now_);
  ASSERT_FALSE(at("h00").outlier.ejected);
  EXPECT_LT(effective_weight(at("h00"), set_->options().balance.warm_up, now_), 0.2);
  const auto seen = pick_many(1000);
  EXPECT_LT(seen.at("h00"), 200);
  now_ += 60s;
  EXPECT_GT(effective_weight(at("h00"), set_->options().balance.warm_up, now_), 0.99);
}

// B1: whether a failure is the host's or the service's is what the others say.
TEST_F(HostSet, KnowsWhetherOthersAnswer) {
  make(numbered_instances(1));
  EXPECT_FALSE(set_->others_answer(at("h00"), {}, now_)) << "there is no other";
  make(numbered_instances(3), {.outlier = std::nullopt});
  EXPECT_TRUE(set_->others_answer(at("h00"), {}, now_)) << "of those who were not asked the best is thought";
  fail_times("h01", 3);
  EXPECT_FALSE(set_->others_answer(at("h00"), {}, now_)) << "all that is known is that another fails, too";
  fail_times("h02", 3, good);
  EXPECT_TRUE(set_->others_answer(at("h00"), {}, now_));
  EXPECT_TRUE(set_->others_answer(at("h01"), {}, now_));
  fail_times("h02", 6);
  EXPECT_FALSE(set_->others_answer(at("h01"), {}, now_));
}

// B1: a rolling restart of two. The first is back but still ejected when the second goes: the call that has tried the
// second goes to the first, and finds it well.
TEST_F(HostSet, AnEjectedHostIsTheLastResort) {
  make(numbered_instances(2));
  fail_times("h00", 5);
  ASSERT_TRUE(at("h00").outlier.ejected);
  EXPECT_FALSE(set_->others_answer(at("h01"), {}, now_)) << "it has failed just now";
  now_ += 2s;
  EXPECT_FALSE(set_->others_answer(at("h01"), {}, now_)) << "nobody has answered since";
  set_->pick({}, now_).value().end(good, now_, 1ms);
  EXPECT_TRUE(set_->others_answer(at("h01"), {}, now_));
  const std::vector<host_ptr> tried{host_ptr{&at("h01")}};
  for (int i = 0; i < 10; ++i) {
    auto p = set_->pick({.tried = tried}, now_).value();
    EXPECT_EQ(p.target().id, "h00");
    EXPECT_EQ(p.reason(), pick_reason::last_resort);
  }
  EXPECT_EQ(pick_many(20).at("h01"), 20) << "but no first choice";
  events_.clear();
  set_->pick({.tried = tried}, now_).value().end(good, now_, 1ms);
  EXPECT_EQ(events_, (std::vector<std::string>{"returned h00"}));
  EXPECT_EQ(set_->count().ejected, 0u);
}

// B1: a failure of a connection from before a restart, long after the others, is a single one: of a host that was ejected,
// of one that was not, and of one that it ejects.
TEST_F(HostSet, AFailureAfterAPauseIsJudgedAlone) {
  for (const int before : {3, 4, 5}) {
    make(numbered_instances(2));
    fail_times("h00", before);
    ASSERT_EQ(at("h00").outlier.ejected, before == 5);
    now_ += 2s;
    fail_times("h01", 1, good);
    const std::vector<host_ptr> tried{host_ptr{&at("h01")}};
    const auto fails_once_more = [&] { set_->pick({.tried = tried}, now_).value().end(bad, now_, 1ms); };
    fails_once_more();
    EXPECT_EQ(at("h00").outlier.ejected, before >= 4);
    EXPECT_TRUE(set_->others_answer(at("h01"), {}, now_)) << "a single failure condemns nobody";
    fails_once_more();
    fails_once_more();
    EXPECT_FALSE(set_->others_answer(at("h01"), {}, now_)) << "three in a row do";
    now_ += 20s;
    fails_once_more();
    EXPECT_FALSE(set_->others_answer(at("h01"), {}, now_)) << "nobody has answered since";
  }
}

// A12: what is told of events is code of others.
TEST_F(HostSet, AListenerThatThrowsIsDropped) {
  make(numbered_instances(2));
  set_->on_event = [](const host_event&) { throw 42; };
  set_->check_failed(at("h00"), "status 503");
  EXPECT_TRUE(at("h00").check_failed);
}

TEST_F(HostSet, ADrainingHostGetsNoNewCallsEvenInPanic) {
  auto instances = numbered_instances(2);
  make(instances);
  auto p = set_->pick({}, now_).value();
  while (p.target().id != "h00") p = set_->pick({}, now_).value();
  instances[0].state = health_state::draining;
  set_->update(listing(instances), now_);
  EXPECT_EQ(at("h00").active, 1u);
  EXPECT_FALSE(pick_many(100).contains("h00"));
  set_->check_failed(at("h01"), "");
  const auto seen = pick_many(100);
  EXPECT_FALSE(seen.contains("h00"));
  EXPECT_EQ(seen.at("reason panic"), 100);
  p.end(good, now_, 1ms);
  EXPECT_EQ(at("h00").active, 0u);
}

TEST_F(HostSet, PanicBeginsBelowTheThreshold) {
  make(numbered_instances(4));
  set_->check_failed(at("h00"), "");
  set_->check_failed(at("h01"), "");
  auto seen = pick_many(400);  // exactly half are healthy
  EXPECT_FALSE(seen.contains("h00"));
  EXPECT_EQ(seen.at("reason balanced"), 400);
  set_->check_failed(at("h02"), "");
  seen = pick_many(400);
  EXPECT_TRUE(seen.contains("h00") && seen.contains("h01") && seen.contains("h02") && seen.contains("h03"));
  EXPECT_EQ(seen.at("reason panic"), 400);
  set_->check_passed(at("h02"), now_);
  EXPECT_EQ(pick_many(400).at("reason balanced"), 400);
}

TEST_F(HostSet, FiveFailuresEjectAndTheSweepBringsBack) {
  make(numbered_instances(10), {.balance = {.kind = algorithm::round_robin}});
  fail_times("h03", 4);
  EXPECT_TRUE(events_.empty());
  fail_times("h03", 1);
  EXPECT_EQ(events_, std::vector<std::string>{"ejected h03"});
  EXPECT_FALSE(pick_many(100).contains("h03"));
  EXPECT_EQ(set_->describe(), "10 instances, 9 healthy; h03: 5 failures in a row, for 30 s");
  now_ += 29s;
  set_->sweep(now_);
  EXPECT_FALSE(pick_many(100).contains("h03"));
  now_ += 1s;
  set_->sweep(now_);
  EXPECT_EQ(events_.back(), "returned h03");
  EXPECT_TRUE(pick_many(100).contains("h03"));
}

TEST_F(HostSet, LimitsAndAbandonedCallsNeverEject) {
  make(numbered_instances(10), {.balance = {.kind = algorithm::round_robin}});
  fail_times("h03", 100, limited);
  fail_times("h03", 100, {.verdict = resilience::verdict::failure, .local = true});
  for (int i = 0; i < 100; ++i) static_cast<void>(set_->pick({}, now_));  // dropped: cancelled
  EXPECT_TRUE(events_.empty());
  for (const auto& h : set_->hosts()) EXPECT_EQ(h->active, 0u);
}

TEST_F(HostSet, CallsMayEndAfterTheirHostLeftAndAfterTheSetIsGone) {
  make(numbered_instances(1));
  std::vector<picked> calls;
  for (int i = 0; i < 6; ++i) calls.push_back(set_->pick({}, now_).value());
  set_->update({}, now_);
  events_.clear();
  for (int i = 0; i < 5; ++i) calls[static_cast<std::size_t>(i)].end(bad, now_, 1ms);
  EXPECT_TRUE(events_.empty());
  set_.reset();
  calls[5].end(bad, now_, 1ms);
  EXPECT_EQ(calls[5].where()->active, 0u);
}

TEST_F(HostSet, ARetryAvoidsWhatWasTriedAsLongAsThereIsAnother) {
  make(numbered_instances(3));
  std::vector<host_ptr> tried;
  for (int i = 0; i < 3; ++i) {
    const auto p = set_->pick({.tried = tried}, now_).value();
    EXPECT_EQ(p.reason(), pick_reason::balanced);
    tried.push_back(p.where());
  }
  EXPECT_EQ(std::set<host_ptr>(tried.begin(), tried.end()).size(), 3u);
  EXPECT_EQ(set_->pick({.tried = tried}, now_).value().reason(), pick_reason::all_tried);
}

std::vector<instance> two_zones(std::size_t near, std::size_t far) {
  std::vector<instance> all;
  for (std::size_t i = 0; i < near; ++i) all.push_back(make_instance("near" + std::to_string(i), 1, "eu"));
  for (std::size_t i = 0; i < far; ++i) all.push_back(make_instance("far" + std::to_string(i), 1, "us"));
  return all;
}

TEST_F(HostSet, CallsStayInTheirZoneAsFarAsItCarriesThem) {
  make(two_zones(10, 10), {.local_zone = "eu"});
  const auto share = [&] { return pick_many(20'000)["reason zone_local"] / 20'000; };
  EXPECT_EQ(share(), 1);
  for (int i = 0; i < 2; ++i) set_->check_failed(at("near" + std::to_string(i)), "");
  EXPECT_EQ(share(), 1);  // 1.4 * 8 of 10
  set_->check_failed(at("near2"), "");
  EXPECT_NEAR(share(), 0.98, 0.005);
  for (int i = 3; i < 5; ++i) set_->check_failed(at("near" + std::to_string(i)), "");
  EXPECT_NEAR(share(), 0.7, 0.01);
  for (int i = 5; i < 10; ++i) set_->check_failed(at("near" + std::to_string(i)), "");
  EXPECT_EQ(share(), 0);
}

TEST_F(HostSet, ZonesDoNotMatterWithoutOthersNorInPanic) {
  make(two_zones(4, 0), {.local_zone = "eu"});
  set_->check_failed(at("near0"), "");
  set_->check_failed(at("near1"), "");
  EXPECT_EQ(pick_many(100).at("reason zone_local"), 100);  // nowhere else to go
  set_->check_failed(at("near2"), "");
  EXPECT_EQ(pick_many(100).at("reason panic"), 100);
  make(two_zones(0, 4), {.local_zone = "eu"});
  EXPECT_EQ(pick_many(100).at("reason balanced"), 100);
}

TEST_F(HostSet, AZoneThatWasTriedAllLeavesTheRetryToOthers) {
  make(two_zones(1, 1), {.local_zone = "eu"});
  const auto p = set_->pick({.tried = std::vector<host_ptr>{host_ptr{&at("near0")}}}, now_).value();
  EXPECT_EQ(p.target().id, "far0");
  EXPECT_EQ(p.reason(), pick_reason::zone_spill);
}

TEST_F(HostSet, AKeyStaysOnItsSideWhenCallsSpill) {
  make(two_zones(10, 10), {.balance = {.kind = algorithm::ring_hash}, .local_zone = "eu"});
  for (int i = 0; i < 5; ++i) set_->check_failed(at("near" + std::to_string(i)), "");
  for (std::uint64_t key = 0; key < 200; ++key) EXPECT_EQ(pick_many(20, {.key = key}).size(), 2u) << key;
}

class Subsets : public HostSet {
 protected:
  host_set_options with(subset_fallback fallback) {
    return {.subsets = {{"v1", {{"version", "1"}}}, {"v2", {{"version", "2"}}}, {"v3", {{"version", "3"}}}},
            .fallback = fallback,
            .default_subset = "v1"};
  }
  const std::vector<instance> instances_{make_instance("a", 1, "", {{"version", "1"}}),
                                         make_instance("b", 1, "", {{"version", "2"}, {"canary", ""}}),
                                         make_instance("c", 1, "", {{"version", "2"}}), make_instance("d")};
};

TEST_F(Subsets, HoldTheHostsWithTheirLabels) {
  make(instances_, with(subset_fallback::none));
  EXPECT_EQ(pick_many(100, {.subset = "v1"}).at("a"), 100);
  const auto seen = pick_many(1000, {.subset = "v2"});
  EXPECT_TRUE(seen.contains("b") && seen.contains("c") && !seen.contains("a") && !seen.contains("d"));
  EXPECT_EQ(set_->pick({.subset = "v3"}, now_).error().code(), errc::unavailable);
  EXPECT_EQ(set_->pick({.subset = "v9"}, now_).error().code(), errc::invalid_argument);
  EXPECT_TRUE(pick_many(1000).contains("d"));
}

TEST_F(Subsets, PanicByThemselves) {
  make(instances_, with(subset_fallback::none));
  set_->check_failed(at("a"), "");
  EXPECT_EQ(pick_many(10, {.subset = "v1"}).at("reason panic"), 10);
  EXPECT_EQ(pick_many(10, {.subset = "v2"}).at("reason balanced"), 10);
}

TEST_F(Subsets, WithoutHostsFallBackAsConfigured) {
  make(instances_, with(subset_fallback::any));
  auto seen = pick_many(1000, {.subset = "v3"});
  EXPECT_EQ(seen.at("reason subset_fallback"), 1000);
  EXPECT_EQ(seen.size(), 5u);
  make(instances_, with(subset_fallback::default_subset));
  EXPECT_EQ(pick_many(10, {.subset = "v3"}).at("a"), 10);
}

TEST_F(HostSet, AHostThatPassesItsChecksAgainStartsSlowly) {
  make(numbered_instances(2), {.balance = {.kind = algorithm::random, .warm_up = {.window = 100s}}});
  EXPECT_NEAR(pick_many(20'000)["h00"], 10'000, 500);  // who was there before us is warm
  set_->check_failed(at("h00"), "");
  set_->check_passed(at("h00"), now_);
  EXPECT_NEAR(pick_many(20'000)["h00"], 20'000 * 0.1 / 1.1, 300);
  now_ += 100s;
  EXPECT_NEAR(pick_many(20'000)["h00"], 10'000, 500);
}

TEST_F(HostSet, FailuresCountAsSlowForPeakEwma) {
  make(numbered_instances(2), {.balance = {.kind = algorithm::peak_ewma}});
  fail_times("h00", 1);
  fail_times("h01", 1, good);
  EXPECT_DOUBLE_EQ(at("h00").latency.seconds(10s, now_), 1);
  EXPECT_DOUBLE_EQ(at("h01").latency.seconds(10s, now_), 0.005);
  fail_times("h01", 1, limited);
  EXPECT_DOUBLE_EQ(at("h01").latency.seconds(10s, now_), 0.005);
}

TEST_F(HostSet, WrongOptionsNameTheirField) {
  const auto says = [&](host_set_options options, std::string_view part) {
    try {
      const host_set set{"posts", std::move(options), random_};
      ADD_FAILURE() << part;
    } catch (const std::invalid_argument& e) {
      EXPECT_NE(std::string_view{e.what()}.find(part), std::string_view::npos) << e.what();
    }
  };
  says({.balance = {.maglev_table = 10}}, "maglev_table");
  says({.outlier = outlier_options{.interval = 0s}}, "interval");
  says({.panic_threshold_percent = 101}, "panic_threshold_percent");
  says({.zone_overprovisioning = 0.5}, "zone_overprovisioning");
  says({.fallback = subset_fallback::default_subset, .default_subset = "v1"}, "default_subset");
}

// Ten hosts, one of them 20 times slower, 60 % busy: a queue of one at each. Round robin sends the slow one its tenth.
double slowest_percent(algorithm kind) {
  rng random{17};
  host_set set{"posts", {.balance = {.kind = kind}, .outlier = std::nullopt}, random};
  set.update(listing(numbered_instances(10)), start);
  struct call {
    picked p;
    steady_time began, ends;
  };
  std::deque<call> open;
  std::map<std::string, steady_time> busy_until;
  std::vector<duration> took;
  auto now = start;
  for (int i = 0; i < 30'000; ++i) {
    now += duration{static_cast<duration::rep>(-std::log(1 - random.uniform()) * 1.8e6)};  // 555 a second
    for (auto at = open.begin(); at != open.end();) {
      if (at->ends > now) {
        ++at;
        continue;
      }
      at->p.end(good, at->ends, at->ends - at->began);
      at = open.erase(at);
    }
    auto p = set.pick({}, now).value();
    const auto service = p.target().id == "h00" ? duration{200ms} : duration{10ms};
    auto& until = busy_until[p.target().id];
    until = std::max(until, now) + service;
    took.push_back(until - now);
    open.push_back({std::move(p), now, until});
  }
  std::ranges::sort(took);
  return std::chrono::duration<double, std::milli>(took[took.size() * 99 / 100]).count();
}

TEST(TailLatency, TwoChoicesKeepOneSlowHostFromTheTail) {
  const auto in_turn = slowest_percent(algorithm::round_robin);
  const auto least = slowest_percent(algorithm::least_request);
  const auto ewma = slowest_percent(algorithm::peak_ewma);
  RecordProperty("round_robin_p99_ms", std::to_string(in_turn));
  RecordProperty("least_request_p99_ms", std::to_string(least));
  RecordProperty("peak_ewma_p99_ms", std::to_string(ewma));
  EXPECT_GT(in_turn, 1000);  // its queue only grows
  EXPECT_LT(least, in_turn / 2);
  EXPECT_LT(ewma, 250);
}

}  // namespace
}  // namespace weft::discovery
