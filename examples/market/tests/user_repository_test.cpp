// What every user_repository promises: in memory, and in a database with an outbox.
#include "events.hpp"
#include "users/memory_user_repository.hpp"
#include "users/sql_user_repository.hpp"
#include "users/user_events.hpp"

#include <weft/outbox/relay.hpp>
#include <weft/runtime/when.hpp>
#include <weft/storage/database.hpp>
#include <weft/testkit.hpp>

#include <gtest/gtest.h>

namespace {

using namespace weft;
using namespace std::chrono_literals;
using namespace market::users;

enum class kept { memory, database };

class user_repositories : public testing::TestWithParam<kept> {
 protected:
  user_repositories() { sim_.run(machine_, open()); }
  ~user_repositories() override {
    if (relay_) sim_.run(machine_, end());
  }

  task<void> open() {
    watch_ = (co_await events_.bus.subscribe({}, {.group = "watch", .patterns = {"user.*"}})).value();
    if (GetParam() == kept::memory) {
      users_ = std::make_unique<memory_user_repository>(3, 10, events_.queue);
      co_return;
    }
    database_ = (co_await storage::open(machine_.loop(), {}, "sqlite::memory:")).value();
    outbox_ = (co_await messaging::outbox::open(*database_, {})).value();
    auto made = std::make_unique<sql_user_repository>(*database_, *outbox_);
    EXPECT_TRUE(co_await made->prepare({}));
    users_ = std::move(made);
    relay_.emplace(*outbox_, events_.bus);
    EXPECT_TRUE(co_await relay_->start({}));
  }
  task<void> end() { EXPECT_TRUE(co_await relay_->stop({})); }

  user named(std::string name) {
    sim_.run_for(1s);
    const auto now = std::chrono::floor<std::chrono::milliseconds>(machine_.loop().wall_now());
    return {.id = user_id{machine_.loop().random().make_uuid_v7(now)},
            .name = name,
            .email = name + "@example.com",
            .created_at = now,
            .updated_at = now};
  }
  messaging::outgoing told(const messaging::topic<user>& topic, const user& u) {
    return events_.publisher.prepare({}, topic, u, u.id.value().to_string()).value();
  }
  result<> add(const user& u) { return sim_.run(machine_, users_->add({}, u, told(user_created, u))); }
  result<> replace(const user& u) {
    const auto changed = sim_.run(machine_, users_->change({}, u.id, becomes(u)));
    if (!changed) return fail(changed.error());
    return {};
  }
  user_repository::edit becomes(const user& u) {
    return [this, u](user& changed) -> result<messaging::outgoing> {
      changed = u;
      return told(user_updated, u);
    };
  }
  result<> remove(const user_id& id) {
    const deleted_user gone{id};
    return sim_.run(
        machine_,
        users_->remove({}, id, events_.publisher.prepare({}, user_deleted, gone, id.value().to_string()).value()));
  }
  result<user> find(const user_id& id) { return sim_.run(machine_, users_->find({}, id)); }
  std::vector<std::string> names(user_query query) {
    std::vector<std::string> found;
    const auto page = sim_.run(machine_, users_->list({}, std::move(query))).value();
    for (const auto& each : page.users) found.push_back(each.name);
    found.push_back(std::to_string(page.total));
    return found;
  }
  result<> count(std::uint64_t post, const user_id& author, post_change change) {
    return sim_.run(machine_, users_->count_post({}, author, uuid::v4(1, post), change));
  }
  std::vector<std::string> topics_told() {
    sim_.run_for(5s);
    std::vector<std::string> all;
    while (auto next = watch_->try_next()) {
      all.push_back(next->what->topic);
      EXPECT_TRUE(sim_.run(machine_, watch_->settle({}, next->tag, messaging::settlement::ack())));
    }
    return all;
  }

  testkit::simulation sim_{8};
  testkit::host& machine_ = sim_.add_host("users");
  market::test_events events_{machine_.loop(), "/users"};
  std::unique_ptr<messaging::consumer> watch_;
  std::unique_ptr<storage::database> database_;
  std::unique_ptr<messaging::outbox> outbox_;
  std::unique_ptr<user_repository> users_;
  std::optional<messaging::outbox_relay> relay_;
};

using strings = std::vector<std::string>;

TEST_P(user_repositories, keep_a_change_together_with_what_is_told_of_it) {
  auto ada = named("Ada");
  EXPECT_TRUE(add(ada));
  EXPECT_EQ(json::encode(find(ada.id).value()), json::encode(ada));
  ada.status = user_status::inactive;
  ada.post_count = 99;  // not this one's to change
  EXPECT_TRUE(replace(ada));
  EXPECT_EQ(find(ada.id)->status, user_status::inactive);
  EXPECT_EQ(find(ada.id)->post_count, 0u);
  EXPECT_TRUE(remove(ada.id));
  EXPECT_EQ(find(ada.id).error().code(), errc::not_found);
  EXPECT_EQ(topics_told(), (strings{"user.created", "user.updated", "user.deleted"}));
}

TEST_P(user_repositories, tell_nothing_of_what_did_not_happen) {
  EXPECT_TRUE(add(named("Ada")));
  auto eve = named("Eve");
  eve.email = "ADA@example.com";
  EXPECT_EQ(add(eve).error().code(), errc::already_exists);
  EXPECT_EQ(replace(eve).error().code(), errc::not_found);
  EXPECT_EQ(remove(eve.id).error().code(), errc::not_found);
  const auto bob = named("Bob");
  EXPECT_TRUE(add(bob));
  auto other = bob;
  other.email = "Ada@example.com";
  EXPECT_EQ(replace(other).error().code(), errc::already_exists);
  EXPECT_EQ(topics_told(), (strings{"user.created", "user.created"}));
}

// G7: changes at the same time are all kept.
TEST_P(user_repositories, keep_all_changes_that_are_made_at_once) {
  const auto ada = named("Ada");
  EXPECT_TRUE(add(ada));
  constexpr int many = 40;
  std::vector<task<result<user>>> changes;
  for (int i = 0; i < many; ++i)
    changes.push_back(users_->change({}, ada.id, [this](user& u) -> result<messaging::outgoing> {
      u.name += "!";
      u.updated_at += 1ms;
      return told(user_updated, u);
    }));
  for (const auto& each : sim_.run(machine_, when_all(machine_.loop(), std::move(changes))))
    EXPECT_TRUE(each) << each.error().describe();
  EXPECT_EQ(find(ada.id)->name, "Ada" + std::string(many, '!'));
  EXPECT_EQ(find(ada.id)->updated_at, ada.updated_at + many * 1ms);
  EXPECT_EQ(topics_told().size(), 1u + many);
}

TEST_P(user_repositories, keep_nothing_of_a_change_that_fails) {
  const auto ada = named("Ada");
  EXPECT_TRUE(add(ada));
  const auto refused = sim_.run(machine_, users_->change({}, ada.id, [](user& u) -> result<messaging::outgoing> {
    u.name = "Eve";
    return fail(errc::invalid_argument, "no");
  }));
  EXPECT_EQ(refused.error().code(), errc::invalid_argument);
  EXPECT_EQ(find(ada.id)->name, "Ada");
  EXPECT_EQ(topics_told(), strings{"user.created"});
}

TEST_P(user_repositories, count_each_post_once) {
  const auto ada = named("Ada");
  EXPECT_TRUE(add(ada));
  for (int twice = 0; twice < 2; ++twice)
    for (const std::uint64_t post : {1, 2, 3}) EXPECT_TRUE(count(post, ada.id, post_change::created));
  EXPECT_EQ(find(ada.id)->post_count, 3u);
  for (int twice = 0; twice < 2; ++twice) EXPECT_TRUE(count(2, ada.id, post_change::deleted));
  EXPECT_TRUE(count(4, ada.id, post_change::deleted));  // before it was created
  EXPECT_TRUE(count(4, ada.id, post_change::created));
  EXPECT_TRUE(count(5, named("Nobody").id, post_change::created));
  EXPECT_EQ(find(ada.id)->post_count, 2u);
}

TEST_P(user_repositories, list_the_newest_first_and_what_is_searched_for) {
  for (const auto* name : {"ann", "a_b", "Anna"}) EXPECT_TRUE(add(named(name)));
  EXPECT_EQ(names({.page = {.page = 1, .limit = 2}}), (strings{"Anna", "a_b", "3"}));
  EXPECT_EQ(names({.page = {.page = 2, .limit = 2}}), (strings{"ann", "3"}));
  EXPECT_EQ(names({.search = "ANN"}), (strings{"Anna", "ann", "2"}));
  EXPECT_EQ(names({.search = "_"}), (strings{"a_b", "1"}));
  EXPECT_EQ(names({.search = "%"}), strings{"0"});
  EXPECT_EQ(names({.search = "ann", .status = user_status::inactive}), strings{"0"});
}

INSTANTIATE_TEST_SUITE_P(all, user_repositories, testing::Values(kept::memory, kept::database),
                         [](const auto& which) { return which.param == kept::memory ? "memory" : "database"; });

}  // namespace
