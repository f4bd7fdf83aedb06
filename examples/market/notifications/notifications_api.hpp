#pragma once
// The notifications service's HTTP interface, /api/notifications: what was sent, the newest first. Belongs to the loop
// of its mailbox.
#include "notifications/mailbox.hpp"

#include <weft/http/router.hpp>

namespace market::notifications {

class notifications_api {
 public:
  explicit notifications_api(mailbox& box) : box_{box} {}

  // Refer to this object, which outlives them.
  [[nodiscard]] weft::http::router routes();

 private:
  using answer_task = weft::task<weft::result<weft::http::response>>;
  answer_task list(weft::http::request& r);
  answer_task find(weft::http::request& r, std::string id);

  mailbox& box_;
};

}  // namespace market::notifications
