// A memory: broker looked at through HTTP, in virtual time.
#include <weft/http/client.hpp>
#include <weft/http/server.hpp>
#include <weft/messaging/memory_broker.hpp>
#include <weft/messaging_http/admin_routes.hpp>
#include <weft/messaging_http/remote_broker.hpp>
#include <weft/runtime/sleep.hpp>
#include <weft/testkit/run.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace weft::messaging {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

http::router mounted(loop& l, broker& b, admin_options options) {
  http::router routes;
  routes.mount("/admin/messaging", admin_routes(l, b, std::move(options)));
  return routes;
}

// The process that has the broker, and one that has not.
struct served {
  explicit served(loop& where, admin_options options = {})
      : l{where},
        bus{l, std::make_shared<memory_hub>()},
        routes{mounted(l, bus, std::move(options))},
        server{l, routes.as_handler()} {
    EXPECT_TRUE(server.listen(address::loopback(0)));
  }

  [[nodiscard]] std::string url(const std::string& user = {}, const std::string& path = {}) const {
    return "http://" + user + server.local().to_string() + path;
  }
  task<result<std::unique_ptr<broker>>> open(std::string user = {}, std::string path = {}) {
    broker_factory brokers;
    brokers.add("http", remote_brokers());
    co_return co_await brokers.open(l, context{}.with_timeout(l, 5s), url(user, path));
  }
  // One message that fails for good in group "billing".
  task<void> fail_one(std::string id, std::string body = "{}") {
    auto from = (co_await bus.subscribe({}, {.group = "billing", .patterns = {"orders.#"}})).value();
    outgoing what{.what = {.id = id, .topic = "orders.placed", .key = "k-" + id, .body = std::move(body)}};
    what.what.fields.set("x-colour", "red");
    what.what.priority = 7;
    what.what.time_to_live = 1h;
    EXPECT_TRUE(co_await publish_one(bus, {}, std::move(what)));
    const auto d = (co_await from->next({})).value();
    EXPECT_TRUE(co_await from->settle(
        {}, d->tag, settlement::dead_letter("no such customer", error{errc::not_found, "customer 7"})));
  }

  loop& l;
  memory_broker bus;
  http::router routes;
  http::server server;
};

TEST(RemoteBroker, LooksIntoTheOtherProcess) {
  testkit::run([](loop& l) -> task<void> {
    served s{l, {.max_dead_letters = 2}};
    const std::string bytes{"\0\xff{", 3};
    for (const auto* id : {"a", "b", "c"}) co_await s.fail_one(id, bytes);
    const auto remote = (co_await s.open()).value();
    EXPECT_EQ(remote->features().broker, "memory");
    EXPECT_EQ(remote->features().set, s.bus.features().set);
    EXPECT_EQ(remote->features().max_delay, s.bus.features().max_delay);
    auto& admin = *remote->admin();

    const auto here = (co_await s.bus.admin()->depths({})).value(), there = (co_await admin.depths({})).value();
    EXPECT_EQ(there.size(), 1u);
    EXPECT_EQ(there[0].group, "billing");
    EXPECT_EQ(there[0].dead, here[0].dead);
    EXPECT_EQ(there[0].patterns, here[0].patterns);

    const auto dead = (co_await admin.dead_letters({}, {.group = "billing"})).value();
    EXPECT_EQ(dead.size(), 3u) << "in two answers";
    const auto known = (co_await s.bus.admin()->dead_letters({}, {.group = "billing"})).value();
    for (std::size_t i = 0; i < dead.size(); ++i) {
      EXPECT_EQ(*dead[i].what, *known[i].what);
      EXPECT_EQ(dead[i].failures, known[i].failures);
      EXPECT_EQ(dead[i].at, known[i].at);
      EXPECT_EQ(dead[i].number, known[i].number);
    }
    EXPECT_EQ((co_await admin.dead_letters({}, {.group = "billing", .limit = 1}))->size(), 1u);

    EXPECT_EQ((co_await admin.purge({}, "billing", {dead[0].number})).value(), 1u);
    EXPECT_EQ((co_await admin.replay({}, "billing", {})).value(), 2u);
    EXPECT_EQ((co_await s.bus.admin()->depths({}))->at(0).ready, 2u);
    EXPECT_EQ((co_await admin.clear({}, "billing")).value(), 2u);
    EXPECT_TRUE(co_await admin.remove_group({}, "billing"));
    EXPECT_TRUE((co_await s.bus.admin()->depths({}))->empty());
    co_await s.server.drain(1s);
  });
}

TEST(RemoteBroker, GivesErrorsAsTheyAre) {
  testkit::run([](loop& l) -> task<void> {
    served s{l};
    co_await s.fail_one("a");
    const auto remote = (co_await s.open("", "/admin/messaging/")).value();
    auto& admin = *remote->admin();
    const auto number = co_await admin.replay({}, "billing", {7});
    EXPECT_EQ(number.error().code(), errc::not_found);
    EXPECT_EQ(number.error().message(), "no dead letter 7 in group 'billing'");
    EXPECT_EQ((co_await admin.dead_letters({}, {.group = "none"})).error().message(), "no group 'none'");
    EXPECT_EQ((co_await remote->subscribe({}, {.group = "g", .patterns = {"#"}})).error().code(), errc::unimplemented);

    EXPECT_EQ((co_await s.open("", "/elsewhere")).error().code(), errc::not_found);
    EXPECT_THAT(std::string{(co_await s.open("", "/elsewhere")).error().remedy()}, HasSubstr("admin_routes()"));
    EXPECT_EQ((co_await s.open("", "/?x=1")).error().code(), errc::invalid_argument);
    EXPECT_TRUE(co_await remote->check({}));
    co_await s.server.drain(1s);
    EXPECT_EQ((co_await admin.depths({})).error().code(), errc::unavailable);
    EXPECT_EQ((co_await remote->check({})).error().code(), errc::unavailable);
  });
}

TEST(RemoteBroker, AsksForTheToken) {
  testkit::run([](loop& l) -> task<void> {
    served s{l, {.token = "open/sesame"}};
    for (const auto* user : {"", ":wrong@", ":open%2Fsesame2@", ":open@"}) {
      const auto refused = co_await s.open(user);
      EXPECT_EQ(refused.error().code(), errc::unauthenticated) << user;
      EXPECT_THAT(refused.error().describe(), testing::Not(HasSubstr("sesame")));
    }
    EXPECT_TRUE(co_await s.open(":open%2Fsesame@"));
    EXPECT_TRUE(co_await s.open("anybody:open%2Fsesame@"));
    co_await s.server.drain(1s);
  });
}

TEST(RemoteBroker, Publishes) {
  testkit::run([](loop& l) -> task<void> {
    served s{l};
    const auto remote = (co_await s.open()).value();
    auto from = (co_await s.bus.subscribe({}, {.group = "g", .patterns = {"orders.#"}})).value();
    std::vector<outgoing> batch;
    batch.push_back({.what = {.id = "1", .topic = "orders.placed", .key = "k", .body = std::string{"\0x", 2}}});
    batch.push_back({.what = {.id = "2", .topic = "nobody"}, .if_unroutable = unroutable::refuse});
    batch.push_back({.what = {.id = "3", .topic = "orders.placed"}, .delay = 5s});
    batch.push_back({.what = {.id = "4", .topic = "not a topic"}});
    const auto sent = batch[0].what;
    const auto results = co_await remote->publish({}, std::move(batch));
    EXPECT_EQ(results.size(), 4u);
    EXPECT_TRUE(results[0]);
    EXPECT_EQ(results[1].error().code(), errc::not_found);
    EXPECT_TRUE(results[2]);
    EXPECT_EQ(results[3].error().code(), errc::invalid_argument);
    EXPECT_EQ(*(co_await from->next({})).value()->what, sent);
    EXPECT_FALSE(from->try_next());
    EXPECT_TRUE(co_await weft::sleep(l, {}, 5s));
    EXPECT_TRUE(from->try_next());
    co_await s.server.drain(1s);
  });
}

TEST(RemoteBroker, Follows) {
  testkit::run([](loop& l) -> task<void> {
    served s{l, {.max_tails = 1}};
    const auto remote = (co_await s.open()).value();
    auto from = (co_await remote->subscribe(context{}.with_timeout(l, 1s), {.patterns = {"orders.*"}})).value();
    EXPECT_EQ((co_await remote->subscribe({}, {.patterns = {"#"}})).error().code(), errc::resource_exhausted);
    for (int i = 0; i < 3; ++i) {
      EXPECT_TRUE(co_await weft::sleep(l, {}, 1h)) << "heartbeats keep it";
      EXPECT_TRUE(
          co_await publish_one(s.bus, {}, {.what = {.id = std::to_string(i), .topic = "orders.placed", .body = "{}"}}));
      const auto d = co_await from->next(context{}.with_timeout(l, 1s));
      EXPECT_TRUE(d) << d.error().describe();
      if (d) EXPECT_EQ((*d)->what->id, std::to_string(i));
    }
    EXPECT_EQ((co_await from->next(context{}.with_timeout(l, 1s))).error().code(), errc::deadline_exceeded);
    EXPECT_TRUE(co_await from->stop({}));
    EXPECT_FALSE((co_await from->next({})).value());
    from.reset();
    EXPECT_TRUE(co_await weft::sleep(l, {}, 21s));
    EXPECT_TRUE((co_await s.bus.admin()->depths({}))->empty()) << "the follower's group is gone";
    EXPECT_TRUE(co_await remote->subscribe({}, {.patterns = {"#"}})) << "its place is free";
    EXPECT_EQ((co_await remote->subscribe({}, {.patterns = {"a.#b"}})).error().code(), errc::invalid_argument);
    co_await s.server.drain(1s);
  });
}

TEST(RemoteBroker, SaysWhenTheServiceEnds) {
  testkit::run([](loop& l) -> task<void> {
    auto s = std::make_unique<served>(l);
    const auto remote = (co_await s->open()).value();
    auto from = (co_await remote->subscribe({}, {.patterns = {"#"}})).value();
    co_await s->server.drain(1s);
    EXPECT_EQ((co_await from->next({})).error().code(), errc::unavailable);
  });
}

TEST(AdminRoutes, RefuseWhatIsMalformed) {
  testkit::run([](loop& l) -> task<void> {
    served s{l};
    http::client client{l, {.base_url = s.url()}};
    struct attempt {
      http::method how;
      std::string path, content;
    };
    for (const auto& each : std::vector<attempt>{
             {http::method::get, "/dead_letters?group=g&limit=many", ""},
             {http::method::post, "/replay", "{"},
             {http::method::post, "/replay", R"({"group":7,"numbers":[]})"},
             {http::method::post, "/publish", R"([{"what":{}}])"},
         }) {
      auto got = co_await client.send({}, {each.how, "/admin/messaging" + each.path, each.content});
      EXPECT_EQ(got->status, http::status::bad_request) << each.path;
      EXPECT_THAT(std::string{(co_await got->content.text()).value()}, HasSubstr(R"("code":"invalid_argument")"));
    }
    EXPECT_THROW(static_cast<void>(admin_routes(l, s.bus, {.max_dead_letters = 0})), std::invalid_argument);
    client.close_idle();
    co_await s.server.drain(1s);
  });
}

}  // namespace
}  // namespace weft::messaging
