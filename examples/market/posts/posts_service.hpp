#pragma once
// The posts service, put together.
#include "calls.hpp"
#include "posts/memory_post_repository.hpp"
#include "posts/posts_api.hpp"
#include "settings.hpp"

#include <weft/http/fault_injection.hpp>
#include <weft/service/application.hpp>
#include <weft/service/broker_link.hpp>

namespace market::posts {

class posts_service {
 public:
  posts_service(weft::service::core& core, weft::service::broker_link& messages, const posts_settings& settings,
                const faults_settings& faults)
      : core_{core},
        faults_wanted_{faults.enabled},
        events_{messages.publishing(core, "/posts")},
        repository_{settings.max_posts, events_.queue()},
        users_client_{core.loop, core.registry, calls_to("users", "posts", core), core.policies.at("users")} {}

  // Refer to this object.
  [[nodiscard]] weft::http::router routes() {
    auto routes = api_.routes();
    if (!faults_wanted_) return routes;
    routes.use(weft::http::inject_faults(core_.loop, faults_));
    routes.any("/debug/faults", weft::http::fault_control(faults_));
    return routes;
  }

 private:
  weft::service::core& core_;
  bool faults_wanted_;
  weft::service::event_outlet& events_;
  memory_post_repository repository_;
  weft::discovery::service_client users_client_;
  remote_authors authors_{users_client_};
  weft::http::fault_injector faults_;
  posts_api api_{repository_, authors_, events_.publisher(), &core_.log};
};

}  // namespace market::posts
