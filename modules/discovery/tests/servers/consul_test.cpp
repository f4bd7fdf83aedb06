// Against a real Consul agent (tests/peers/consul), started for this program alone.
#include <weft/discovery/cluster.hpp>
#include <weft/discovery/consul.hpp>
#include <weft/discovery/election.hpp>
#include <weft/http/server.hpp>
#include <weft/runtime/epoll_loop.hpp>
#include <weft/runtime/sleep.hpp>
#include <weft/runtime/task_group.hpp>

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "hosts.hpp"
#include "process.hpp"

namespace weft::discovery {
namespace {

std::string agent_path() {
  const auto* set = std::getenv("WEFT_CONSUL_AGENT");
  return set != nullptr ? set : WEFT_SOURCE_DIR "/build/peers/consul-agent";
}

// One agent for all tests: it takes a second to elect itself.
struct agent {
  explicit agent(loop& l) {
    const auto ports = free_ports(l, 4);
    const auto port = [&](std::string_view name, std::size_t i) {
      return "-" + std::string{name} + "-port=" + std::to_string(ports[i]);
    };
    place = "127.0.0.1:" + std::to_string(ports[0]);
    log = testing::TempDir() + "weft-consul-" + std::to_string(ports[0]) + ".log";
    process.emplace(
        std::vector<std::string>{agent_path(), "-dev", "-node=weft", "-disable-host-node-id", "-bind=127.0.0.1",
                                 "-client=127.0.0.1", port("http", 0), port("server", 1), port("serf-lan", 2),
                                 port("serf-wan", 3), "-dns-port=-1", "-grpc-port=-1", "-grpc-tls-port=-1",
                                 "-log-level=warn", "-hcl", "disable_update_check = true", "-hcl",
                                 "acl { enabled = true default_policy = \"allow\" }"},
        log);
  }
  std::string place, log;
  std::optional<server_process> process;
};

class Consul : public testing::Test {
 public:
  void SetUp() override {
    if (!std::filesystem::exists(agent_path())) {
      const auto missing = "no Consul agent at " + agent_path() + "; build it with tests/peers/consul/build.sh";
      if (std::getenv("CI") != nullptr) FAIL() << missing;
      GTEST_SKIP() << missing;
    }
    static agent shared{loop_};
    agent_ = &shared;
    ASSERT_TRUE(loop_.run(leader_is_elected())) << "the agent does not answer; see " << shared.log;
  }

  task<bool> leader_is_elected() {
    http::client client{loop_, {.base_url = "http://" + agent_->place}};
    for (int i = 0; i < 600 && !agent_->process->ended(); ++i) {
      auto answer = co_await client.get_raw(soon(), "/v1/health/service/consul?passing");
      if (answer && answer->ok() && (co_await answer->content.text()).value() != "[]") co_return true;
      co_await sleep(loop_, {}, 50ms);
    }
    co_return false;
  }

  context soon() { return context{}.with_timeout(loop_, 20s); }
  consul::api_options options(std::string token = {}) {
    return {.agent = "http://" + agent_->place, .token = std::move(token)};
  }
  std::unique_ptr<registry> open(std::string_view parameters = "") {
    return make_registry(loop_, "consul://" + agent_->place + std::string{parameters});
  }
  // Until the service's instances are these.
  task<bool> until(watch& w, std::vector<std::string> wanted) {
    for (;;) {
      auto seen = co_await w.next(soon());
      if (!seen) co_return false;
      std::vector<std::string> ids;
      for (const auto& i : seen->instances) ids.push_back(i.id);
      if (ids == wanted) co_return true;
    }
  }
  static instance self(std::string service, std::string id, std::uint16_t port = 8080) {
    instance i;
    i.service = std::move(service);
    i.id = std::move(id);
    i.where = {.host = "127.0.0.1", .port = port};
    return i;
  }

  epoll_loop loop_;
  agent* agent_ = nullptr;
};

task<result<http::response>> healthy(http::request&) { co_return http::response::text("fine"); }
task<result<http::response>> busy(http::request&) { co_return http::response{http::status::service_unavailable}; }

TEST_F(Consul, AWatchSeesARegistrationPassFailAndGo) {
  loop_.run([](Consul& t) -> task<void> {
    const auto r = t.open();
    const auto w = r->watch("ttl-service");
    EXPECT_TRUE(co_await t.until(*w, {}));
    auto one = t.self("ttl-service", "one");
    one.zone = "eu-1";
    one.weight = 7;
    one.labels = {{"version", "2"}, {"canary", ""}};
    one.where.scheme = "http";
    EXPECT_TRUE(co_await r->add(t.soon(), {.self = one, .ttl = 60s, .remove_critical_after = 60s}));
    EXPECT_TRUE((co_await r->resolve(t.soon(), "ttl-service")).value().instances.empty());  // no heartbeat yet
    EXPECT_TRUE(co_await r->heartbeat(t.soon(), "ttl-service", "one"));
    EXPECT_TRUE(co_await t.until(*w, {"one"}));
    one.state = health_state::passing;
    EXPECT_EQ((co_await r->resolve(t.soon(), "ttl-service")).value().instances.at(0), one);

    EXPECT_TRUE(co_await r->heartbeat(t.soon(), "ttl-service", "one", health_state::critical, "the disk is full"));
    EXPECT_TRUE(co_await t.until(*w, {}));
    const auto any = t.open("?health=any");
    EXPECT_EQ((co_await any->resolve(t.soon(), "ttl-service")).value().instances.at(0).state, health_state::critical);

    EXPECT_TRUE(co_await r->heartbeat(t.soon(), "ttl-service", "one"));
    EXPECT_TRUE(co_await t.until(*w, {"one"}));
    EXPECT_TRUE(co_await r->heartbeat(t.soon(), "ttl-service", "one", health_state::draining, "leaving"));
    EXPECT_TRUE(co_await t.until(*w, {}));
    EXPECT_EQ((co_await any->resolve(t.soon(), "ttl-service")).value().instances.at(0).state, health_state::draining);

    EXPECT_TRUE(co_await r->remove(t.soon(), "ttl-service", "one"));
    EXPECT_TRUE((co_await any->resolve(t.soon(), "ttl-service")).value().instances.empty());
    EXPECT_TRUE(co_await r->remove(t.soon(), "ttl-service", "one"));
    EXPECT_EQ((co_await r->heartbeat(t.soon(), "ttl-service", "one")).error().code(), errc::not_found);
  }(*this));
}

TEST_F(Consul, ATtlThatRunsOutTurnsCritical) {
  loop_.run([](Consul& t) -> task<void> {
    const auto r = t.open();
    const auto w = r->watch("silent");
    EXPECT_TRUE(co_await r->add(t.soon(), {.self = t.self("silent", "one"), .ttl = 1s}));
    EXPECT_TRUE(co_await r->heartbeat(t.soon(), "silent", "one"));
    EXPECT_TRUE(co_await t.until(*w, {"one"}));
    EXPECT_TRUE(co_await t.until(*w, {}));
    EXPECT_TRUE(co_await r->remove(t.soon(), "silent", "one"));
  }(*this));
}

TEST_F(Consul, AsksTheHttpCheckOfAnInstance) {
  loop_.run([](Consul& t) -> task<void> {
    http::server good{t.loop_, healthy}, bad{t.loop_, busy};
    EXPECT_TRUE(good.listen(address::loopback(0)) && bad.listen(address::loopback(0)));
    const auto r = t.open();
    const auto w = r->watch("checked");
    for (const auto& [id, port] : {std::pair{"good", good.local().port()}, std::pair{"bad", bad.local().port()}})
      EXPECT_TRUE(co_await r->add(
          t.soon(),
          {.self = t.self("checked", id, port),
           .http_check = registered_http_check{
               .url = "http://127.0.0.1:" + std::to_string(port) + "/health", .interval = 1s, .timeout = 1s}}));
    EXPECT_TRUE(co_await t.until(*w, {"good"}));
    EXPECT_TRUE(co_await r->heartbeat(t.soon(), "checked", "good"));  // nothing to report, but it is there
    EXPECT_EQ((co_await r->heartbeat(t.soon(), "checked", "nobody")).error().code(), errc::not_found);
    while (bad.stats().requests == 0) co_await sleep(t.loop_, {}, 10ms);
    EXPECT_EQ((co_await r->resolve(t.soon(), "checked")).value().instances.size(), 1u);
    for (const auto* id : {"good", "bad"}) EXPECT_TRUE(co_await r->remove(t.soon(), "checked", id));
  }(*this));
}

TEST_F(Consul, AClusterPicksWhatConsulKnows) {
  loop_.run([](Consul& t) -> task<void> {
    const auto r = t.open();
    cluster posts{t.loop_, r->watch("posts"), {.service = "posts"}};
    EXPECT_TRUE(co_await posts.ready(t.soon()));
    EXPECT_FALSE(posts.pick());
    EXPECT_TRUE(co_await r->add(t.soon(), {.self = t.self("posts", "p1", 8081)}));
    for (int i = 0; i < 1000 && !posts.pick(); ++i) co_await sleep(t.loop_, {}, 10ms);
    EXPECT_EQ(posts.pick().value().target().where.to_string(), "tcp://127.0.0.1:8081");
    EXPECT_TRUE(co_await r->remove(t.soon(), "posts", "p1"));
    for (int i = 0; i < 1000 && posts.pick(); ++i) co_await sleep(t.loop_, {}, 10ms);
    EXPECT_FALSE(posts.pick());
  }(*this));
}

TEST_F(Consul, AWrongTokenIsRefusedAndNeverShown) {
  loop_.run([](Consul& t) -> task<void> {
    const std::string token = "5ec2e700-0000-4000-8000-000000000000";
    const auto r = t.open("?token=" + token);
    const auto refused = co_await r->resolve(t.soon(), "posts");
    EXPECT_EQ(refused.error().code(), errc::permission_denied);
    EXPECT_EQ(refused.error().describe().find(token), std::string::npos) << refused.error().describe();
    EXPECT_EQ(refused.error().remedy(), "check the token and its policy");
    EXPECT_EQ((co_await r->add(t.soon(), {.self = t.self("posts", "x")})).error().code(), errc::permission_denied);
  }(*this));
}

TEST_F(Consul, DatacentersAndModes) {
  loop_.run([](Consul& t) -> task<void> {
    EXPECT_TRUE(co_await t.open("?dc=dc1&mode=consistent")->resolve(t.soon(), "consul"));
    EXPECT_TRUE(co_await t.open("?mode=stale")->resolve(t.soon(), "consul"));
    const auto nowhere = co_await t.open("?dc=nowhere")->resolve(t.soon(), "consul");
    EXPECT_EQ(nowhere.error().code(), errc::unavailable);
    EXPECT_NE(nowhere.error().describe().find("No path to datacenter"), std::string::npos);
  }(*this));
}

TEST_F(Consul, KeysAreComparedAndSet) {
  loop_.run([](Consul& t) -> task<void> {
    consul::api c{t.loop_, t.options()};
    EXPECT_FALSE((co_await c.get(t.soon(), "kv/none")).value().has_value());
    EXPECT_TRUE((co_await c.put(t.soon(), "kv/a b", "one", {.cas = 0, .flags = 7})).value());
    EXPECT_FALSE((co_await c.put(t.soon(), "kv/a b", "two", {.cas = 0})).value());
    const auto first = (co_await c.get(t.soon(), "kv/a b")).value().value();
    EXPECT_EQ(first.key, "kv/a b");
    EXPECT_EQ(first.value, "one");
    EXPECT_EQ(first.flags, 7u);
    EXPECT_TRUE((co_await c.put(t.soon(), "kv/a b", "two", {.cas = first.modify_index})).value());
    EXPECT_FALSE((co_await c.put(t.soon(), "kv/a b", "three", {.cas = first.modify_index})).value());
    EXPECT_FALSE((co_await c.remove(t.soon(), "kv/a b", first.modify_index)).value());
    EXPECT_EQ((co_await c.get(t.soon(), "kv/a b")).value().value().value, "two");
    EXPECT_TRUE((co_await c.remove(t.soon(), "kv/a b")).value());
    EXPECT_FALSE((co_await c.get(t.soon(), "kv/a b")).value().has_value());
  }(*this));
}

TEST_F(Consul, ValuesAreBytesUpToTheirLimit) {
  loop_.run([](Consul& t) -> task<void> {
    consul::api c{t.loop_, t.options()};
    std::string bytes(consul::max_value_bytes, '\0');
    for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<char>(i * 31);
    EXPECT_TRUE((co_await c.put(t.soon(), "kv/big", bytes)).value());
    EXPECT_TRUE((co_await c.get(t.soon(), "kv/big")).value().value().value == bytes);
    EXPECT_EQ((co_await c.put(t.soon(), "kv/big", bytes + "x")).error().code(), errc::invalid_argument);
    EXPECT_TRUE((co_await c.put(t.soon(), "kv/big", "")).value());
    EXPECT_EQ((co_await c.get(t.soon(), "kv/big")).value().value().value, "");
  }(*this));
}

TEST_F(Consul, ASessionHoldsALockUntilItEnds) {
  loop_.run([](Consul& t) -> task<void> {
    consul::api c{t.loop_, t.options()};
    const auto mine = (co_await c.create_session(t.soon(), {.name = "mine", .lock_delay = 0s})).value();
    const auto other = (co_await c.create_session(t.soon(), {.name = "other", .lock_delay = 0s})).value();
    EXPECT_TRUE((co_await c.put(t.soon(), "lock", "mine", {.acquire = mine})).value());
    EXPECT_FALSE((co_await c.put(t.soon(), "lock", "other", {.acquire = other})).value());
    EXPECT_EQ((co_await c.get(t.soon(), "lock")).value().value().session, mine);
    EXPECT_TRUE((co_await c.put(t.soon(), "lock", "", {.release = mine})).value());
    EXPECT_TRUE((co_await c.put(t.soon(), "lock", "other", {.acquire = other})).value());
    EXPECT_EQ((co_await c.get(t.soon(), "lock")).value().value().lock_index, 2u);
    EXPECT_TRUE(co_await c.renew_session(t.soon(), other));
    EXPECT_TRUE(co_await c.destroy_session(t.soon(), other));
    EXPECT_EQ((co_await c.renew_session(t.soon(), other)).error().code(), errc::not_found);
    EXPECT_EQ((co_await c.get(t.soon(), "lock")).value().value().session, "");
    EXPECT_TRUE(co_await c.destroy_session(t.soon(), mine));
    EXPECT_EQ((co_await c.create_session(t.soon(), {.ttl = 1s})).error().code(), errc::invalid_argument);
  }(*this));
}

TEST_F(Consul, AnotherCandidateTakesOverWhenTheLeaderIsGone) {
  loop_.run([](Consul& t) -> task<void> {
    consul::api c{t.loop_, t.options()};
    const auto candidate = [](std::string name) {
      return consul::election_options{.key = "election/leader",
                                      .value = name,
                                      .session = {.name = name, .ttl = 10s, .lock_delay = 0s},
                                      .retry = 200ms};
    };
    consul::leader_election first{c, candidate("first")}, second{c, candidate("second")};
    const auto wait_for = [&t](auto condition) -> task<bool> {
      return [](loop& l, decltype(condition) holds) -> task<bool> {
        for (int i = 0; i < 2000 && !holds(); ++i) co_await sleep(l, {}, 10ms);
        co_return holds();
      }(t.loop_, condition);
    };
    std::vector<std::string> changes;
    first.on_change = [&](bool leads) { changes.push_back(leads ? "first leads" : "first stops"); };
    second.on_change = [&](bool leads) { changes.push_back(leads ? "second leads" : "second stops"); };
    task_group one{t.loop_}, two{t.loop_};
    one.spawn(first.run(one.derive({})));
    EXPECT_TRUE(co_await wait_for([&] { return first.leading(); }));
    two.spawn(second.run(two.derive({})));
    EXPECT_TRUE(co_await wait_for([&] { return !second.session().empty(); }));
    EXPECT_FALSE(second.leading());
    EXPECT_EQ((co_await c.get(t.soon(), "election/leader")).value().value().value, "first");

    // The leader's session is ended under it: it stops, and whoever is quicker leads.
    const auto lost = first.session();
    EXPECT_TRUE(co_await c.destroy_session(t.soon(), lost));
    EXPECT_TRUE(co_await wait_for([&] { return first.session() != lost && (first.leading() || second.leading()); }));
    EXPECT_FALSE(first.leading() && second.leading());

    // One leaves in order: the other leads at once, behind a higher fence.
    auto& leaving = first.leading() ? first : second;
    auto& staying = first.leading() ? second : first;
    const auto fence = leaving.fence();
    co_await (&leaving == &first ? one : two).stop();
    EXPECT_FALSE(leaving.leading());
    EXPECT_TRUE(co_await wait_for([&] { return staying.leading(); }));
    EXPECT_GT(staying.fence(), fence);
    co_await (&staying == &first ? one : two).stop();
    EXPECT_EQ((co_await c.get(t.soon(), "election/leader")).value().value().session, "");
    EXPECT_GE(changes.size(), 5u);
  }(*this));
}

TEST_F(Consul, AnAgentThatIsNotThereIsUnavailable) {
  loop_.run([](Consul& t) -> task<void> {
    const auto port = free_ports(t.loop_, 1).front();
    const auto r = make_registry(t.loop_, "consul://127.0.0.1:" + std::to_string(port));
    const auto w = r->watch("posts");
    EXPECT_EQ((co_await w->next(t.soon())).error().code(), errc::unavailable);
    EXPECT_EQ((co_await r->add(t.soon(), {.self = t.self("posts", "x")})).error().code(), errc::unavailable);
  }(*this));
}

}  // namespace
}  // namespace weft::discovery
