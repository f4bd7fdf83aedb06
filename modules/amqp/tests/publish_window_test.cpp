#include "sansio/publish_window.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <map>

namespace weft::amqp::sansio {
namespace {
using testing::ElementsAre;
using testing::IsEmpty;

struct Window : testing::Test {
  publish_window w;
  std::vector<std::string> settled;
  publish_window::sink note = [this](publication& p, result<> r) {
    settled.push_back(p.content.body + (r ? "" : " " + std::string{to_string(r.error().code())}));
  };
  void push(const std::string& body, const std::string& id = {}) {
    auto p = std::make_shared<publication>();
    p->content = {.exchange = "e", .routing_key = "k", .body = body};
    p->content.properties.message_id = id;
    w.push(std::move(p));
  }
  std::vector<std::string> send_all() {
    std::vector<std::string> sent;
    while (auto* p = w.next_unsent()) {
      sent.push_back(p->content.body);
      w.mark_sent();
    }
    return sent;
  }
  std::vector<std::string> take_settled() { return std::exchange(settled, {}); }
};

TEST_F(Window, ConfirmsMayComeInAnyOrder) {
  for (const auto* each : {"a", "b", "c", "d", "e"}) push(each);
  send_all();
  EXPECT_TRUE(w.settle(3, false, true, note));
  EXPECT_TRUE(w.settle(2, true, true, note));
  EXPECT_TRUE(w.settle(3, false, true, note));  // again
  EXPECT_TRUE(w.settle(5, false, false, note));
  EXPECT_EQ(w.in_flight(), 1u);
  EXPECT_TRUE(w.settle(0, true, true, note));
  EXPECT_THAT(settled, ElementsAre("c", "a", "b", "e resource_exhausted", "d"));
  EXPECT_EQ(w.size(), 0u);
  push("f");
  send_all();
  EXPECT_TRUE(w.settle(6, false, true, note));
  EXPECT_EQ(settled.back(), "f");
}

// Survivor: a second return belongs to the second of two publications that are equal.
TEST_F(Window, OfTwoEqualPublicationsBothAreReturned) {
  push("a", "1");
  push("a", "1");
  send_all();
  w.returned("e", "k", "1", error{errc::not_found});
  w.returned("e", "k", "1", error{errc::not_found});
  EXPECT_TRUE(w.settle(2, true, true, note));
  EXPECT_THAT(settled, ElementsAre("a not_found", "a not_found"));
}

TEST_F(Window, AConfirmOfWhatWasNeverPublishedIsRefused) {
  EXPECT_FALSE(w.settle(1, false, true, note));
  push("a");
  EXPECT_FALSE(w.settle(1, false, true, note));  // not sent yet
  send_all();
  EXPECT_FALSE(w.settle(2, true, true, note));
  EXPECT_FALSE(w.settle(0, false, true, note));
  EXPECT_TRUE(w.settle(1, false, true, note));
  EXPECT_TRUE(w.settle(0, true, true, note));  // all of none
}

TEST_F(Window, AReturnBelongsToTheFirstMessageThatIsLikeIt) {
  push("a", "1");
  push("b", "2");
  push("c", "2");
  send_all();
  w.returned("e", "k", "2", error{errc::not_found, "NO_ROUTE"});
  w.returned("e", "other", "1", error{errc::not_found, "NO_ROUTE"});
  EXPECT_TRUE(w.settle(3, true, true, note));
  EXPECT_THAT(settled, ElementsAre("a", "b not_found", "c"));
}

TEST_F(Window, ANewChannelSendsWhatIsNotSettledInOrder) {
  for (const auto* each : {"a", "b", "c", "d"}) push(each);
  EXPECT_THAT(send_all(), ElementsAre("a", "b", "c", "d"));
  push("e");
  EXPECT_TRUE(w.settle(2, false, true, note));
  w.returned("e", "k", "", error{errc::not_found, "NO_ROUTE"});
  w.restart();
  push("f");
  EXPECT_EQ(w.size(), 5u);
  EXPECT_THAT(send_all(), ElementsAre("a", "c", "d", "e", "f"));
  EXPECT_TRUE(w.settle(5, true, true, note));
  EXPECT_THAT(settled, ElementsAre("b", "a", "c", "d", "e", "f"));
}

TEST_F(Window, OnlyWhatWasNeverSentCanBeWithdrawn) {
  auto p = std::make_shared<publication>();
  w.push(p);
  EXPECT_TRUE(w.withdraw(*p));
  EXPECT_FALSE(w.withdraw(*p));
  w.push(p);
  send_all();
  EXPECT_FALSE(w.withdraw(*p));
  w.restart();
  EXPECT_FALSE(w.withdraw(*p));
}

TEST_F(Window, TheOldestInFlightCanBeGivenUp) {
  for (const auto* each : {"a", "b", "c"}) push(each);
  send_all();
  EXPECT_TRUE(w.settle(1, false, true, note));
  EXPECT_EQ(w.take_oldest_sent()->content.body, "b");
  w.restart();
  EXPECT_THAT(send_all(), ElementsAre("c"));
  push("d");
  w.abandon(error{errc::unavailable, "gone"}, note);
  EXPECT_THAT(settled, ElementsAre("a", "c unavailable", "d unavailable"));
  EXPECT_EQ(w.take_oldest_sent(), nullptr);
}

// Against a model: any confirms, restarts in between; everything is settled exactly once.
TEST(WindowProperties, EveryPublicationIsSettledOnce) {
  rc::check([](const std::vector<std::pair<std::uint8_t, std::uint8_t>>& steps) {
    publish_window w;
    std::map<std::string, int> outcomes;
    publish_window::sink note = [&](publication& p, result<>) { ++outcomes[p.content.body]; };
    int pushed = 0;
    std::uint64_t sent = 0;
    for (const auto& [what, how] : steps) {
      if (what % 4 == 0) {
        w.restart();
        sent = 0;
      } else if (what % 4 == 1 && sent > 0) {
        RC_ASSERT(w.settle(1 + how % sent, (how & 1) != 0, true, note));
      } else {
        auto p = std::make_shared<publication>();
        p->content.body = std::to_string(pushed++);
        w.push(std::move(p));
      }
      while (w.next_unsent() != nullptr) {
        w.mark_sent();
        ++sent;
      }
      RC_ASSERT(w.in_flight() == w.size());
      RC_ASSERT(w.size() + outcomes.size() == static_cast<std::size_t>(pushed));
    }
    RC_ASSERT(w.settle(0, true, true, note));
    RC_ASSERT(outcomes.size() == static_cast<std::size_t>(pushed));
    for (const auto& [body, times] : outcomes) RC_ASSERT(times == 1);
  });
}

}  // namespace
}  // namespace weft::amqp::sansio
