// The market, weft's reference system: every service in one program, each behind a port of its own.
#include "settings.hpp"
#include "users/memory_user_repository.hpp"
#include "users/users_api.hpp"

#include <weft/service.hpp>

#include <cstdio>

using namespace weft;

namespace {

void print_what_to_try(const std::vector<service::bound_listener>& listeners) {
  for (const auto& listener : listeners) {
    if (listener.name != "users") continue;
    const auto url = listener.url();
    std::printf(
        "\n"
        "The market is open. Try, in another terminal:\n"
        "\n"
        "  curl -i %1$s/api/users -H 'Content-Type: application/json' "
        "-d '{\"name\":\"Ada Lovelace\",\"email\":\"ada@example.com\"}'\n"
        "  curl '%1$s/api/users?page=1&limit=20&search=ada'\n"
        "  curl %1$s/api/users/00000000-0000-7000-8000-000000000000\n"
        "  curl %1$s/health\n"
        "  curl %1$s/metrics\n"
        "\n"
        "Ctrl-C finishes the requests that run and ends; a second one ends at once.\n"
        "\n",
        url.c_str());
  }
  std::fflush(stdout);
}

}  // namespace

int main(int argc, char** argv) {
  const service::program_options program{.name = "market",
                                         .version = "0.1",
                                         .description = "weft's reference system: users, and soon a whole market",
                                         .config_files = {MARKET_CONFIG}};
  const auto config = service::load_or_exit<market::settings>(program, argc, argv);
  service::application app{program, config};

  market::users::memory_user_repository users{config->users.max_users};
  market::users::users_api users_api{users};
  app.serve(users_api.routes(), {.name = "users", .at = config->users.http});

  app.on_ready(print_what_to_try);
  return app.run();
}
