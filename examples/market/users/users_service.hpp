#pragma once
// The users service, put together.
#include "calls.hpp"
#include "settings.hpp"
#include "users/post_counter.hpp"
#include "users/user_storage.hpp"
#include "users/users_api.hpp"

#include <weft/service/application.hpp>
#include <weft/service/broker_link.hpp>

namespace market::users {

class users_service {
 public:
  // [clients]
  users_service(weft::service::core& core, weft::service::broker_link& messages, user_storage& storage)
      : events_{messages.publishing(core, "/users")},
        repository_{storage.repository(events_)},
        posts_client_{core.loop, core.registry, calls_to("posts", "users", core), core.policies.at("posts")},
        posts_{core.loop, posts_client_, core.policies.at("user_posts")} {
    count_posts(messages.consuming(core, "users"), repository_);
    storage.relay_to(core, messages);
  }
  // [/clients]

  // Refer to this object.
  [[nodiscard]] weft::http::router routes() { return api_.routes(); }

 private:
  weft::service::event_outlet& events_;
  user_repository& repository_;
  weft::discovery::service_client posts_client_;
  user_posts posts_;
  users_api api_{repository_, posts_, events_.publisher()};
};

}  // namespace market::users
