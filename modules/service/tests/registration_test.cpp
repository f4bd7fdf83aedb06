// How a host stands in the registry, and what it makes of the policies it is configured with.
#include <weft/discovery/memory_hub.hpp>
#include <weft/discovery/registry.hpp>
#include <weft/runtime/task_group.hpp>
#include <weft/service.hpp>

#include <gtest/gtest.h>

namespace {

using namespace weft;
using namespace std::chrono_literals;
using service::application;

// Until the service has so many instances, by a watch of its own.
task<discovery::snapshot> wait_for(loop& l, std::string space, std::string name, std::size_t count) {
  const auto where = discovery::make_registry(l, space);
  const auto watch = where->watch(name);
  const auto ctx = context::background().with_timeout(l, 30s);
  for (;;) {
    const auto now = co_await watch->next(ctx);
    if (!now) {
      ADD_FAILURE() << now.error().describe();
      co_return discovery::snapshot{};
    }
    if (now->instances.size() == count) co_return *now;
  }
}

struct standing_seen {
  discovery::snapshot registered;
  std::size_t left_over = 1;
  bool ready_when_left = true;
};

task<void> watch_it_come_and_go(application& app, loop& l, standing_seen& seen) {
  seen.registered = co_await wait_for(l, "memory:standing", "one", 1);
  const auto report = co_await app.health().run({});
  EXPECT_TRUE(report.healthy);
  EXPECT_EQ(report.lines.back().name, "registration");
  EXPECT_TRUE(report.lines.back().healthy) << report.lines.back().problem;
  app.stop();
}

task<void> look(loop& l, standing_seen& seen) {
  seen.left_over = (co_await wait_for(l, "memory:standing", "one", 0)).instances.size();
}

TEST(registration, comes_with_the_listener_and_goes_first) {
  service::host_settings settings;
  settings.log.level = observe::log_level::off;
  settings.drain.propagation_delay = 0s;
  settings.discovery.registry = service::secret_url{"memory:standing"};
  settings.discovery.zone = "eu-1";
  settings.discovery.labels = {{"version", "2"}};
  application app{{.name = "one"}, settings, service::http_settings{.address = "127.0.0.1", .port = 0}};
  app.serve(http::router{});
  app.serve(http::router{}, {.name = "hidden", .registration = service::registration_mode::off});
  standing_seen seen;
  std::optional<task_group> asking;
  std::string url;
  app.on_ready([&](const std::vector<service::bound_listener>& listeners) {
    url = listeners.front().url();
    asking.emplace(app.loop()).spawn(watch_it_come_and_go(app, app.loop(), seen));
  });
  // A step of the application's own comes after the registration is gone.
  app.on_deregister("look", [&](context) { return look(app.loop(), seen); });
  EXPECT_EQ(app.run(), 0);
  asking.reset();
  ASSERT_EQ(seen.registered.instances.size(), 1u);
  const auto& self = seen.registered.instances.front();
  EXPECT_EQ(self.where.to_string(), url);
  EXPECT_EQ(self.id, "one-" + self.where.authority());
  EXPECT_EQ(self.zone, "eu-1");
  EXPECT_EQ(self.state, discovery::health_state::passing);
  EXPECT_EQ(self.labels.at("version"), "2");
  EXPECT_EQ(seen.left_over, 0u);
}

TEST(registration, a_registry_that_cannot_be_is_told_before_anything_is_served) {
  service::host_settings settings;
  settings.log.level = observe::log_level::off;
  settings.discovery.registry = service::secret_url{"static:=:"};
  application app{{.name = "one"}, settings, service::http_settings{.address = "127.0.0.1", .port = 0}};
  app.serve([](service::core&) {
    ADD_FAILURE() << "served";
    return http::router{};
  });
  EXPECT_EQ(app.run(), 1);
}

std::string problems_of(std::string yaml) {
  const auto loaded = service::load<service::service_settings>(
      {.files = {}, .texts = {{"market.yaml", std::move(yaml)}}, .environment = {}, .arguments = {}});
  return loaded ? "" : std::string{loaded.error().message()};
}

TEST(policies, are_read_by_name_and_what_is_wrong_is_told_with_its_place) {
  const auto loaded = service::load<service::service_settings>(
      {.files = {},
       .texts = {{"market.yaml", "policies:\n  posts: {retry: {max_attempts: 5}, timeout: {after: 2s}}\n"}},
       .environment = {},
       .arguments = {}});
  ASSERT_TRUE(loaded) << loaded.error().message();
  EXPECT_EQ((*loaded)->policies.at("posts").retry->max_attempts, 5u);
  EXPECT_EQ((*loaded)->policies.at("posts").timeout->after, 2s);

  const auto zero = problems_of("policies:\n  posts:\n    retry: {max_attempts: 0}\n");
  EXPECT_TRUE(zero.starts_with("market.yaml:3:27: policies.posts.retry.max_attempts: ")) << zero;
  const auto unknown = problems_of("policies:\n  posts: {retri: {}}\n");
  EXPECT_EQ(unknown, "market.yaml:2:18: policies.posts.retri: unknown field; did you mean \"retry\"?");
  const auto scheme = problems_of("discovery: {registry: \"etcd://here\"}\n");
  EXPECT_EQ(scheme,
            "market.yaml:1:23: discovery.registry: expected a URL that begins with one of static:, memory:, dns:, "
            "consul:, consuls:");
}

}  // namespace
