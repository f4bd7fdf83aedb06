#pragma once
// The users service's HTTP interface, /api/users. Belongs to the loop of its repository.
#include "users/user_posts.hpp"
#include "users/user_repository.hpp"

#include <weft/http/router.hpp>
#include <weft/messaging/publisher.hpp>

#include <string>

namespace market::users {

class users_api {
 public:
  // `events` makes the events; the repository sees to it that they are told.
  users_api(user_repository& repository, user_posts& posts, const weft::messaging::publisher& events)
      : repository_{repository}, posts_{posts}, events_{events} {}

  // Refer to this object, which outlives them.
  [[nodiscard]] weft::http::router routes();

 private:
  using answer_task = weft::task<weft::result<weft::http::response>>;
  answer_task create(weft::http::request& r);
  answer_task find(weft::http::request& r, std::string id);
  answer_task change(weft::http::request& r, std::string id);
  answer_task remove(weft::http::request& r, std::string id);
  answer_task list(weft::http::request& r);
  answer_task profile(weft::http::request& r, std::string id);

  user_repository& repository_;
  user_posts& posts_;
  const weft::messaging::publisher& events_;
};

}  // namespace market::users
