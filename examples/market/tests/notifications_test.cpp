// Welcome mails: once for each user, tried again while the server is away, put aside when it refuses.
#include "events.hpp"
#include "notifications/notifications_api.hpp"
#include "notifications/welcome_mails.hpp"
#include "users/memory_user_repository.hpp"
#include "users/users_api.hpp"

#include <weft/http/client.hpp>
#include <weft/http/server.hpp>
#include <weft/json/value.hpp>
#include <weft/messaging/router.hpp>
#include <weft/storage/database.hpp>
#include <weft/testkit.hpp>

#include <gtest/gtest.h>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/value_to.hpp>

namespace {

using namespace weft;
using namespace std::chrono_literals;
using namespace market::notifications;

// Says what the test tells it to, and keeps what it took.
class scripted_mailer final : public mailer {
 public:
  std::function<result<>(const mail&)> say = [](const mail&) { return result<>{}; };
  std::function<task<void>()> then;  // after it has answered
  std::vector<mail> taken;
  int tries = 0;

  task<result<>> send(context, mail m) override {
    ++tries;
    auto said = say(m);
    if (said) taken.push_back(std::move(m));
    if (then) co_await then();
    co_return said;
  }
};

class welcome : public testing::Test {
 protected:
  void start(mailer* mails, welcome_options options = {}) {
    sim_.run(machine_, open());
    welcome_.emplace(machine_.loop(), *box_, mails);
    router_.emplace(machine_.loop(), events_.bus, messaging::router_options{.name = "notifications"});
    welcome_->serve(*router_, options);
    EXPECT_TRUE(sim_.run(machine_, router_->start({})));
    api_.emplace(*box_);
    server_.emplace(machine_.loop(), api_->routes().as_handler());
    EXPECT_TRUE(server_->listen(machine_.address(80)));
  }
  task<void> open() {
    database_ = (co_await storage::open(machine_.loop(), {}, "sqlite::memory:")).value();
    box_.emplace(*database_);
    EXPECT_TRUE(co_await box_->prepare({}));
  }
  task<void> rename(std::string from, std::string to) {
    EXPECT_TRUE(co_await database_->execute({}, "ALTER TABLE " + from + " RENAME TO " + to));
  }
  void tell(const std::string& event, std::uint64_t user, const std::string& email = "ada@example.com") {
    const auto id = uuid::v4(1, user).to_string();
    const auto data = R"({"id":")" + id + R"(","name":"Ada","email":")" + email + R"(","status":"active"})";
    EXPECT_TRUE(sim_.run(
        machine_, events_.publisher.publish_json({}, "user.created", "user.created", 1, data, id, {.id = event})));
  }
  json::value get(const std::string& path) { return sim_.run(caller_, ask(path)); }
  task<json::value> ask(std::string path) {
    http::client client{caller_.loop(), {.base_url = "http://notifications"}};
    auto answer = co_await client.send({}, {http::method::get, path});
    if (!answer) co_return json::value(nullptr);
    const auto text = co_await answer->content.text();
    co_return json::parse(text.value_or("")).value_or(json::value(nullptr));
  }
  task<int> create(std::string url) {
    http::client client{caller_.loop(), {.base_url = url}};
    auto answer =
        co_await client.send({}, {http::method::post, "/api/users", R"({"name":"Ada","email":"ada@example.com"})"});
    co_return answer ? to_int(answer->status) : 0;
  }
  std::uint64_t sent() {
    return boost::json::value_to<std::uint64_t>(get("/api/notifications").at_pointer("/meta/total"));
  }
  std::vector<messaging::dead_letter_entry> dead() {
    return sim_.run(machine_, events_.bus.admin()->dead_letters({}, {.group = "notifications.welcome"})).value();
  }

  testkit::simulation sim_{6};
  testkit::host &machine_{sim_.add_host("notifications")}, &caller_{sim_.add_host("caller")};
  std::shared_ptr<messaging::memory_hub> hub_ = std::make_shared<messaging::memory_hub>();
  market::test_events events_{machine_.loop(), "/users", hub_};
  std::unique_ptr<storage::database> database_;
  std::optional<mailbox> box_;
  std::optional<welcome_mails> welcome_;
  std::optional<notifications_api> api_;
  std::optional<http::server> server_;
  std::optional<messaging::router> router_;
};

TEST_F(welcome, is_in_the_mailbox_once_for_each_user) {
  start(nullptr);
  tell("e-1", 1);
  tell("e-1", 1);        // a duplicate
  tell("e-1-again", 1);  // the same user, told under another id
  sim_.run_for(1s);
  tell("e-2", 2, "bob@example.com");  // somebody else
  sim_.run_for(1min);
  hub_->cut();
  tell("e-2", 2, "bob@example.com");
  sim_.run_for(1min);
  const auto list = get("/api/notifications?limit=1");
  EXPECT_EQ(json::serialize(list.at_pointer("/meta")), R"({"page":1,"limit":1,"total":2,"pages":2})");
  EXPECT_EQ(list.at_pointer("/success"), json::value(true));
  const auto& newest = list.at_pointer("/data/0");
  EXPECT_EQ(newest.at("to"), json::value("bob@example.com"));
  EXPECT_EQ(newest.at("via"), json::value("mailbox"));
  EXPECT_EQ(newest.at("kind"), json::value("welcome"));
  EXPECT_EQ(newest.at("event_id"), json::value("e-2"));
  const auto id = boost::json::value_to<std::string>(newest.at("id"));
  EXPECT_EQ(get("/api/notifications/" + id).at("data"), newest);

  const auto of_one = get("/api/notifications?user_id=" + uuid::v4(1, 1).to_string());
  EXPECT_EQ(of_one.at_pointer("/meta/total"), json::value(1));
  EXPECT_EQ(of_one.at_pointer("/data/0/to"), json::value("ada@example.com"));
  EXPECT_EQ(get("/api/notifications?user_id=nobody").at_pointer("/meta/total"), json::value(0));
  EXPECT_EQ(get("/api/notifications/7").at_pointer("/error/code"), json::value("NOTIFICATION_NOT_FOUND"));
  EXPECT_EQ(get("/api/notifications?page=0").at_pointer("/error/code"), json::value("VALIDATION_FAILED"));
}

TEST_F(welcome, is_tried_again_until_the_server_takes_it) {
  scripted_mailer mails;
  mails.say = [&](const mail&) -> result<> {
    if (mails.tries < 4) return fail(errc::unavailable, "451 come back later");
    return {};
  };
  start(&mails);
  tell("e-1", 1);
  sim_.run_for(1s);
  EXPECT_EQ(sent(), 0u);
  sim_.run_for(10min);
  EXPECT_EQ(mails.tries, 4);
  EXPECT_EQ(sent(), 1u);
  EXPECT_EQ(mails.taken.at(0).id, "e-1");  // of the Message-ID
  EXPECT_EQ(get("/api/notifications").at_pointer("/data/0/via"), json::value("smtp"));
  EXPECT_TRUE(dead().empty());
}

TEST_F(welcome, goes_to_the_dead_letters_with_what_the_server_said) {
  scripted_mailer mails;
  mails.say = [](const mail& m) -> result<> {
    if (m.to == "nobody@example.com") return fail(errc::invalid_argument, "550 no such user");
    return fail(errc::unavailable, "451 come back later");
  };
  start(&mails, {.max_attempts = 3});
  tell("e-1", 1, "nobody@example.com");
  sim_.run_for(1s);
  EXPECT_EQ(mails.tries, 1);  // no later try would help
  ASSERT_EQ(dead().size(), 1u);
  EXPECT_EQ(dead()[0].reason, "invalid_argument: 550 no such user");
  tell("e-2", 2);
  sim_.run_for(10min);
  ASSERT_EQ(dead().size(), 2u);
  EXPECT_EQ(dead()[1].reason, "unavailable: 451 come back later");
  EXPECT_EQ(dead()[1].attempts, 3u);
  EXPECT_EQ(sent(), 0u);

  mails.say = [](const mail&) { return result<>{}; };
  EXPECT_EQ(sim_.run(machine_, events_.bus.admin()->replay({}, "notifications.welcome", {})).value(), 2u);
  sim_.run_for(1min);
  EXPECT_EQ(sent(), 2u);
}

TEST_F(welcome, waits_for_a_server_that_is_away_and_gives_nobody_up) {
  scripted_mailer mails;
  mails.say = [](const mail&) -> result<> { return fail(errc::unavailable, "no connection"); };
  start(&mails, {.max_attempts = 3});
  for (std::uint64_t i = 0; i < 50; ++i) tell("e-" + std::to_string(i), i);
  sim_.run_for(2h);
  EXPECT_LT(dead().size(), 10u);  // those that had used up their attempts before it was clear
  const auto gone = dead().size();
  mails.say = [](const mail&) { return result<>{}; };
  sim_.run_for(1h);
  EXPECT_EQ(sent(), 50 - gone);
}

TEST_F(welcome, is_not_sent_again_when_only_the_mailbox_failed) {
  scripted_mailer mails;
  start(&mails);
  mails.then = [&] { return rename("notifications", "away"); };  // it is there when asked, and gone when told
  tell("e-1", 1);
  sim_.run_for(1min);
  EXPECT_EQ(mails.tries, 1);
  ASSERT_EQ(dead().size(), 1u);
  mails.then = {};
  sim_.run(machine_, rename("away", "notifications"));
  EXPECT_EQ(sent(), 0u);
  EXPECT_EQ(sim_.run(machine_, events_.bus.admin()->replay({}, "notifications.welcome", {})).value(), 1u);
  sim_.run_for(1min);
  EXPECT_EQ(mails.tries, 1);
  EXPECT_EQ(sent(), 1u);
}

TEST_F(welcome, old_ones_are_forgotten) {
  start(nullptr);
  tell("e-1", 1);
  sim_.run_for(24h * 91);
  EXPECT_EQ(sent(), 1u);
  tell("e-2", 2);
  sim_.run_for(1min);
  EXPECT_EQ(sent(), 1u);
}

// From the request to the mail: what the caller sent is in the event, and in the mail.
TEST_F(welcome, carries_the_trace_and_the_correlation_id_of_the_request) {
  scripted_mailer mails;
  start(&mails);
  auto registry = discovery::make_registry(machine_.loop(), "memory:nobody");
  discovery::service_client posts_client{machine_.loop(), *registry, {.service = "posts", .caller = "users"}};
  market::users::user_posts posts{machine_.loop(), posts_client, nullptr};
  market::users::memory_user_repository users{5, 100, events_.queue};
  market::users::users_api api{users, posts, events_.publisher};
  trace_position position;
  position.trace_id.fill(0xab);
  position.span_id.fill(0xcd);
  const auto asked = context{}.with_correlation_id("order-7").with_trace(position);  // as the host's middleware does it
  const auto handle = api.routes().as_handler();
  http::server front{machine_.loop(), [&](http::request& got) {
                       got.set_context(asked);
                       return handle(got);
                     }};
  EXPECT_TRUE(front.listen(machine_.address(81)));
  EXPECT_EQ(sim_.run(caller_, create("http://notifications:81")), 201);
  sim_.run_for(1min);
  ASSERT_EQ(mails.taken.size(), 1u);
  EXPECT_EQ(mails.taken[0].correlation_id, "order-7");
  EXPECT_TRUE(mails.taken[0].traceparent.starts_with("00-abababababababababababababababab-"))
      << mails.taken[0].traceparent;
  EXPECT_EQ(get("/api/notifications").at_pointer("/data/0/correlation_id"), json::value("order-7"));
}

}  // namespace
