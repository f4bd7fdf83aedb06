// A service with a broker, in this process: started, asked, and ended.
#include <weft/messaging/memory_broker.hpp>
#include <weft/runtime/sleep.hpp>
#include <weft/service.hpp>
#include <weft/service/broker_link.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <atomic>

namespace {

using namespace weft;
using namespace std::chrono_literals;
using service::application;

struct note {
  std::string text;
};
BOOST_DESCRIBE_STRUCT(note, (), (text))
constexpr messaging::topic<note> notes{"notes"};

TEST(secret_url, shows_no_password) {
  const auto shown = [](std::string url) { return service::secret_url{std::move(url)}.shown(); };
  EXPECT_EQ(shown("memory:"), "memory:");
  EXPECT_EQ(shown("amqp://weft@rabbit:5672/shop"), "amqp://weft@rabbit:5672/shop");
  EXPECT_EQ(shown("amqp://weft:hunter2@one:5672,two/shop?heartbeat=5"),
            "amqp://weft:[redacted]@one:5672,two/shop?heartbeat=5");
  EXPECT_EQ(shown("amqp://weft:a/b@c@rabbit/"), "amqp://weft:[redacted]@rabbit/");
  EXPECT_EQ(shown("postgres://host/name?password=hunter2&sslmode=require"),
            "postgres://host/name?password=[redacted]&sslmode=require");
  EXPECT_EQ(shown("consul://consul:8500?dc=eu&token=hunter2"), "consul://consul:8500?dc=eu&token=[redacted]");
  const service::secret_url url{"amqp://a:hunter2@b"};
  EXPECT_EQ(json::encode(url), "\"amqp://a:[redacted]@b\"");
  EXPECT_EQ(json::decode<service::secret_url>("\"amqp://a:hunter2@b\"").value(), url);
  EXPECT_EQ(url.scheme(), "amqp");
}

// A broker that cannot be reached the first times, and counts what happens to it.
struct story {
  int opened = 0, unreachable = 0;
  std::vector<std::string> events;
  bool well = true;
};

class told_broker final : public messaging::broker {
 public:
  told_broker(loop& l, story& s) : inner_{l, std::make_shared<messaging::memory_hub>()}, story_{s} {
    features_ = inner_.features();
  }
  [[nodiscard]] const messaging::broker_features& features() const noexcept override { return features_; }
  task<std::vector<result<>>> publish(context ctx, std::vector<messaging::outgoing> batch) override {
    return inner_.publish(std::move(ctx), std::move(batch));
  }
  task<result<std::unique_ptr<messaging::consumer>>> subscribe(context ctx, messaging::subscription what) override {
    story_.events.push_back("subscribed");
    return inner_.subscribe(std::move(ctx), std::move(what));
  }
  task<result<>> check(context) override {
    if (!story_.well) co_return fail(errc::unavailable, "the connection is lost");
    co_return result<>{};
  }
  messaging::broker_admin* admin() noexcept override { return inner_.admin(); }
  task<void> close(context) override {
    story_.events.push_back("closed");
    co_return;
  }

 private:
  messaging::memory_broker inner_;
  messaging::broker_features features_;
  story& story_;
};

task<result<std::unique_ptr<messaging::broker>>> open_told(loop& l, story& s) {
  ++s.opened;
  if (s.unreachable > 0) {
    --s.unreachable;
    co_return fail(errc::unavailable, "connection refused");
  }
  co_return std::make_unique<told_broker>(l, s);
}

task<result<>> take(story& s, loop& l, context ctx, std::string text, duration time) {
  WEFT_CO_TRY_VOID(co_await weft::sleep(l, ctx, time));
  s.events.push_back("handled " + text);
  co_return result<>{};
}

class linked : public testing::Test {
 protected:
  linked() {
    settings_.log.level = observe::log_level::off;
    settings_.drain.propagation_delay = 0s;
    at_.address = "127.0.0.1";
    at_.port = 0;
    brokers_.add("told", [this](loop& l, context, std::string) { return open_told(l, story_); });
  }

  struct program {
    program(linked& test, duration handling)
        : app{{.name = "one"}, test.settings_, test.at_}, link{app, test.brokers_, test.messaging_} {
      app.serve([this, &test, handling](service::core& core) {
        outlet = &link.publishing(core, "/tests");
        link.consuming(core, "tests")
            .on(notes, {.group = "tests"}, [&test, &core, handling](const context& ctx, const auto& d) {
              return take(test.story_, core.loop, ctx, d.event.text, handling);
            });
        return http::router{};
      });
    }
    void tell(std::string text) {
      EXPECT_TRUE(outlet->tell(outlet->prepare({}, notes, {std::move(text)}, "").value()));
    }

    application app;
    service::broker_link link;
    service::event_outlet* outlet = nullptr;
  };

  service::host_settings settings_;
  service::http_settings at_;
  service::messaging_settings messaging_{.broker = service::secret_url{"told:"}};
  messaging::broker_factory brokers_;
  story story_;
};

TEST_F(linked, consumers_are_there_before_the_first_request_and_what_was_told_is_handled_before_the_end) {
  program p{*this, 20ms};
  p.app.on_ready([&](const auto&) {
    EXPECT_EQ(story_.events, std::vector<std::string>{"subscribed"});
    p.tell("one");
    p.tell("two");
    p.app.stop();  // memory: what is not handled now never will be
  });
  EXPECT_EQ(p.app.run(), 0);
  EXPECT_EQ(story_.events, (std::vector<std::string>{"subscribed", "handled one", "handled two", "closed"}));
}

TEST_F(linked, a_handler_that_takes_too_long_is_left_behind) {
  settings_.drain.hook_timeout = 200ms;
  program p{*this, 1h};
  p.app.on_ready([&](const auto&) {
    p.tell("one");
    p.app.stop();
  });
  EXPECT_EQ(p.app.run(), 0);
  EXPECT_EQ(story_.events, (std::vector<std::string>{"subscribed", "closed"}));
}

TEST_F(linked, the_start_waits_for_the_broker) {
  story_.unreachable = 1;
  program p{*this, 0s};
  p.app.on_ready([&](const auto&) { p.app.stop(); });
  EXPECT_EQ(p.app.run(), 0);
  EXPECT_EQ(story_.opened, 2);
}

TEST_F(linked, without_its_broker_it_does_not_start) {
  story_.unreachable = 1000;
  messaging_.open_timeout = 0ms;
  EXPECT_EQ(program(*this, 0s).app.run(), 1);
  messaging_.broker = service::secret_url{"carrier-pigeon:"};
  messaging_.open_timeout = 1h;
  EXPECT_EQ(program(*this, 0s).app.run(), 1);
}

TEST_F(linked, it_can_be_stopped_while_it_waits) {
  story_.unreachable = 1000;
  messaging_.open_timeout = 1h;
  program p{*this, 0s};
  p.app.stop();
  EXPECT_EQ(p.app.run(), 0);
}

task<void> look(application& app, story& s) {
  const auto line = [](const service::health_report& r) {
    return *std::ranges::find(r.lines, "broker", &service::health_report::line::name);
  };
  auto good = co_await app.health().run({});
  EXPECT_TRUE(line(good).healthy);
  EXPECT_TRUE(
      good.to_json({}).contains(R"("broker":{"status":"healthy","critical":false,"broker":"memory","unpublished":0})"))
      << good.to_json({});
  s.well = false;
  auto bad = co_await app.health().run({});
  EXPECT_EQ(line(bad).problem, "the connection is lost");
  EXPECT_TRUE(bad.healthy);  // advisory: requests go on
  app.stop();
}

struct two_cores_seen {
  std::atomic<int> opened = 0, handled = 0, closed = 0;
};

class counted_broker final : public messaging::broker {
 public:
  counted_broker(loop& l, std::shared_ptr<messaging::memory_hub> hub, two_cores_seen& seen)
      : inner_{l, std::move(hub)}, seen_{seen} {
    ++seen.opened;
  }
  [[nodiscard]] const messaging::broker_features& features() const noexcept override { return inner_.features(); }
  task<std::vector<result<>>> publish(context ctx, std::vector<messaging::outgoing> batch) override {
    return inner_.publish(std::move(ctx), std::move(batch));
  }
  task<result<std::unique_ptr<messaging::consumer>>> subscribe(context ctx, messaging::subscription what) override {
    return inner_.subscribe(std::move(ctx), std::move(what));
  }
  task<result<>> check(context ctx) override { return inner_.check(std::move(ctx)); }
  messaging::broker_admin* admin() noexcept override { return inner_.admin(); }
  task<void> close(context ctx) override {
    ++seen_.closed;
    co_await inner_.close(std::move(ctx));
  }

 private:
  messaging::memory_broker inner_;
  two_cores_seen& seen_;
};

task<result<std::unique_ptr<messaging::broker>>> open_counted(loop& l, std::shared_ptr<messaging::memory_hub> hub,
                                                              two_cores_seen& seen) {
  co_return std::make_unique<counted_broker>(l, std::move(hub), seen);
}
task<result<>> count(two_cores_seen& seen) {
  ++seen.handled;
  co_return result<>{};
}

task<void> ask_both(application& app, std::array<service::event_outlet*, 2>& outlets, std::array<loop*, 2>& loops,
                    two_cores_seen& seen) {
  for (std::size_t i = 0; i < 2; ++i)
    loops[i]->post([&outlet = *outlets[i], i] {
      EXPECT_TRUE(outlet.tell(outlet.prepare({}, notes, {"from " + std::to_string(i)}, "").value()));
    });
  const auto ctx = context::background().with_timeout(app.loop(), 30s);
  while (seen.handled < 2 && co_await weft::sleep(app.loop(), ctx, 1ms)) {
  }
  const auto report = co_await app.health().run({});
  const auto broker = *std::ranges::find(report.lines, "broker", &service::health_report::line::name);
  EXPECT_TRUE(broker.healthy) << broker.problem;
  app.stop();
}

// Core 0 listens, and is asked for its health, before the other cores have a broker.
task<result<>> look_early(application& app) {
  const auto report = co_await app.health().run({});
  EXPECT_TRUE(std::ranges::find(report.lines, "broker", &service::health_report::line::name)->healthy);
  co_return result<>{};
}

// G8: a service with a broker runs on several cores: each has its own, opened and closed on its loop.
TEST_F(linked, each_core_has_a_broker) {
  two_cores_seen seen;
  const auto hub = std::make_shared<messaging::memory_hub>();
  brokers_.add("counted", [&](loop& l, context, std::string) { return open_counted(l, hub, seen); });
  settings_.cores = 2;
  messaging_.broker = service::secret_url{"counted:"};
  application app{{.name = "two"}, settings_, at_};
  service::broker_link link{app, brokers_, messaging_};
  std::array<service::event_outlet*, 2> outlets{};
  std::array<loop*, 2> loops{};
  app.serve([&](service::core& core) {
    if (core.index == 0) app.on_start("look", [&](context) { return look_early(app); });
    loops[core.index] = &core.loop;
    outlets[core.index] = &link.publishing(core, "/tests");
    link.consuming(core, "tests").on(notes, {.group = "tests"}, [&](const context&, const auto&) {
      return count(seen);
    });
    return http::router{};
  });
  std::optional<task_group> asking;
  app.on_ready([&](const auto&) { asking.emplace(app.loop()).spawn(ask_both(app, outlets, loops, seen)); });
  EXPECT_EQ(app.run(), 0);
  asking.reset();
  EXPECT_EQ(seen.opened, 2);
  EXPECT_EQ(seen.handled, 2);
  EXPECT_EQ(seen.closed, 2);
}

TEST_F(linked, health_shows_the_broker) {
  program p{*this, 0s};
  std::optional<task_group> asking;
  p.app.on_ready([&](const auto&) { asking.emplace(p.app.loop()).spawn(look(p.app, story_)); });
  EXPECT_EQ(p.app.run(), 0);
  asking.reset();
}

}  // namespace
