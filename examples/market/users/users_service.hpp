#pragma once
// The users service, put together.
#include "settings.hpp"
#include "users/memory_user_repository.hpp"
#include "users/users_api.hpp"

#include <weft/discovery/service_client.hpp>
#include <weft/service/application.hpp>

namespace market::users {

class users_service {
 public:
  // [clients]
  users_service(weft::service::core& core, const users_settings& settings)
      : repository_{settings.max_users},
        posts_client_{core.loop, core.registry, posts_options(core), core.policies.find("posts")},
        posts_{core.loop, posts_client_, core.policies.find("user_posts")} {}
  // [/clients]

  // Refer to this object.
  [[nodiscard]] weft::http::router routes() { return api_.routes(); }

 private:
  static weft::discovery::service_client_options posts_options(weft::service::core& core) {
    weft::discovery::service_client_options options{.service = "posts", .caller = "users"};
    options.tracer = &core.spans;
    options.metrics = &core.metrics;
    return options;
  }

  memory_user_repository repository_;
  weft::discovery::service_client posts_client_;
  user_posts posts_;
  users_api api_{repository_, posts_};
};

}  // namespace market::users
