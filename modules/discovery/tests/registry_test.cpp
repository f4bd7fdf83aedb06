// static: and memory:, and what their URLs may say.
#include <weft/discovery/memory_hub.hpp>
#include <weft/discovery/registry.hpp>
#include <weft/runtime/cores.hpp>
#include <weft/runtime/sleep.hpp>
#include <weft/testkit/run.hpp>

#include <gtest/gtest.h>

#include "hosts.hpp"

namespace weft::discovery {
namespace {

std::string refusal(std::string_view url) {
  epoll_loop l;
  const auto made = open_registry(l, url);
  return made ? "" : made.error().describe();
}

std::vector<std::string> ids(const snapshot& s) {
  std::vector<std::string> all;
  for (const auto& i : s.instances) all.push_back(i.id);
  return all;
}

TEST(StaticRegistry, ListsWhatItsUrlSays) {
  testkit::run([](loop& l) -> task<void> {
    const auto r = make_registry(l,
                                 "static: users=127.0.0.1:8082, 127.0.0.1:8081!weight=3!zone=eu!version=2;"
                                 "posts=http://posts.test:8080;");
    EXPECT_FALSE(r->accepts_registrations());
    const auto users = (co_await r->resolve({}, "users")).value();
    EXPECT_EQ(ids(users), (std::vector<std::string>{"users@127.0.0.1:8081", "users@127.0.0.1:8082"}));
    EXPECT_EQ(users.instances[0].weight, 3u);
    EXPECT_EQ(users.instances[0].zone, "eu");
    EXPECT_EQ(users.instances[0].labels, (label_map{{"version", "2"}}));
    EXPECT_TRUE(usable(users.instances[0].state));
    const auto posts = (co_await r->resolve({}, "posts")).value();
    EXPECT_EQ(posts.instances.at(0).where.to_string(), "http://posts.test:8080");
    EXPECT_TRUE((co_await r->resolve({}, "nobody")).value().instances.empty());
    EXPECT_EQ((co_await r->add({}, {})).error().code(), errc::unimplemented);
  });
}

TEST(StaticRegistry, AWatchTellsOnceAndThenWaits) {
  testkit::run([](loop& l) -> task<void> {
    const auto r = make_registry(l, "static:users=127.0.0.1:8081");
    const auto w = r->watch("users");
    EXPECT_EQ((co_await w->next({})).value().instances.size(), 1u);
    const auto second = co_await w->next(context{}.with_timeout(l, 10s));
    EXPECT_EQ(second.error().code(), errc::deadline_exceeded);
  });
}

TEST(RegistryUrl, ErrorsNameThePlaceAndTheRemedy) {
  const auto holds = [](const std::string& text, std::string_view part) {
    EXPECT_NE(text.find(part), std::string::npos) << text;
  };
  holds(refusal("zookeeper://127.0.0.1"), "no registry 'zookeeper'");
  holds(refusal("zookeeper://127.0.0.1"), "one of static:, memory:");
  holds(refusal("static"), "no registry 'static'");
  holds(refusal("static:127.0.0.1:80"), "does not name its service");
  holds(refusal("static:users=127.0.0.1"), "service users, '127.0.0.1'");
  holds(refusal("static:users=127.0.0.1:80!weight=many"), "weight must be");
  holds(refusal("static:users=127.0.0.1:80;users=127.0.0.1:81"), "named twice");
  holds(refusal("memory://host/"), "memory: or memory:name");
  epoll_loop l;
  EXPECT_THROW((void)make_registry(l, "nothing:"), std::invalid_argument);
}

struct memory_fixture {
  std::shared_ptr<memory_hub> hub = std::make_shared<memory_hub>();
  std::unique_ptr<registry> open(loop& l, std::string_view url = "memory:") {
    return make_registry(l, url, {.memory = hub});
  }
};

TEST(MemoryRegistry, AWatchSeesInstancesComeAndGo) {
  testkit::run([](loop& l) -> task<void> {
    memory_fixture f;
    const auto r = f.open(l);
    const auto w = r->watch("posts");
    EXPECT_TRUE((co_await w->next({})).value().instances.empty());
    EXPECT_TRUE(co_await r->add({}, {.self = make_instance("b")}));
    EXPECT_TRUE(co_await r->add({}, {.self = make_instance("a")}));
    EXPECT_EQ(ids((co_await w->next({})).value()), (std::vector<std::string>{"a", "b"}));
    EXPECT_TRUE(co_await r->heartbeat({}, "posts", "a", health_state::draining));
    EXPECT_EQ((co_await w->next({})).value().instances[0].state, health_state::draining);
    EXPECT_TRUE(co_await r->remove({}, "posts", "a"));
    EXPECT_EQ(ids((co_await w->next({})).value()), (std::vector<std::string>{"b"}));
    EXPECT_TRUE(co_await r->remove({}, "posts", "a"));
    EXPECT_EQ((co_await r->heartbeat({}, "posts", "a")).error().code(), errc::not_found);
    EXPECT_EQ((co_await r->add({}, {})).error().code(), errc::invalid_argument);
  });
}

TEST(MemoryRegistry, NamesAreSpacesOfTheirOwn) {
  testkit::run([](loop& l) -> task<void> {
    memory_fixture f;
    const auto one = f.open(l, "memory:one"), also = f.open(l, "memory:one"), other = f.open(l, "memory:other");
    EXPECT_TRUE(co_await one->add({}, {.self = make_instance("a")}));
    EXPECT_EQ((co_await also->resolve({}, "posts")).value().instances.size(), 1u);
    EXPECT_TRUE((co_await other->resolve({}, "posts")).value().instances.empty());
  });
}

TEST(MemoryRegistry, WithoutHeartbeatsAnInstanceTurnsCriticalAndLeaves) {
  testkit::run([](loop& l) -> task<void> {
    memory_fixture f;
    const auto r = f.open(l);
    const auto w = r->watch("posts");
    EXPECT_TRUE(co_await r->add({}, {.self = make_instance("a"), .ttl = 10s, .remove_critical_after = 60s}));
    EXPECT_EQ((co_await w->next({})).value().instances.at(0).state, health_state::critical);  // no heartbeat yet
    EXPECT_TRUE(co_await r->heartbeat({}, "posts", "a"));
    EXPECT_EQ((co_await w->next({})).value().instances.at(0).state, health_state::passing);
    const auto begin = l.now();
    co_await sleep(l, {}, 9s);
    EXPECT_TRUE(co_await r->heartbeat({}, "posts", "a"));
    EXPECT_EQ((co_await w->next({})).value().instances.at(0).state, health_state::critical);
    EXPECT_EQ(l.now() - begin, 19s);
    EXPECT_TRUE((co_await w->next({})).value().instances.empty());
    EXPECT_EQ(l.now() - begin, 79s);
    EXPECT_EQ((co_await r->heartbeat({}, "posts", "a")).error().code(), errc::not_found);
  });
}

TEST(MemoryRegistry, AWatchOutlivesItsRegistryAndEndsWithItsContext) {
  testkit::run([](loop& l) -> task<void> {
    memory_fixture f;
    auto r = f.open(l);
    const auto w = r->watch("posts");
    r.reset();
    EXPECT_TRUE((co_await w->next({})).has_value());
    EXPECT_EQ((co_await w->next(context{}.with_timeout(l, 1s))).error().code(), errc::deadline_exceeded);
  });
}

task<void> add_many(loop& l, std::shared_ptr<memory_hub> hub, std::size_t count) {
  const auto r = make_registry(l, "memory:", {.memory = hub});
  for (std::size_t i = 0; i < count; ++i)
    EXPECT_TRUE(co_await r->add({}, {.self = make_instance("i" + std::to_string(i))}));
}
task<void> watch_until(loop& l, std::shared_ptr<memory_hub> hub, std::size_t wanted) {
  const auto r = make_registry(l, "memory:", {.memory = hub});
  const auto w = r->watch("posts");
  for (std::size_t seen = 0; seen < wanted;) seen = (co_await w->next({})).value().instances.size();
}

TEST(MemoryRegistry, IsSharedByTheLoopsOfAProcess) {
  const auto hub = std::make_shared<memory_hub>();
  cores all{{.count = 3}};
  all.run([&](loop& l, unsigned core) { return core == 0 ? add_many(l, hub, 200) : watch_until(l, hub, 200); });
}

TEST(MemoryRegistry, WithoutWiringAllOfTheProcessShareOne) {
  testkit::run([](loop& l) -> task<void> {
    const auto one = make_registry(l, "memory:shared-test"), other = make_registry(l, "memory:shared-test");
    EXPECT_TRUE(co_await one->add({}, {.self = make_instance("a")}));
    EXPECT_EQ((co_await other->resolve({}, "posts")).value().instances.size(), 1u);
    EXPECT_TRUE(co_await one->remove({}, "posts", "a"));
  });
}

}  // namespace
}  // namespace weft::discovery
