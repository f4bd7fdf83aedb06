// A user's post_count, kept by the events of the posts service, however often and in whatever order they come.
#include "events.hpp"
#include "users/memory_user_repository.hpp"
#include "users/post_counter.hpp"
#include "users/user_events.hpp"

#include <weft/messaging/router.hpp>
#include <weft/runtime/sleep.hpp>
#include <weft/testkit.hpp>

#include <gtest/gtest.h>

#include <algorithm>

namespace {

using namespace weft;
using namespace std::chrono_literals;
using market::users::post_change;
using market::users::user_id;

uuid numbered(std::uint64_t n) { return uuid::v4(1, n); }

TEST(post_ledger, counts_each_post_once_whatever_comes_again_or_late) {
  market::users::post_ledger ledger{10};
  EXPECT_EQ(ledger.apply(numbered(1), post_change::created).value(), 1);
  EXPECT_EQ(ledger.apply(numbered(1), post_change::created).value(), 0);
  EXPECT_EQ(ledger.apply(numbered(1), post_change::deleted).value(), -1);
  EXPECT_EQ(ledger.apply(numbered(1), post_change::deleted).value(), 0);
  EXPECT_EQ(ledger.apply(numbered(1), post_change::created).value(), 0);  // a replay
  EXPECT_EQ(ledger.apply(numbered(2), post_change::deleted).value(), 0);  // before it was created
  EXPECT_EQ(ledger.apply(numbered(2), post_change::created).value(), 0);
}

TEST(post_ledger, is_bounded) {
  market::users::post_ledger ledger{2};
  EXPECT_EQ(ledger.apply(numbered(1), post_change::created).value(), 1);
  EXPECT_EQ(ledger.apply(numbered(2), post_change::created).value(), 1);
  EXPECT_EQ(ledger.apply(numbered(3), post_change::created).error().code(), errc::resource_exhausted);
  EXPECT_EQ(ledger.apply(numbered(1), post_change::deleted).value(), -1);
  EXPECT_EQ(ledger.apply(numbered(3), post_change::created).value(), 1);
  EXPECT_EQ(ledger.apply(numbered(4), post_change::deleted).value(), 0);
  EXPECT_EQ(ledger.apply(numbered(5), post_change::deleted).value(), 0);  // the first one is forgotten
  EXPECT_EQ(ledger.apply(numbered(2), post_change::deleted).value(), -1);
  EXPECT_EQ(ledger.apply(numbered(1), post_change::created).value(), 1);
}

// Any history of posts, each event told up to three times, in any order: what is left are the posts that were not
// deleted.
TEST(post_ledger, ends_right_for_any_order) {
  testkit::simulation sim{7};
  auto& random = sim.random();
  for (int round = 0; round < 300; ++round) {
    std::vector<std::pair<std::uint64_t, post_change>> events;
    int alive = 0;
    const auto posts = random.between(1, 8);
    for (std::int64_t post = 0; post < posts; ++post) {
      const bool deleted = random.between(0, 1) == 1;
      alive += deleted ? 0 : 1;
      for (auto copies = random.between(1, 3); copies > 0; --copies) events.emplace_back(post, post_change::created);
      if (!deleted) continue;
      for (auto copies = random.between(1, 3); copies > 0; --copies) events.emplace_back(post, post_change::deleted);
    }
    for (auto i = events.size(); i > 1; --i)
      std::swap(events[i - 1], events[static_cast<std::size_t>(random.between(0, static_cast<std::int64_t>(i) - 1))]);
    market::users::post_ledger ledger{100};
    int count = 0;
    for (const auto& [post, change] : events) count += ledger.apply(numbered(post), change).value();
    ASSERT_EQ(count, alive) << "round " << round;
  }
}

struct told_post {
  uuid id;
  user_id author;
};

class post_count : public testing::Test {
 protected:
  post_count() {
    market::users::count_posts(router_, users_);
    sim_.run(machine_, add());
  }
  task<void> add() {
    const market::users::user ada{.id = ada_, .name = "Ada", .email = "ada@example.com"};
    EXPECT_TRUE(co_await users_.add({}, ada, events_.publisher.prepare({}, market::users::user_created, ada).value()));
    EXPECT_TRUE(co_await router_.start({}));
  }
  void tell(const std::string& type, const uuid& post, std::string id, const user_id& author) {
    const auto data = R"({"id":")" + post.to_string() + R"(","user_id":")" + author.value().to_string() + R"("})";
    const auto told = sim_.run(
        machine_, events_.publisher.publish_json({}, type, type, 1, data, post.to_string(), {.id = std::move(id)}));
    EXPECT_TRUE(told);
  }
  std::uint32_t count() {
    sim_.run_for(1min);
    return sim_.run(machine_, users_.find({}, ada_)).value().post_count;
  }
  std::size_t dead() {
    return sim_.run(machine_, events_.bus.admin()->dead_letters({}, {.group = "users.post_count"}))->size();
  }

  testkit::simulation sim_{4};
  testkit::host& machine_ = sim_.add_host("users");
  std::shared_ptr<messaging::memory_hub> hub_ = std::make_shared<messaging::memory_hub>();
  market::test_events events_{machine_.loop(), "/posts", hub_};
  market::users::memory_user_repository users_{5, 100, events_.queue};
  messaging::router router_{machine_.loop(), events_.bus, {.name = "users"}};
  user_id ada_{numbered(100)}, nobody_{numbered(101)};
};

TEST_F(post_count, follows_the_posts_and_takes_no_event_twice) {
  tell("post.created", numbered(1), "e-1", ada_);
  tell("post.created", numbered(1), "e-1", ada_);
  tell("post.created", numbered(2), "e-2", ada_);
  tell("post.created", numbered(2), "e-2-replayed", ada_);
  EXPECT_EQ(count(), 2u);
  tell("post.deleted", numbered(2), "e-3", ada_);
  tell("post.deleted", numbered(2), "e-3", ada_);
  EXPECT_EQ(count(), 1u);
  tell("post.deleted", numbered(3), "e-5", ada_);
  tell("post.created", numbered(3), "e-4", ada_);
  tell("post.created", numbered(4), "e-6", nobody_);
  EXPECT_EQ(count(), 1u);
  EXPECT_EQ(dead(), 0u);
}

TEST_F(post_count, outlives_a_lost_connection) {
  for (std::uint64_t i = 1; i <= 20; ++i) tell("post.created", numbered(i), "e-" + std::to_string(i), ada_);
  hub_->cut();
  for (std::uint64_t i = 1; i <= 5; ++i) tell("post.deleted", numbered(i), "d-" + std::to_string(i), ada_);
  hub_->cut();
  EXPECT_EQ(count(), 15u);
}

TEST_F(post_count, is_no_business_of_a_change_of_the_user) {
  tell("post.created", numbered(1), "e-1", ada_);
  sim_.run_for(1s);
  EXPECT_TRUE(sim_.run(machine_, users_.change({}, ada_, [this](market::users::user& ada) {
    ada.name = "Ada Lovelace";
    ada.post_count = 77;
    return events_.publisher.prepare({}, market::users::user_updated, ada);
  })));
  EXPECT_EQ(count(), 1u);
}

TEST_F(post_count, puts_aside_what_it_cannot_read) {
  const auto told =
      sim_.run(machine_, events_.publisher.publish_json({}, "post.created", "post.created", 1, R"({"id":7})", "7", {}));
  EXPECT_TRUE(told);
  EXPECT_EQ(count(), 0u);
  EXPECT_EQ(dead(), 1u);
}

}  // namespace
