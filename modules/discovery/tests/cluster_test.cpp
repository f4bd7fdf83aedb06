// A service in the simulator: instances that fail their checks, leave, and a registry that goes away.
#include <weft/discovery/cluster.hpp>
#include <weft/http/server.hpp>
#include <weft/runtime/sleep.hpp>
#include <weft/runtime/sync.hpp>
#include <weft/testkit/run.hpp>

#include <gtest/gtest.h>

#include <deque>
#include <set>

#include "hosts.hpp"

namespace weft::discovery {
namespace {

// A registry that says what the test tells it to.
struct script {
  explicit script(loop& l) : told{l} {}
  void say(std::vector<instance> instances) { push(make_snapshot(std::move(instances))); }
  void refuse() { push(fail(errc::unavailable, "refused")); }
  void push(result<snapshot> s) {
    waiting.push_back(std::move(s));
    told.set();
  }
  event told;
  std::deque<result<snapshot>> waiting;
};

class scripted_watch final : public watch {
 public:
  explicit scripted_watch(script& s) : script_{s} {}
  task<result<snapshot>> next(context ctx) override {
    while (script_.waiting.empty()) {
      script_.told.reset();
      WEFT_CO_TRY_VOID(co_await script_.told.wait(ctx));
    }
    auto first = std::move(script_.waiting.front());
    script_.waiting.pop_front();
    co_return first;
  }

 private:
  script& script_;
};

std::set<std::string> picks(cluster& c, int times = 50) {
  std::set<std::string> ids;
  for (int i = 0; i < times; ++i) {
    const auto p = c.pick();
    ids.insert(p ? p->target().id : "none");
  }
  return ids;
}

instance at_port(std::string id, std::uint16_t port) {
  auto i = make_instance(std::move(id));
  i.where = {.host = "127.0.0.1", .port = port};
  return i;
}

TEST(Cluster, GoesOnWithWhatItKnewWhenTheRegistryIsGone) {
  testkit::run([](loop& l) -> task<void> {
    script registry{l};
    observe::registry metrics;
    cluster posts{l, std::make_unique<scripted_watch>(registry), {.service = "posts", .metrics = &metrics}};
    EXPECT_EQ(posts.pick().error().message(), "posts: no instance is known; registry: no answer yet");
    registry.refuse();
    const auto ready = co_await posts.ready(context{}.with_timeout(l, 1s));
    EXPECT_EQ(ready.error().code(), errc::deadline_exceeded);
    EXPECT_NE(ready.error().describe().find("refused"), std::string::npos);
    registry.say({make_instance("a"), make_instance("b")});
    EXPECT_TRUE(co_await posts.ready({}));
    EXPECT_EQ(picks(posts), (std::set<std::string>{"a", "b"}));
    EXPECT_TRUE(posts.registry().current);
    registry.refuse();
    co_await sleep(l, {}, 60s);
    EXPECT_FALSE(posts.registry().current);
    EXPECT_EQ(picks(posts), (std::set<std::string>{"a", "b"}));
    EXPECT_EQ(posts.describe(), "2 instances, 2 healthy; registry: unavailable: refused (last answer 60 s ago)");
    registry.say({make_instance("b")});
    co_await sleep(l, {}, 1s);
    EXPECT_EQ(picks(posts), (std::set<std::string>{"b"}));
    EXPECT_TRUE(posts.registry().current);
    const auto text = metrics.expose();
    EXPECT_NE(text.find("weft_discovery_registry_failures_total{service=\"posts\"} 2"), std::string::npos) << text;
    EXPECT_NE(text.find("weft_discovery_picks_total{service=\"posts\",reason=\"balanced\"} 150"), std::string::npos);
    EXPECT_NE(text.find("weft_discovery_hosts{service=\"posts\",state=\"known\"} 1"), std::string::npos) << text;
  });
}

struct switchable {
  bool good = true;
  task<result<http::response>> operator()(http::request&) const {
    return respond(good ? http::status::ok : http::status::service_unavailable);
  }
  static task<result<http::response>> respond(http::status s) { co_return http::response{s}; }
};

TEST(Cluster, ChecksTakeAHostOutAndBringItBack) {
  testkit::run([](loop& l) -> task<void> {
    switchable a, b;
    http::server first{l, [&](http::request& r) { return a(r); }}, second{l, [&](http::request& r) { return b(r); }};
    EXPECT_TRUE(first.listen(address::loopback(0)) && second.listen(address::loopback(0)));
    script registry{l};
    std::vector<std::string> events;
    cluster posts{
        l,
        std::make_unique<scripted_watch>(registry),
        {.service = "posts",
         .check = health_check{.interval = 10s, .healthy_threshold = 2, .unhealthy_threshold = 3},
         .on_event = [&](const host_event& e) {
           events.push_back(std::string{to_string(e.what)} + " " + e.which.info.id + " " + std::string{e.why});
         }}};
    registry.say({at_port("a", first.local().port()), at_port("b", second.local().port())});
    EXPECT_TRUE(co_await posts.ready({}));
    co_await sleep(l, {}, 60s);
    EXPECT_EQ(picks(posts), (std::set<std::string>{"a", "b"}));
    events.clear();
    a.good = false;
    co_await sleep(l, {}, 20s);  // two checks at most
    EXPECT_TRUE(events.empty());
    co_await sleep(l, {}, 14s);
    EXPECT_EQ(events, std::vector<std::string>{"check_failed a unavailable: status 503, expected 200 to 299"});
    EXPECT_EQ(picks(posts), (std::set<std::string>{"b"}));
    a.good = true;
    co_await sleep(l, {}, 23s);
    EXPECT_EQ(events.back(), "check_passed a ");
    EXPECT_EQ(picks(posts), (std::set<std::string>{"a", "b"}));
    registry.say({at_port("b", second.local().port())});
    co_await sleep(l, {}, 1s);
    const auto asked = first.stats().requests;
    co_await sleep(l, {}, 60s);
    EXPECT_EQ(first.stats().requests, asked);  // nobody checks what has left
  });
}

TEST(Cluster, UntilItsFirstCheckANewHostMayHaveToWait) {
  testkit::run([](loop& l) -> task<void> {
    switchable a;
    http::server first{l, [&](http::request& r) { return a(r); }};
    EXPECT_TRUE(first.listen(address::loopback(0)));
    script registry{l};
    cluster posts{l,
                  std::make_unique<scripted_watch>(registry),
                  {.service = "posts",
                   .hosts = {.panic_threshold_percent = 0},
                   .check = health_check{.interval = 10s, .initial = initial_health::unhealthy}}};
    registry.say({at_port("a", first.local().port())});
    EXPECT_TRUE(co_await posts.ready({}));
    EXPECT_EQ(picks(posts, 1), (std::set<std::string>{"none"}));
    co_await sleep(l, {}, 1100ms);
    EXPECT_EQ(picks(posts, 1), (std::set<std::string>{"a"}));
  });
}

TEST(Cluster, SweepsEndEjections) {
  testkit::run([](loop& l) -> task<void> {
    script registry{l};
    cluster posts{l,
                  std::make_unique<scripted_watch>(registry),
                  {.service = "posts", .hosts = {.balance = {.kind = algorithm::round_robin}}}};
    registry.say({make_instance("a"), make_instance("b")});
    EXPECT_TRUE(co_await posts.ready({}));
    for (int i = 0; i < 10; ++i) {
      auto p = posts.pick().value();
      const auto failed = p.target().id == "a" ? resilience::verdict::failure : resilience::verdict::success;
      p.end({.verdict = failed, .code = errc::unavailable}, l.now(), 1ms);
    }
    EXPECT_EQ(picks(posts), (std::set<std::string>{"b"}));
    co_await sleep(l, {}, 29s);
    EXPECT_EQ(picks(posts), (std::set<std::string>{"b"}));
    co_await sleep(l, {}, 11s);
    EXPECT_EQ(picks(posts), (std::set<std::string>{"a", "b"}));
  });
}

TEST(Cluster, WrongOptionsAreRefusedAtTheStart) {
  testkit::run([](loop& l) -> task<void> {
    script registry{l};
    EXPECT_THROW(
        (cluster{
            l, std::make_unique<scripted_watch>(registry), {.service = "posts", .check = health_check{.timeout = 0s}}}),
        std::invalid_argument);
    co_return;
  });
}

}  // namespace
}  // namespace weft::discovery
