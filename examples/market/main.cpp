// The market, weft's reference system: every service in one program, each behind a port of its own; or one of them with
// --only, so that several processes are the market.
#include "invitation.hpp"
#include "notifications/notifications_service.hpp"
#include "posts/posts_service.hpp"
#include "settings.hpp"
#include "users/users_service.hpp"

#include <weft/messaging/memory_broker.hpp>
#include <weft/messaging_amqp/amqp_broker.hpp>
#include <weft/messaging_sqlite/sqlite_broker.hpp>
#include <weft/service.hpp>

#include <cstdio>
#include <memory>

using namespace weft;

namespace {

// `metrics` outlives the brokers.
messaging::broker_factory brokers(observe::registry& metrics) {
  messaging::broker_factory kinds;
  kinds.add("memory", messaging::memory_brokers()).add("sqlite", messaging::sqlite_brokers({.metrics = &metrics}));
  const messaging::amqp_options rabbit{
      .exchange = "domain_events", .prefix = "market.", .metrics = &metrics};  // unless the URL says other
  kinds.add("amqp", messaging::amqp_brokers(rabbit)).add("amqps", messaging::amqp_brokers(rabbit));
  return kinds;
}

// Each of them, when it runs here.
struct services {
  std::unique_ptr<market::users::user_storage> user_storage;
  std::unique_ptr<market::users::users_service> users;
  std::unique_ptr<market::posts::posts_service> posts;
  std::unique_ptr<market::notifications::notifications_service> notifications;
};

void serve(service::application& app, services& all, service::broker_link& messages, const market::settings& config) {
  if (config.runs(market::market_service::users)) {
    all.user_storage = std::make_unique<market::users::user_storage>(app, config.users);
    app.serve(
        [&](service::core& core) {
          all.users = std::make_unique<market::users::users_service>(core, messages, *all.user_storage);
          return all.users->routes();
        },
        {.name = "users", .at = config.users.http});
  }
  if (config.runs(market::market_service::posts))
    app.serve(
        [&](service::core& core) {
          all.posts = std::make_unique<market::posts::posts_service>(core, messages, config.posts, config.faults);
          return all.posts->routes();
        },
        {.name = "posts", .at = config.posts.http});
  if (config.runs(market::market_service::notifications)) {
    all.notifications = std::make_unique<market::notifications::notifications_service>(app, config.notifications);
    app.serve([&](service::core& core) { return all.notifications->routes(core, messages); },
              {.name = "notifications", .at = config.notifications.http});
  }
}

}  // namespace

int main(int argc, char** argv) {
  const service::program_options program{.name = "market",
                                         .version = "0.1",
                                         .description = "weft's reference system: users, their posts, and mail",
                                         .config_files = {MARKET_CONFIG},
                                         .policies = {"posts", "user_posts", "users"}};
  const auto config = service::load_or_exit<market::settings>(program, argc, argv);
  // [messages]
  service::application app{program, config};
  services all;  // outlives the link, whose consumers call it
  service::broker_link messages{app, brokers(app.metrics()), config->messaging};
  serve(app, all, messages, *config);
  // [/messages]
  if (config->only && config->messaging.broker.scheme() == "memory")
    app.log().warning("events stay in this process, and the services of others do not get them",
                      {{"remedy", "give all of them one broker, --messaging.broker=amqp://..."}});

  app.on_ready([&](const std::vector<service::bound_listener>& listeners) {
    std::fputs(market::invitation(*config, listeners).c_str(), stdout);
    std::fflush(stdout);
  });
  return app.run();
}
