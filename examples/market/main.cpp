// The market, weft's reference system: every service in one program, each behind a port of its own; or one of them with
// --only, so that several processes are the market.
#include "invitation.hpp"
#include "posts/posts_service.hpp"
#include "settings.hpp"
#include "users/users_service.hpp"

#include <weft/service.hpp>

#include <cstdio>
#include <memory>

using namespace weft;

int main(int argc, char** argv) {
  const service::program_options program{.name = "market",
                                         .version = "0.1",
                                         .description = "weft's reference system: users and their posts",
                                         .config_files = {MARKET_CONFIG}};
  const auto config = service::load_or_exit<market::settings>(program, argc, argv);
  service::application app{program, config};

  std::unique_ptr<market::users::users_service> users;
  std::unique_ptr<market::posts::posts_service> posts;
  if (config->runs(market::market_service::users))
    app.serve(
        [&](service::core& core) {
          users = std::make_unique<market::users::users_service>(core, config->users);
          return users->routes();
        },
        {.name = "users", .at = config->users.http});
  if (config->runs(market::market_service::posts))
    app.serve(
        [&](service::core& core) {
          posts = std::make_unique<market::posts::posts_service>(core, config->posts, config->faults);
          return posts->routes();
        },
        {.name = "posts", .at = config->posts.http});

  app.on_ready([&](const std::vector<service::bound_listener>& listeners) {
    std::fputs(market::invitation(*config, listeners).c_str(), stdout);
    std::fflush(stdout);
  });
  return app.run();
}
