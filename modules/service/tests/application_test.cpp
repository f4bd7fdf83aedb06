// The host itself, in this process: it is asked over loopback from its own loop and then stopped.
#include <weft/http/client.hpp>
#include <weft/runtime/task_group.hpp>
#include <weft/service.hpp>

#include <gtest/gtest.h>

#include <set>

namespace {

using namespace weft;
using namespace std::chrono_literals;
using service::application;
using service::bound_listener;

struct reply {
  int status = 0;
  std::string text;
};

task<reply> ask(loop& l, std::string url, std::string path) {
  http::client client{l, {.base_url = url}};
  auto answer = co_await client.get_raw(context::background().with_timeout(l, 30s), path);
  if (!answer) co_return reply{0, answer.error().describe()};
  const auto text = co_await answer->content.text();
  co_return reply{to_int(answer->status), std::string{text.value_or("")}};
}

class host : public testing::Test {
 protected:
  host() {
    settings_.log.level = observe::log_level::off;
    settings_.drain.propagation_delay = 0s;
    at_.address = "127.0.0.1";
    at_.port = 0;
  }
  // Runs the application until `questions` have been asked of its first listener.
  template <class Questions>
  int run(application& app, Questions questions) {
    std::optional<task_group> asking;
    app.on_ready([&](const std::vector<bound_listener>& listeners) {
      asking.emplace(app.loop()).spawn(then_stop(app, questions(app.loop(), listeners.front().url())));
    });
    const int code = app.run();
    asking.reset();
    return code;
  }
  static task<void> then_stop(application& app, task<void> questions) {
    co_await std::move(questions);
    app.stop();
  }

  service::host_settings settings_;
  service::http_settings at_;
};

task<result<http::response>> which(unsigned index) { co_return http::response::text(std::to_string(index)); }

TEST_F(host, answers_its_routes_and_its_own_endpoints) {
  application app{{.name = "one"}, settings_, at_};
  http::router routes;
  routes.get("/which", [](http::request&) { return which(7); });
  routes.use([](http::handler) { return [](http::request&) { return which(8); }; });
  app.serve(routes);
  const int code = run(app, [](loop& l, std::string url) -> task<void> {
    EXPECT_EQ((co_await ask(l, url, "/which")).text, "8");  // what the routes use runs around them
    EXPECT_EQ((co_await ask(l, url, "/health/other")).text, "8");
    EXPECT_TRUE((co_await ask(l, url, "/health")).text.starts_with(R"({"status":"healthy","checks":{"memory":)"));
    EXPECT_EQ((co_await ask(l, url, "/health/live")).text, R"({"status":"alive"})");
    EXPECT_TRUE((co_await ask(l, url, "/metrics")).text.contains("weft_http_server_requests_total"));
  });
  EXPECT_EQ(code, 0);
}

task<result<service::health_details>> broken() { co_return fail(errc::unavailable, "no connection"); }

TEST_F(host, is_not_ready_while_a_check_fails) {
  application app{{.name = "one"}, settings_, at_};
  app.serve(http::router{});
  app.health().add("database", [](context) { return broken(); });
  const int code = run(app, [](loop& l, std::string url) -> task<void> {
    const auto health = co_await ask(l, url, "/health");
    EXPECT_EQ(health.status, 503);
    EXPECT_TRUE(health.text.contains(R"("database":{"status":"unhealthy","error":"no connection"})")) << health.text;
    const auto ready = co_await ask(l, url, "/health/ready");
    EXPECT_EQ(ready.status, 503);
    EXPECT_EQ(ready.text, R"({"status":"unhealthy"})");
    EXPECT_EQ((co_await ask(l, url, "/health/live")).status, 200);
  });
  EXPECT_EQ(code, 0);
}

// Connections are spread by the kernel: after enough of them, both cores have had one.
task<void> ask_until_both(loop& l, std::string url, std::set<std::string>& seen) {
  for (int i = 0; i < 200 && seen.size() < 2; ++i) seen.insert((co_await ask(l, url, "/which")).text);
  for (int i = 0; i < 20; ++i) {
    const auto health = co_await ask(l, url, "/health");
    EXPECT_EQ(health.status, 200) << health.text;
    EXPECT_TRUE(health.text.contains("rss_bytes")) << health.text;
  }
}

TEST_F(host, runs_a_loop_on_each_core_and_each_answers_for_all) {
  settings_.cores = 2;
  application app{{.name = "two"}, settings_, at_};
  app.serve([](service::core& core) {
    http::router routes;
    routes.get("/which", [index = core.index](http::request&) { return which(index); });
    return routes;
  });
  std::set<std::string> seen;
  const int code = run(app, [&seen](loop& l, std::string url) { return ask_until_both(l, url, seen); });
  EXPECT_EQ(code, 0);
  EXPECT_EQ(seen, (std::set<std::string>{"0", "1"}));
}

task<void> note(std::vector<std::string>& events, std::string what) {
  events.push_back(std::move(what));
  co_return;
}

task<result<>> open(std::vector<std::string>& events, std::string what, result<> how = {}) {
  events.push_back(std::move(what));
  co_return how;
}

TEST_F(host, opens_what_it_needs_before_the_routes_are_made_and_before_it_listens) {
  std::vector<std::string> events;
  application app{{.name = "one"}, settings_, at_};
  app.serve([&](service::core&) {
    events.emplace_back("routes");
    app.on_start("consumers", [&](context) { return open(events, "consumers"); });
    return http::router{};
  });
  app.on_start("database", [&](context) { return open(events, "database"); });
  app.on_start("broker", [&](context) { return open(events, "broker"); });
  app.on_ready([&](const auto&) {
    events.emplace_back("ready");
    app.stop();
  });
  EXPECT_EQ(app.run(), 0);
  EXPECT_EQ(events, (std::vector<std::string>{"database", "broker", "routes", "consumers", "ready"}));
}

TEST_F(host, does_not_start_without_what_it_needs_and_closes_what_was_opened) {
  std::vector<std::string> events;
  application app{{.name = "one"}, settings_, at_};
  app.serve(http::router{});
  app.on_start("database", [&](context) { return open(events, "database"); });
  app.on_start("broker",
               [&](context) { return open(events, "broker", fail(errc::unavailable, "connection refused")); });
  app.on_close("database", [&](context) { return note(events, "closed"); });
  app.on_ready([&](const auto&) { events.emplace_back("ready"); });
  EXPECT_EQ(app.run(), 1);
  EXPECT_EQ(events, (std::vector<std::string>{"database", "broker", "closed"}));
}

TEST_F(host, closes_what_was_opened_the_last_first) {
  std::vector<std::string> events;
  application app{{.name = "one"}, settings_, at_};
  app.serve(http::router{});
  app.on_close("pool", [&](context) { return note(events, "pool"); });
  app.on_close("broker", [&](context) { return note(events, "broker"); });
  app.on_deregister("registry", [&](context) { return note(events, "registry"); });
  EXPECT_EQ(run(app, [](loop&, std::string) -> task<void> { co_return; }), 0);
  EXPECT_EQ(events, (std::vector<std::string>{"registry", "broker", "pool"}));
}

task<void> taken(service::host_settings settings, std::uint16_t port) {
  application second{{.name = "second"}, settings, service::http_settings{.address = "127.0.0.1", .port = port}};
  second.serve(http::router{});
  EXPECT_EQ(second.run(), 1);
  co_return;
}

TEST_F(host, needs_a_place_to_listen_and_a_free_one) {
  application nowhere{{.name = "none"}, settings_, std::nullopt};
  EXPECT_THROW(nowhere.serve(http::router{}), std::invalid_argument);

  application first{{.name = "first"}, settings_, at_};
  first.serve(http::router{});
  run(first, [&](loop&, std::string url) {
    return taken(settings_, static_cast<std::uint16_t>(std::stoi(url.substr(url.rfind(':') + 1))));
  });
}

}  // namespace
