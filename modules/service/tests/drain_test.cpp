// The order in which a service ends, in virtual time: the real server and client over the simulated network.
#include <weft/http/client.hpp>
#include <weft/http/router.hpp>
#include <weft/runtime/sleep.hpp>
#include <weft/service/drain.hpp>
#include <weft/testkit.hpp>

#include <gtest/gtest.h>

namespace {

using namespace weft;
using namespace std::chrono_literals;
using service::drain_phase;

class drain : public testing::Test {
 protected:
  drain() : machine_{sim_.add_host("users")}, caller_{sim_.add_host("caller")} {}

  // "2.0 s  finishing", since the drain began.
  void note(const std::string& what) {
    const auto tenths = std::chrono::round<std::chrono::milliseconds>(sim_.now() - began_).count() / 100;
    events_.push_back(std::to_string(tenths / 10) + "." + std::to_string(tenths % 10) + " " + what);
  }
  service::drain_observer observer() {
    return [this](drain_phase phase, std::string_view problem) {
      note(std::string{to_string(phase)} + (problem.empty() ? "" : ": " + std::string{problem}));
    };
  }
  service::drain_hook hook(std::string what, duration time) {
    return [this, what, time](context) { return take_time(what, time); };
  }
  task<void> take_time(std::string what, duration time) {
    (void)co_await weft::sleep(machine_.loop(), context::background(), time);
    note(what);
  }

  http::handler slow_routes() {
    http::router routes;
    routes.get("/slow/{seconds}", [this](http::request&, int seconds) { return slow(seconds); });
    return routes.as_handler();
  }
  task<result<http::response>> slow(int seconds) {
    (void)co_await weft::sleep(machine_.loop(), context::background(), std::chrono::seconds{seconds});
    co_return http::response::text("done");
  }
  task<void> call(http::client& c, std::string path, std::string what) {
    auto answer = co_await c.get_raw(context::background(), path);
    if (!answer)
      note(what + " failed");
    else
      note(what + " " + std::to_string(to_int(answer->status)) + " " +
           std::string{answer->headers.get("connection").value_or("stays open")});
  }

  testkit::simulation sim_{7};
  testkit::host &machine_, &caller_;
  steady_time began_{};
  std::vector<std::string> events_;
};

TEST_F(drain, goes_in_the_order_in_which_no_caller_notices) {
  http::server server{machine_.loop(), slow_routes()};
  ASSERT_TRUE(server.listen(machine_.address(80)));
  service::drain_sequence ending{machine_.loop(), {.propagation_delay = 2s, .request_timeout = 10s}, observer()};
  ending.on_close("pool", hook("the pool is closed", 100ms));
  ending.on_close("broker", hook("the broker is closed", 100ms));
  ending.on_deregister("registry", hook("left the registry", 500ms));
  ending.add(server);
  EXPECT_TRUE(ending.ready());

  http::client client{caller_.loop(), {.base_url = "http://users"}};
  http::client late{caller_.loop(), {.base_url = "http://users"}};
  http::client too_late{caller_.loop(), {.base_url = "http://users"}};
  task_group calls{caller_.loop()}, ends{machine_.loop()};
  calls.spawn(call(client, "/slow/6", "request in flight"));
  sim_.run_for(1s);
  began_ = sim_.now();
  ends.spawn(ending.run());
  sim_.run_for(100ms);
  EXPECT_FALSE(ending.ready());
  sim_.run_for(900ms);
  calls.spawn(call(late, "/slow/0", "new request while it propagates"));
  sim_.run_for(2s);
  calls.spawn(call(too_late, "/slow/0", "new request afterwards"));
  sim_.run_for(10s);

  EXPECT_EQ(events_, (std::vector<std::string>{"0.0 deregistering", "0.5 left the registry", "0.5 propagating",
                                               "1.0 new request while it propagates 200 close", "2.5 finishing",
                                               "3.0 new request afterwards failed", "5.0 request in flight 200 close",
                                               "5.0 closing", "5.1 the broker is closed", "5.2 the pool is closed",
                                               "5.2 ended"}));
  EXPECT_TRUE(ends.empty());
}

TEST_F(drain, cuts_off_what_does_not_end) {
  http::server server{machine_.loop(), slow_routes()};
  ASSERT_TRUE(server.listen(machine_.address(80)));
  service::drain_sequence ending{
      machine_.loop(), {.propagation_delay = 0s, .request_timeout = 3s, .hook_timeout = 1s}, observer()};
  ending.on_deregister("registry", hook("too late to count", 1h));
  ending.on_close("pool", [](context) -> task<void> {
    throw std::runtime_error{"not connected"};
    co_return;
  });
  ending.on_close("broker", hook("the broker is closed", 0ms));
  ending.add(server);
  http::client client{caller_.loop(), {.base_url = "http://users"}};
  task_group calls{caller_.loop()}, ends{machine_.loop()};
  calls.spawn(call(client, "/slow/60", "request in flight"));
  sim_.run_for(1s);
  began_ = sim_.now();
  ends.spawn(ending.run());
  sim_.run_for(100s);

  ASSERT_EQ(events_.size(), 10u) << testing::PrintToString(events_);
  EXPECT_EQ(events_,
            (std::vector<std::string>{"0.0 deregistering", "1.0 deregistering: registry: not done in time",
                                      "1.0 propagating", "1.0 finishing", "4.0 request in flight failed",
                                      "4.1 finishing: handlers that did not end were left behind", "4.1 closing",
                                      "4.1 the broker is closed", "4.1 closing: pool: not connected", "4.1 ended"}));
}

task<void> throw_an_int() {
  throw 7;
  co_return;
}

// A12, F13: whatever a hook or a listener throws is reported, and the drain goes on.
TEST_F(drain, goes_on_whatever_is_thrown) {
  service::drain_sequence ending{machine_.loop(), {.propagation_delay = 0s, .request_timeout = 1s}, observer()};
  ending.on_deregister("registry", [](context) { return throw_an_int(); });
  ending.on_close("pool", [](context) -> task<void> { throw std::string{"before the task"}; });
  ending.add(
      service::drain_listener{.start_draining = [] { throw 7; }, .drain = [](duration) { return throw_an_int(); }});
  task_group ends{machine_.loop()};
  began_ = sim_.now();
  ends.spawn(ending.run());
  sim_.run_for(10s);
  EXPECT_TRUE(ends.empty());
  EXPECT_EQ(events_.back(), "0.0 ended");
  EXPECT_EQ(events_.size(), 9u) << testing::PrintToString(events_);
}

task<void> add_another(service::drain_sequence& ending, service::drain_hook hook) {
  ending.on_close("late", std::move(hook));
  co_return;
}

TEST_F(drain, runs_the_hooks_that_hooks_add) {
  service::drain_sequence ending{machine_.loop(), {.propagation_delay = 0s}};
  ending.on_close("first", hook("first", 0s));
  ending.on_close("adds", [&](context) { return add_another(ending, hook("late", 0s)); });
  task_group ends{machine_.loop()};
  began_ = sim_.now();
  ends.spawn(ending.run());
  sim_.run_for(10s);
  EXPECT_EQ(events_, (std::vector<std::string>{"0.0 late", "0.0 first"}));
}

// A11: "never" is no time that has passed.
TEST_F(drain, takes_timeouts_without_limit) {
  http::server server{machine_.loop(), slow_routes()};
  ASSERT_TRUE(server.listen(machine_.address(80)));
  constexpr auto never = std::chrono::milliseconds::max();
  service::drain_sequence ending{
      machine_.loop(), {.propagation_delay = 0s, .request_timeout = never, .hook_timeout = never}, observer()};
  ending.on_close("broker", hook("the broker is closed", 100ms));
  ending.add(server);
  http::client client{caller_.loop(), {.base_url = "http://users"}};
  task_group calls{caller_.loop()}, ends{machine_.loop()};
  calls.spawn(call(client, "/slow/6", "request in flight"));
  sim_.run_for(1s);
  began_ = sim_.now();
  ends.spawn(ending.run());
  sim_.run_for(10s);
  EXPECT_EQ(events_, (std::vector<std::string>{"0.0 deregistering", "0.0 propagating", "0.0 finishing",
                                               "5.0 request in flight 200 close", "5.0 closing",
                                               "5.1 the broker is closed", "5.1 ended"}));
}

}  // namespace
