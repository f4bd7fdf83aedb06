#pragma once
// Instances of a service in a simulation that answer as the test says, and a host that calls them.
#include <weft/discovery/service_client.hpp>
#include <weft/http/server.hpp>
#include <weft/runtime/sleep.hpp>
#include <weft/testkit.hpp>

#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <string>
#include <vector>

namespace weft::discovery {

using namespace std::chrono_literals;
using testkit::simulation;

// What an instance was asked, kept through crashes.
struct seen_request {
  std::string instance, method, path, content;
  http::headers headers;
};

class fleet {
 public:
  using answer = std::function<task<result<http::response>>(loop&, http::request&)>;

  explicit fleet(int instances) {
    std::string url = "static:posts=";
    for (int i = 1; i <= instances; ++i) {
      const auto name = "posts-" + std::to_string(i);
      auto& h = sim.add_host(name);
      h.on_boot([this, name](testkit::host& me) { return serve(*this, me, name); });
      url += (i > 1 ? "," : "") + h.address(80).to_string();
      answers[name] = [](loop&, http::request&) { return say(http::status::ok); };
    }
    home = &sim.add_host("users").loop();
    registry = make_registry(*home, url);
  }

  static task<result<http::response>> say(http::status s, std::string retry_after = {}) {
    auto r = http::response::json_text("{\"id\":7}", s);
    if (!retry_after.empty()) r.headers.add("Retry-After", retry_after);
    co_return r;
  }

  template <class... Policies>
  service_client& client(Policies... policies) {
    caller = std::make_unique<service_client>(*home, *registry, options, std::move(policies)...);
    return *caller;
  }
  result<http::response> send(context ctx, http::request r, service_call call = {}) {
    return sim.run(sim.at("users"), sent(*caller, std::move(ctx), std::move(r), call));
  }

  simulation sim{7};
  loop* home = nullptr;
  std::unique_ptr<discovery::registry> registry;
  service_client_options options{.service = "posts", .caller = "users"};
  std::unique_ptr<service_client> caller;
  std::map<std::string, answer> answers;
  std::vector<seen_request> seen;

 private:
  static task<result<http::response>> handle(fleet& f, loop& l, std::string name, http::request& r) {
    auto content = co_await r.content.text();
    f.seen.push_back(
        {name, std::string{r.method_name()}, std::string{r.target()}, std::string{content.value_or("?")}, r.headers});
    co_return co_await f.answers[name](l, r);
  }
  static task<void> serve(fleet& f, testkit::host& me, std::string name) {
    http::server server{me.loop(), [&f, &me, name](http::request& r) { return handle(f, me.loop(), name, r); }};
    EXPECT_TRUE(server.listen(me.address(80)));
    static_cast<void>(co_await sleep(me.loop(), {}, 24h));
  }
  static task<result<http::response>> sent(service_client& c, context ctx, http::request r, service_call call) {
    WEFT_CO_TRY_VOID(co_await c.ready(ctx));
    co_return co_await c.send(ctx, std::move(r), call);
  }
};

}  // namespace weft::discovery
