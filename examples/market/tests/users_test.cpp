// The users service, asked over the simulated network: the shapes of its answers and what it refuses.
#include "events.hpp"
#include "users/memory_user_repository.hpp"
#include "users/users_api.hpp"

#include <weft/http/client.hpp>
#include <weft/http/server.hpp>
#include <weft/json/value.hpp>
#include <weft/testkit.hpp>

#include <gtest/gtest.h>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/value_to.hpp>

namespace {

using namespace weft;

struct reply {
  int status = 0;
  json::value content;
  std::string location;

  [[nodiscard]] const json::value& at(std::string_view pointer) const { return content.at_pointer(pointer); }
  [[nodiscard]] std::string text(std::string_view pointer) const {
    return boost::json::value_to<std::string>(at(pointer));
  }
};

class users : public testing::Test {
 protected:
  users() { EXPECT_TRUE(server_.listen(machine_.address(80))); }

  reply ask(http::method m, const std::string& path, const std::string& content = "") {
    return sim_.run(caller_, send(m, path, content));
  }
  reply create(const std::string& name, const std::string& email) {
    return ask(http::method::post, "/api/users", R"({"name":")" + name + R"(","email":")" + email + R"("})");
  }
  task<reply> send(http::method m, std::string path, std::string content) {
    auto answer = co_await client_.send(context::background(), {m, path, std::move(content)});
    if (!answer) co_return reply{};
    const auto text = co_await answer->content.text();
    co_return reply{to_int(answer->status), json::parse(text.value_or("")).value_or(json::value(nullptr)),
                    std::string{answer->headers.get("location").value_or("")}};
  }

  testkit::simulation sim_{3};
  testkit::host &machine_{sim_.add_host("users")}, &caller_{sim_.add_host("caller")};
  market::test_events events_{machine_.loop(), "/users"};
  market::users::memory_user_repository repository_{5, 100, events_.queue};
  std::unique_ptr<discovery::registry> registry_ = discovery::make_registry(machine_.loop(), "memory:nobody");
  discovery::service_client posts_client_{machine_.loop(), *registry_, {.service = "posts", .caller = "users"}};
  market::users::user_posts posts_{machine_.loop(), posts_client_, nullptr};
  market::users::users_api api_{repository_, posts_, events_.publisher};
  http::server server_{machine_.loop(), api_.routes().as_handler()};
  http::client client_{caller_.loop(), {.base_url = "http://users"}};
};

TEST_F(users, are_created_found_changed_and_removed) {
  const auto made = create(" Ada ", "ada@example.com");
  EXPECT_EQ(made.status, 201);
  EXPECT_EQ(made.at("/success"), json::value(true));
  EXPECT_EQ(made.text("/data/name"), "Ada");
  EXPECT_EQ(made.text("/data/status"), "active");
  EXPECT_EQ(made.at("/data/post_count"), json::value(0));
  EXPECT_EQ(made.text("/data/created_at"), made.text("/data/updated_at"));
  const auto id = made.text("/data/id");
  EXPECT_EQ(uuid::parse(id)->version(), 7);
  EXPECT_EQ(made.location, "/api/users/" + id);

  const auto found = ask(http::method::get, made.location);
  EXPECT_EQ(found.status, 200);
  EXPECT_EQ(found.content, made.content);

  sim_.run_for(std::chrono::seconds{1});
  const auto changed = ask(http::method::patch, made.location, R"({"status":"inactive"})");
  EXPECT_EQ(changed.status, 200);
  EXPECT_EQ(changed.text("/data/status"), "inactive");
  EXPECT_EQ(changed.text("/data/name"), "Ada");
  EXPECT_LT(changed.text("/data/created_at"), changed.text("/data/updated_at"));

  EXPECT_EQ(ask(http::method::delete_, made.location).status, 204);
  const auto gone = ask(http::method::get, made.location);
  EXPECT_EQ(gone.status, 404);
  EXPECT_EQ(json::serialize(gone.content), R"({"error":{"code":"USER_NOT_FOUND","message":"User not found"}})");
  EXPECT_EQ(ask(http::method::delete_, made.location).status, 404);
  EXPECT_EQ(ask(http::method::get, "/api/users/7").text("/error/code"), "USER_NOT_FOUND");
}

TEST_F(users, what_is_wrong_is_told_field_by_field) {
  const auto refused = create("", "nobody");
  EXPECT_EQ(refused.status, 400);
  EXPECT_EQ(refused.text("/error/code"), "VALIDATION_FAILED");
  EXPECT_EQ(json::serialize(refused.at("/error/details")),
            R"([{"field":"name","message":"must not be empty"},)"
            R"({"field":"email","message":"expected an email address such as ada@example.com"}])");
  const auto typed = ask(http::method::post, "/api/users", R"({"name":7,"email":"a@b"})");
  EXPECT_EQ(typed.text("/error/details/0/field"), "name");
  EXPECT_EQ(typed.text("/error/details/0/message"), "expected a string, got a number");
  EXPECT_EQ(ask(http::method::post, "/api/users", "{").status, 400);
  const auto made = create("Ada", "ada@example.com");
  EXPECT_EQ(ask(http::method::patch, made.location, "{}").status, 400);
  EXPECT_EQ(ask(http::method::patch, made.location, R"({"status":"gone"})").text("/error/details/0/field"), "status");
}

// G10: what a database or a consumer would refuse is refused here, whatever users are kept in.
TEST_F(users, texts_have_rules) {
  const auto nul = create("A\\u0000da", "ada@example.com");
  EXPECT_EQ(nul.status, 400);
  EXPECT_EQ(json::serialize(nul.at("/error/details")),
            R"([{"field":"name","message":"must not hold a NUL character"}])");
  EXPECT_EQ(create("A\\nda", "ada@example.com").status, 400);
  EXPECT_EQ(create("Ada", "ada\\u0000@example.com").status, 400);
  EXPECT_EQ(ask(http::method::get, "/api/users?search=a%00b").status, 400);
  const auto made = create("Ada", "ada@example.com");
  EXPECT_EQ(ask(http::method::patch, made.location, R"({"name":"\u0000"})").status, 400);
  std::string longest;
  for (int i = 0; i < 100; ++i) longest += "\u00f6";  // characters count, not bytes
  EXPECT_EQ(create(longest, "long@example.com").status, 201);
  EXPECT_EQ(create(longest + "x", "longer@example.com").status, 400);
}

TEST_F(users, an_email_address_belongs_to_one) {
  create("Ada", "ada@example.com");
  const auto again = create("Eve", "ADA@example.com");
  EXPECT_EQ(again.status, 409);
  EXPECT_EQ(again.text("/error/code"), "EMAIL_TAKEN");
  const auto bob = create("Bob", "bob@example.com");
  EXPECT_EQ(ask(http::method::patch, bob.location, R"({"email":"ada@example.com"})").status, 409);
  EXPECT_EQ(ask(http::method::patch, bob.location, R"({"email":"Bob@Example.com"})").status, 200);
  EXPECT_EQ(ask(http::method::delete_, bob.location).status, 204);
  EXPECT_EQ(create("Rob", "bob@example.com").status, 201);
}

TEST_F(users, are_listed_page_by_page_the_newest_first) {
  for (const auto* name : {"ann", "bea", "cleo", "dora", "Anna"}) {
    create(name, std::string{name} + "@example.com");
    sim_.run_for(std::chrono::seconds{1});
  }
  EXPECT_EQ(create("fay", "fay@example.com").status, 429);  // there is room for five

  const auto first = ask(http::method::get, "/api/users?limit=2");
  EXPECT_EQ(first.status, 200);
  EXPECT_EQ(json::serialize(first.at("/meta")), R"({"page":1,"limit":2,"total":5,"pages":3})");
  EXPECT_EQ(first.text("/data/0/name"), "Anna");
  const auto last = ask(http::method::get, "/api/users?limit=2&page=3");
  EXPECT_EQ(last.at("/data").as_array().size(), 1u);
  EXPECT_EQ(last.text("/data/0/name"), "ann");
  EXPECT_TRUE(ask(http::method::get, "/api/users?page=1000000&limit=100").at("/data").as_array().empty());

  EXPECT_EQ(ask(http::method::get, "/api/users?search=ANN").at("/meta/total"), json::value(2));
  EXPECT_EQ(ask(http::method::get, "/api/users?status=inactive").at("/meta/pages"), json::value(0));
  const auto wrong = ask(http::method::get, "/api/users?page=0&limit=1000&status=asleep");
  EXPECT_EQ(wrong.status, 400);
  EXPECT_EQ(wrong.at("/error/details").as_array().size(), 3u);
}

}  // namespace
