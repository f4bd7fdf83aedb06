// Instances that stand by for others: SRV priorities (RFC 2782).
#include <weft/discovery/host_set.hpp>

#include <gtest/gtest.h>

#include <optional>
#include <stdexcept>

#include "hosts.hpp"

namespace weft::discovery {
namespace {

instance with_priority(std::string id, std::uint16_t priority, std::string zone = {}) {
  auto i = make_instance(std::move(id), 1, std::move(zone));
  i.priority = priority;
  return i;
}

class Priority : public testing::Test {
 protected:
  host_set& make(std::vector<instance> instances, host_set_options options = {}) {
    set_.emplace("posts", std::move(options), random_);
    set_->update(make_snapshot(std::move(instances)), start);
    return *set_;
  }
  host& at(std::string_view id) {
    for (const auto& h : set_->hosts())
      if (h->info.id == id) return *h;
    throw std::out_of_range{std::string{id}};
  }
  void fails(std::string_view id) { set_->check_failed(at(id), "status 503"); }
  void recovers(std::string_view id) { set_->check_passed(at(id), start); }
  counts pick_many(const pick_request& request = {}) {
    counts seen;
    for (int i = 0; i < 100; ++i) {
      const auto p = set_->pick(request, start);
      ++seen[p ? p->target().id : "none"];
      if (p) ++seen["reason " + std::string{to_string(p->reason())}];
    }
    return seen;
  }

  rng random_{5};
  std::optional<host_set> set_;
};

TEST_F(Priority, TheFirstTakesEveryCallWhileOneOfItIsHealthy) {
  make({with_priority("a1", 10), with_priority("a2", 10), with_priority("a3", 10), with_priority("b1", 20)});
  auto seen = pick_many();
  EXPECT_EQ(seen["b1"], 0);
  EXPECT_EQ(seen["reason balanced"], 100);
  fails("a1");
  fails("a2");  // one of three is left, which alone would be panic; but there is another way out
  seen = pick_many();
  EXPECT_EQ(seen["a3"], 100);
  EXPECT_EQ(seen["reason balanced"], 100);
}

TEST_F(Priority, TheNextTakesOverUntilTheFirstIsBack) {
  make({with_priority("a1", 0), with_priority("b1", 1), with_priority("b2", 1), with_priority("c1", 2)});
  fails("a1");
  auto seen = pick_many();
  EXPECT_EQ(seen["b1"] + seen["b2"], 100);
  EXPECT_GT(seen["b1"], 0);
  EXPECT_GT(seen["b2"], 0);
  EXPECT_EQ(seen["reason standby"], 100);
  fails("b1");
  fails("b2");
  EXPECT_EQ(pick_many()["c1"], 100);
  recovers("a1");
  seen = pick_many();
  EXPECT_EQ(seen["a1"], 100);
  EXPECT_EQ(seen["reason balanced"], 100);
}

TEST_F(Priority, ACallGoesOnToTheNextWhenItHasTriedTheFirst) {
  make({with_priority("a1", 0), with_priority("a2", 0), with_priority("b1", 1)});
  const std::vector<host_ptr> one{&at("a1")};
  EXPECT_EQ(pick_many({.tried = one})["a2"], 100);
  const std::vector<host_ptr> first{&at("a1"), &at("a2")};
  auto seen = pick_many({.tried = first});
  EXPECT_EQ(seen["b1"], 100);
  EXPECT_EQ(seen["reason standby"], 100);
  const std::vector<host_ptr> all{&at("a1"), &at("a2"), &at("b1")};
  seen = pick_many({.tried = all});
  EXPECT_EQ(seen["a1"] + seen["a2"], 100);
  EXPECT_EQ(seen["reason all_tried"], 100);
}

TEST_F(Priority, WithoutAnyThatIsHealthyTheFirstAreTriedInPanic) {
  make({with_priority("a1", 0), with_priority("b1", 1)});
  fails("a1");
  fails("b1");
  auto seen = pick_many();
  EXPECT_EQ(seen["a1"], 100);
  EXPECT_EQ(seen["reason panic"], 100);
  make({with_priority("a1", 0), with_priority("b1", 1)}, {.panic_threshold_percent = 0});
  fails("a1");
  fails("b1");
  EXPECT_EQ(pick_many()["none"], 100);
}

TEST_F(Priority, CountsBeforeTheZone) {
  make({with_priority("a1", 0, "far"), with_priority("b1", 1, "near")}, {.local_zone = "near"});
  EXPECT_EQ(pick_many()["a1"], 100);
  fails("a1");
  EXPECT_EQ(pick_many()["b1"], 100);
}

TEST_F(Priority, ADrainingInstanceDoesNotHoldItsPriority) {
  auto draining = with_priority("a1", 0);
  draining.state = health_state::draining;
  make({draining, with_priority("b1", 1)});
  const auto seen = pick_many();
  EXPECT_EQ(seen.at("b1"), 100);
  EXPECT_EQ(seen.at("reason balanced"), 100) << "it is the first that takes calls";
}

TEST_F(Priority, ManyShareTheLastTier) {
  std::vector<instance> all;
  for (std::uint16_t i = 0; i < 40; ++i) all.push_back(with_priority(numbered(i), static_cast<std::uint16_t>(i * 7)));
  make(all);
  for (std::size_t i = 0; i < 20; ++i) fails(numbered(i));
  const auto seen = pick_many();
  double taken = 0;
  for (std::size_t i = 20; i < 40; ++i)
    if (const auto at = seen.find(numbered(i)); at != seen.end()) taken += at->second;
  EXPECT_EQ(taken, 100);
}

}  // namespace
}  // namespace weft::discovery
