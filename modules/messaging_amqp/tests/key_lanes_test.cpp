// Who is handed out next, and who waits behind whom.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sansio/key_lanes.hpp"

namespace weft::messaging {
namespace {
using testing::ElementsAre;
using namespace std::chrono_literals;
using preference = key_lanes::preference;

constexpr steady_time t0{1000s};

lane_entry entry(std::string id, std::uint32_t feed = 0, std::uint64_t generation = 1, std::uint8_t priority = 4) {
  lane_entry e;
  message m{.id = id, .topic = "t", .key = id.substr(0, id.find_first_of("0123456789"))};
  m.priority = priority;
  e.what = std::make_shared<const message>(std::move(m));
  e.feed = feed;
  e.generation = generation;
  return e;
}

std::vector<std::string> take_all(key_lanes& lanes, steady_time now = t0) {
  std::vector<std::string> ids;
  while (auto* e = lanes.take(now)) ids.push_back(e->what->id);
  return ids;
}
lane_entry& take(key_lanes& lanes, steady_time now = t0) { return *lanes.take(now); }

TEST(KeyLanes, HandsOutOneOfAKeyAtATimeInItsOrder) {
  key_lanes lanes{ordering::per_key, preference::age};
  for (const auto* id : {"a1", "a2", "b1", "1", "2"}) lanes.add(entry(id));
  auto& a1 = take(lanes);
  EXPECT_EQ(a1.what->id, "a1");
  EXPECT_THAT(take_all(lanes), ElementsAre("b1", "1", "2"));
  lanes.finish(a1);
  EXPECT_THAT(take_all(lanes), ElementsAre("a2"));
  EXPECT_EQ(lanes.in_flight(), 4u);
}

TEST(KeyLanes, WithoutAnOrderKeysDoNotWait) {
  key_lanes lanes{ordering::none, preference::age};
  for (const auto* id : {"a1", "a2", "a3"}) lanes.add(entry(id));
  EXPECT_THAT(take_all(lanes), ElementsAre("a1", "a2", "a3"));
}

TEST(KeyLanes, ARetryHoldsUpItsKeyUntilItIsDue) {
  key_lanes lanes{ordering::per_key, preference::age};
  for (const auto* id : {"a1", "b1", "a2"}) lanes.add(entry(id));
  auto& a1 = take(lanes);
  const auto first = key_lanes::tag_of(a1);
  lanes.hold(a1, t0 + 5s);
  EXPECT_EQ(lanes.find(first), nullptr);
  EXPECT_EQ(lanes.next_due(), t0 + 5s);
  EXPECT_THAT(take_all(lanes, t0 + 4s), ElementsAre("b1"));
  auto& again = take(lanes, t0 + 5s);
  EXPECT_EQ(again.what->id, "a1");
  EXPECT_TRUE(again.redelivered);
  EXPECT_EQ(lanes.find(first), nullptr);  // the tag of the earlier delivery settles nothing
  EXPECT_EQ(lanes.find(key_lanes::tag_of(again)), &again);
  lanes.finish(again);
  EXPECT_THAT(take_all(lanes, t0 + 5s), ElementsAre("a2"));
}

TEST(KeyLanes, WhatIsGivenBackIsTheNextOfItsAge) {
  key_lanes lanes{ordering::per_key, preference::age};
  for (const auto* id : {"a1", "b1", "c1"}) lanes.add(entry(id));
  auto& a1 = take(lanes);
  take(lanes);
  lanes.give_back(a1);
  EXPECT_THAT(take_all(lanes), ElementsAre("a1", "c1"));
}

TEST(KeyLanes, WhatArrivesWithADueTimeWaits) {
  key_lanes lanes{ordering::per_key, preference::age};
  lanes.add(entry("a1"), t0 + 1s);
  lanes.add(entry("a2"), t0 + 9s);  // behind the first, and then it has to wait itself
  EXPECT_THAT(take_all(lanes), ElementsAre());
  auto& a1 = take(lanes, t0 + 2s);
  lanes.finish(a1);
  EXPECT_THAT(take_all(lanes, t0 + 8s), ElementsAre());
  EXPECT_THAT(take_all(lanes, t0 + 9s), ElementsAre("a2"));
}

TEST(KeyLanes, PrioritiesGoBeforeAgeWhereTheyCount) {
  key_lanes lanes{ordering::per_key, preference::priority};
  lanes.add(entry("a1", 0, 1, 1));
  lanes.add(entry("b1", 0, 1, 9));
  lanes.add(entry("c1", 0, 1, 1));
  EXPECT_THAT(take_all(lanes), ElementsAre("b1", "a1", "c1"));
}

TEST(KeyLanes, ALostGenerationIsForgottenAndItsTagsWithIt) {
  key_lanes lanes{ordering::per_key, preference::age};
  for (const auto* id : {"a1", "a2", "b1"}) lanes.add(entry(id, 0, 1));
  lanes.add(entry("z1", 7, 1));
  const auto a1 = key_lanes::tag_of(take(lanes));
  auto& b1 = take(lanes);
  const auto held = key_lanes::tag_of(b1);
  lanes.hold(b1, t0 + 1s);
  lanes.drop_before(0, 2);
  EXPECT_EQ(lanes.find(a1), nullptr);
  EXPECT_EQ(lanes.find(held), nullptr);
  EXPECT_EQ(lanes.next_due(), std::nullopt);
  lanes.add(entry("a1", 0, 2));
  EXPECT_THAT(take_all(lanes, t0 + 1s), ElementsAre("z1", "a1"));
  EXPECT_EQ(lanes.in_flight_of(7), 1u);
}

TEST(KeyLanes, WhatIsNotInFlightCanBeDroppedInItsOrder) {
  key_lanes lanes{ordering::per_key, preference::age};
  for (const auto* id : {"a1", "a2", "b1"}) lanes.add(entry(id));
  auto& a1 = take(lanes);
  std::vector<std::string> dropped;
  for (const auto& e : lanes.drop_idle(0)) dropped.push_back(e.what->id);
  EXPECT_THAT(dropped, ElementsAre("a2", "b1"));
  lanes.finish(a1);
  EXPECT_EQ(lanes.size(), 0u);
}

}  // namespace
}  // namespace weft::messaging
