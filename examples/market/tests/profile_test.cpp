// A user's profile, with posts on another machine: from the service, from the answer before, or none, and why.
#include "events.hpp"
#include "posts/memory_post_repository.hpp"
#include "posts/posts_api.hpp"
#include "users/memory_user_repository.hpp"
#include "users/users_api.hpp"

#include <weft/discovery/registry.hpp>
#include <weft/http/client.hpp>
#include <weft/http/server.hpp>
#include <weft/json/value.hpp>
#include <weft/resilience/policy_set.hpp>
#include <weft/runtime/sleep.hpp>
#include <weft/testkit.hpp>

#include <gtest/gtest.h>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/value_to.hpp>

namespace {

using namespace weft;
using namespace std::chrono_literals;

struct reply {
  int status = 0;
  json::value content;
  std::string author_check;

  [[nodiscard]] std::string text(std::string_view pointer) const {
    boost::system::error_code absent;
    const auto* at = content.find_pointer(pointer, absent);
    return at != nullptr ? boost::json::value_to<std::string>(*at) : "";
  }
  [[nodiscard]] std::size_t posts() const { return content.at_pointer("/data/posts").as_array().size(); }
};

resilience::policies some_policies() {
  resilience::policies all;
  all.policies["posts"] = {.timeout = resilience::timeout{.after = 2s},
                           .retry = resilience::retry{.max_attempts = 2, .base_delay = 10ms},
                           .circuit_breaker = resilience::circuit_breaker{.minimum_throughput = 6, .break_for = 10s},
                           .attempt_timeout = resilience::timeout{.after = 300ms}};
  all.policies["user_posts"] = {.cache = resilience::cache_options{.ttl = 1ms, .stale_if_error = 60s}};
  all.policies["users"] = {.timeout = resilience::timeout{.after = 500ms}};
  return all;
}

// The posts service, until its machine crashes; then its posts are gone.
task<void> serve_posts(testkit::host& me, std::string where) {
  const auto registry = discovery::make_registry(me.loop(), where);
  resilience::policy_set policies{some_policies()};
  discovery::service_client users{
      me.loop(), *registry, {.service = "users", .caller = "posts"}, policies.find("users")};
  market::test_events events{me.loop(), "/posts"};
  market::posts::memory_post_repository repository{100, events.queue};
  market::posts::remote_authors authors{users};
  market::posts::posts_api api{repository, authors, events.publisher};
  http::server server{me.loop(), api.routes().as_handler()};
  EXPECT_TRUE(server.listen(me.address(80)));
  static_cast<void>(co_await weft::sleep(me.loop(), {}, 24h));
}

class profile : public testing::Test {
 protected:
  profile() {
    EXPECT_TRUE(server_.listen(users_host_.address(80)));
    posts_host_.on_boot([this](testkit::host& me) { return serve_posts(me, where_); });
    sim_.run_for(10ms);
    ada_ =
        ask("users", http::method::post, "/api/users", R"({"name":"Ada","email":"ada@example.com"})").text("/data/id");
  }

  reply ask(const std::string& service, http::method m, const std::string& path, const std::string& content = "") {
    return sim_.run(caller_, send("http://" + service, m, path, content));
  }
  reply write(const std::string& user, const std::string& title) {
    return ask("posts", http::method::post, "/api/posts",
               R"({"user_id":")" + user + R"(","title":")" + title + R"(","content":"..."})");
  }
  reply look() { return ask("users", http::method::get, "/api/users/" + ada_ + "/profile"); }
  task<reply> send(std::string url, http::method m, std::string path, std::string content) {
    http::client client{caller_.loop(), {.base_url = url}};
    auto answer = co_await client.send(context::background(), {m, path, std::move(content)});
    if (!answer) co_return reply{};
    const auto text = co_await answer->content.text();
    co_return reply{to_int(answer->status), json::parse(text.value_or("")).value_or(json::value(nullptr)),
                    std::string{answer->headers.get("x-author-check").value_or("")}};
  }

  testkit::simulation sim_{5};
  testkit::host &users_host_{sim_.add_host("users")}, &posts_host_{sim_.add_host("posts")},
      &caller_{sim_.add_host("caller")};
  std::string where_ =
      "static:users=" + users_host_.address(80).to_string() + ";posts=" + posts_host_.address(80).to_string();
  std::unique_ptr<discovery::registry> registry_ = discovery::make_registry(users_host_.loop(), where_);
  resilience::policy_set policies_{some_policies()};
  discovery::service_client posts_client_{
      users_host_.loop(), *registry_, {.service = "posts", .caller = "users"}, policies_.find("posts")};
  market::users::user_posts posts_{users_host_.loop(), posts_client_, policies_.find("user_posts")};
  market::test_events events_{users_host_.loop(), "/users"};
  market::users::memory_user_repository repository_{5, 100, events_.queue};
  market::users::users_api api_{repository_, posts_, events_.publisher};
  http::server server_{users_host_.loop(), api_.routes().as_handler()};
  std::string ada_;
};

TEST_F(profile, has_the_posts_of_the_service) {
  const auto none = look();
  EXPECT_EQ(none.status, 200);
  EXPECT_EQ(none.posts(), 0u);
  EXPECT_EQ(none.text("/posts_source"), "service");

  EXPECT_EQ(write(ada_, "First").status, 201);
  sim_.run_for(10ms);
  EXPECT_EQ(write(ada_, "Second").status, 201);
  sim_.run_for(10ms);
  const auto two = look();
  EXPECT_EQ(two.text("/data/user/name"), "Ada");
  EXPECT_EQ(two.text("/data/posts/0/title"), "Second");
  EXPECT_EQ(two.posts(), 2u);
  EXPECT_FALSE(two.content.as_object().contains("reason"));
  EXPECT_EQ(ask("users", http::method::get, "/api/users/7/profile").status, 404);
}

TEST_F(profile, has_the_posts_of_before_when_the_service_is_gone_and_says_why) {
  write(ada_, "First");
  look();
  sim_.run_for(1s);
  posts_host_.crash();
  const auto kept = look();
  EXPECT_EQ(kept.status, 200);
  EXPECT_EQ(kept.posts(), 1u);
  EXPECT_EQ(kept.text("/posts_source"), "cache");
  EXPECT_TRUE(kept.text("/reason").starts_with("try 1 to 10.0.0.2:80 ")) << kept.text("/reason");
  EXPECT_TRUE(kept.text("/reason").contains("stale cache: 1.")) << kept.text("/reason");

  for (int i = 0; i < 5; ++i) look();
  EXPECT_TRUE(look().text("/reason").contains("breaker open: ")) << look().text("/reason");

  sim_.run_for(2min);  // too old to be served
  const auto empty = look();
  EXPECT_EQ(empty.status, 200);
  EXPECT_EQ(empty.posts(), 0u);
  EXPECT_EQ(empty.text("/posts_source"), "fallback");
  EXPECT_EQ(empty.text("/message"), "Post service temporarily unavailable");
  EXPECT_TRUE(empty.text("/reason").ends_with("fallback used")) << empty.text("/reason");

  posts_host_.restart();
  sim_.run_for(30s);
  EXPECT_EQ(look().text("/posts_source"), "service");
}

TEST_F(profile, a_post_needs_an_author_unless_users_cannot_be_asked) {
  const auto stranger = write("00000000-0000-7000-8000-000000000000", "First");
  EXPECT_EQ(stranger.status, 422);
  EXPECT_EQ(stranger.text("/error/code"), "AUTHOR_NOT_FOUND");
  EXPECT_EQ(write(ada_, "First").author_check, "");

  sim_.partition({"users"}, {"posts"});
  const auto unchecked = write(ada_, "Second");
  EXPECT_EQ(unchecked.status, 201);
  EXPECT_EQ(unchecked.author_check, "skipped");
}

TEST_F(profile, posts_are_found_listed_and_removed) {
  const auto wrong = write(ada_, " ");
  EXPECT_EQ(wrong.status, 400);
  EXPECT_EQ(wrong.text("/error/details/0/field"), "title");
  const auto made = write(ada_, "First");
  const auto path = "/api/posts/" + made.text("/data/id");
  EXPECT_EQ(ask("posts", http::method::get, path).content, made.content);
  const auto listed = ask("posts", http::method::get, "/api/posts?limit=1");
  EXPECT_EQ(json::serialize(listed.content.at("meta")), R"({"page":1,"limit":1,"total":1,"pages":1})");
  EXPECT_EQ(ask("posts", http::method::get, "/api/posts?page=0").status, 400);
  EXPECT_EQ(ask("posts", http::method::get, "/api/posts/user/nobody").content.at_pointer("/meta/total"),
            json::value(0));
  EXPECT_EQ(ask("posts", http::method::delete_, path).status, 204);
  EXPECT_EQ(ask("posts", http::method::get, path).text("/error/code"), "POST_NOT_FOUND");
  EXPECT_EQ(ask("posts", http::method::get, "/api/posts/user/" + ada_).content.at_pointer("/meta/total"),
            json::value(0));
}

}  // namespace
