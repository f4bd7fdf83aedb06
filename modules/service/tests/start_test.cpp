// What happens before anything listens, and that nothing that the program throws or forgets ends it in another way than
// by its exit code.
// weft-style: allow thread in this file: what several cores do is noted by each of them
#include "host_fixture.hpp"

#include <weft/discovery/service_client.hpp>
#include <weft/http/instrumentation.hpp>
#include <weft/http/limits.hpp>
#include <weft/runtime/epoll_loop.hpp>

#include <mutex>
#include <thread>

namespace weft::service {
namespace {

using namespace std::chrono_literals;

class start : public host_fixture {};

task<result<>> wait_for_ever(loop& l) {
  for (;;) (void)co_await weft::sleep(l, context::background(), 1h);
}
task<result<>> note(std::vector<std::string>& events, std::string text) {
  events.push_back(std::move(text));
  co_return result<>{};
}
task<void> close(std::vector<std::string>& events, std::string text) {
  events.push_back(std::move(text));
  co_return;
}
task<result<>> opened() { co_return result<>{}; }
task<result<http::response>> number(unsigned n) { co_return http::response::text(std::to_string(n)); }

task<result<>> stop_then_wait(application& app) {
  app.stop();
  return wait_for_ever(app.loop());
}

// G15: told to stop, the program ends, even if the hook heeds nothing.
TEST_F(start, a_hook_that_waits_for_ever_does_not_keep_it_from_ending) {
  settings_.drain.hook_timeout = 50ms;
  std::vector<std::string> events;
  application app{{.name = "one"}, settings_, at_};
  app.serve(http::router{});
  app.on_start("database", [&](context) { return note(events, "opened"); });
  app.on_start("broker", [&](context) { return stop_then_wait(app); });
  app.on_close("database", [&](context) { return close(events, "closed"); });
  EXPECT_EQ(app.run(), 0);
  EXPECT_EQ(events, (std::vector<std::string>{"opened", "closed"}));
}

task<result<>> throw_an_int() {
  throw 7;
  co_return result<>{};
}

// A12, F13: whatever a hook throws is a start that failed, and what was opened is closed.
TEST_F(start, a_hook_that_throws_ends_it_orderly) {
  std::vector<std::string> events;
  application app{{.name = "one"}, settings_, at_};
  app.serve(http::router{});
  app.on_start("broker", [](context) { return throw_an_int(); });
  app.on_close("database", [&](context) { return close(events, "closed"); });
  EXPECT_EQ(app.run(), 1);
  EXPECT_EQ(events, std::vector<std::string>{"closed"});

  application other{{.name = "two"}, settings_, at_};
  other.serve(http::router{});
  other.on_start("broker", [](const context&) -> task<result<>> { throw std::string{"before the task"}; });
  EXPECT_EQ(other.run(), 1);
}

// G4: the server refuses the body before the route's own limit is looked at.
TEST_F(start, a_limit_beyond_the_servers_is_mentioned) {
  settings_.log = {.level = observe::log_level::warning, .format = observe::log_format::json};
  at_.max_body_bytes = 1024;
  const auto said = [&](std::size_t limit) {
    testing::internal::CaptureStdout();
    testing::internal::CaptureStderr();
    {
      application app{{.name = "one"}, settings_, at_};
      http::router routes;
      routes.post("/upload", [](http::request&) { return number(1); }, {http::limit_content(limit)});
      app.serve(std::move(routes));
      EXPECT_EQ(run(app, [](loop&, const auto&) { return nothing(); }), 0);
    }  // which writes what its log still holds
    return testing::internal::GetCapturedStdout() + testing::internal::GetCapturedStderr();
  };
  const auto beyond = said(2048);
  EXPECT_NE(beyond.find("route POST /upload: limit_content never allows its 2048 bytes"), std::string::npos) << beyond;
  EXPECT_NE(beyond.find("raise the server's max_body_bytes"), std::string::npos) << beyond;
  EXPECT_EQ(said(1024).find("limit_content"), std::string::npos);
}

// A12
TEST_F(start, routes_that_cannot_be_made_end_it_orderly) {
  for (const std::uint16_t cores : {1, 2}) {
    settings_.cores = cores;
    std::vector<std::string> events;
    application app{{.name = "one"}, settings_, at_};
    // The last core's: the others have started by then.
    app.serve([&](core& on) -> http::router {
      if (on.index == cores - 1u) throw 7;
      return http::router{};
    });
    app.on_close("database", [&](context) { return close(events, "closed"); });
    EXPECT_EQ(app.run(), 1);
    EXPECT_EQ(events, std::vector<std::string>{"closed"});
  }
}

// Middleware that would do nothing within what the host puts around the routes.
TEST_F(start, routes_that_are_instrumented_twice_are_refused) {
  application app{{.name = "one"}, settings_, at_};
  app.serve([](core& on) {
    http::router routes;
    routes.use(http::instrument(on.loop, {.metrics = &on.metrics}));
    return routes;
  });
  app.on_ready([&](const auto&) {
    ADD_FAILURE() << "started";
    app.stop();
  });
  EXPECT_EQ(app.run(), 1);
}

// G2, A18: a name that was misspelt, on either side, is no client without policies.
TEST_F(start, misspelt_names_of_policies_are_refused) {
  settings_.policies["prices"].timeout = resilience::timeout{.after = 1s};
  for (const bool required : {true, false}) {
    application app{{.name = "one"}, settings_, at_};
    app.serve([required](core& on) {
      if (required)
        static_cast<void>(on.policies.at("prises"));
      else
        static_cast<void>(on.policies.find("prises"));
      return http::router{};
    });
    app.on_ready([&](const auto&) {
      ADD_FAILURE() << "started";
      app.stop();
    });
    EXPECT_EQ(app.run(), 1);
  }
}

// G2: whoever asks for a policy that may be missing, and has none, is told when the client is made.
TEST_F(start, a_client_by_a_policy_that_is_not_there_is_refused) {
  application app{{.name = "one"}, settings_, at_};
  app.serve([](core& on) {
    const discovery::service_client prices{on.loop, on.registry, {.service = "prices"}, on.policies.find("typo")};
    return http::router{};
  });
  app.on_ready([&](const auto&) {
    ADD_FAILURE() << "started";
    app.stop();
  });
  EXPECT_EQ(app.run(), 1);
}

// A policy that may be missing is asked for by find().
TEST_F(start, a_policy_that_may_be_missing_is_no_problem) {
  settings_.policies["prices"].timeout = resilience::timeout{.after = 1s};
  application app{{.name = "one"}, settings_, at_};
  app.serve([](core& on) {
    static_cast<void>(on.policies.at("prices"));
    EXPECT_EQ(on.policies.find("price"), nullptr);
    return http::router{};
  });
  app.on_ready([&](const auto&) { app.stop(); });
  EXPECT_EQ(app.run(), 0);
}

// A12
TEST_F(start, a_ready_hook_that_throws_ends_it_orderly) {
  std::vector<std::string> events;
  application app{{.name = "one"}, settings_, at_};
  app.serve(http::router{});
  app.on_close("database", [&](context) { return close(events, "closed"); });
  app.on_ready([](const auto&) { throw 7; });
  EXPECT_EQ(app.run(), 1);
  EXPECT_EQ(events, std::vector<std::string>{"closed"});
}

// A hook that comes too late would never run.
TEST_F(start, a_hook_that_is_added_after_the_start_is_refused) {
  application app{{.name = "one"}, settings_, at_};
  app.serve(http::router{});
  app.on_ready([&](const auto&) {
    EXPECT_THROW(app.on_start("late", [](context) { return opened(); }), std::logic_error);
    app.stop();
  });
  EXPECT_EQ(app.run(), 0);
}

class several_cores : public host_fixture {
 protected:
  several_cores() { settings_.cores = 2; }
};

// G8: they are served, by the core that they belong to.
TEST_F(several_cores, routes_of_one_core_stay_on_it) {
  application app{{.name = "two"}, settings_, at_};
  http::router routes;
  const auto here = std::this_thread::get_id();
  bool elsewhere = false;
  routes.get("/which", [&](http::request&) {
    elsewhere = elsewhere || std::this_thread::get_id() != here;
    return number(7);
  });
  app.serve(routes);
  const int code = run(app, [](loop& l, std::vector<bound_listener> at) -> task<void> {
    for (int i = 0; i < 20; ++i) EXPECT_EQ((co_await ask(l, at.front().url(), "/which")).text, "7");
  });
  EXPECT_EQ(code, 0);
  EXPECT_FALSE(elsewhere);
}

// G8: a Unix socket has one listener.
TEST_F(several_cores, a_unix_socket_is_served) {
  at_.address = "unix:" + testing::TempDir() + "weft_two_cores.sock";
  application app{{.name = "two"}, settings_, at_};
  app.serve([](core& on) {
    http::router routes;
    routes.get("/which", [index = on.index](http::request&) { return number(index); });
    return routes;
  });
  bool bound = false;
  app.on_ready([&](const auto&) {
    bound = true;
    app.stop();
  });
  EXPECT_EQ(app.run(), 0);
  EXPECT_TRUE(bound);
}

// A20: with several cores the kernel would give both the port.
TEST_F(several_cores, two_listeners_on_one_port_are_refused) {
  epoll_loop finder;
  at_.port = finder.listen(address::loopback(0)).value()->local().port();
  application app{{.name = "two"}, settings_, at_};
  app.serve([](core&) { return http::router{}; }, {.name = "users"});
  app.serve([](core&) { return http::router{}; }, {.name = "posts"});
  app.on_ready([&](const auto&) {
    ADD_FAILURE() << "both listen";
    app.stop();
  });
  EXPECT_EQ(app.run(), 1);
}

struct seen_on {
  std::mutex mutex;
  std::vector<std::string> events;
  void note(std::string text) {
    const std::lock_guard guard{mutex};
    events.push_back(std::move(text));
  }
};
task<result<>> open_on(seen_on& seen, std::string text) {
  seen.note(std::move(text));
  co_return result<>{};
}
task<void> close_on(seen_on& seen, std::string text, std::thread::id home) {
  seen.note(text + (std::this_thread::get_id() == home ? "" : " on another thread"));
  co_return;
}

// G8: what a core opens is opened and closed on that core.
TEST_F(several_cores, each_has_its_own_hooks) {
  seen_on seen;
  application app{{.name = "two"}, settings_, at_};
  app.on_start_of_each_core("broker", [&](core& on, context) {
    const auto index = std::to_string(on.index);
    app.on_close("broker", [&seen, index, home = std::this_thread::get_id()](context) {
      return close_on(seen, "close " + index, home);
    });
    return open_on(seen, "open " + index);
  });
  app.serve([&](core& on) {
    const auto index = std::to_string(on.index);
    seen.note("routes " + index);
    app.on_start("consumers", [&seen, index](context) { return open_on(seen, "consume " + index); });
    return http::router{};
  });
  app.on_ready([&](const auto&) {
    seen.note("ready");
    app.stop();
  });
  EXPECT_EQ(app.run(), 0);
  EXPECT_EQ(seen.events, (std::vector<std::string>{"open 0", "routes 0", "consume 0", "open 1", "routes 1", "consume 1",
                                                   "ready", "close 1", "close 0"}));
}

// G15, with several cores.
TEST_F(several_cores, a_hook_of_another_core_that_waits_for_ever_does_not_keep_it_from_ending) {
  settings_.drain.hook_timeout = 50ms;
  application app{{.name = "two"}, settings_, at_};
  app.serve([](core&) { return http::router{}; });
  app.on_start_of_each_core("broker", [&](core& on, context) {
    if (on.index == 0) return opened();
    app.stop();
    return wait_for_ever(on.loop);
  });
  EXPECT_EQ(app.run(), 0);
}

}  // namespace
}  // namespace weft::service
