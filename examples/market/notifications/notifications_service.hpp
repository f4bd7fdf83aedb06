#pragma once
// The notifications service, put together.
//
//     notifications_service notifications{app, config->notifications};
//     app.serve([&](service::core& core) { return notifications.routes(core, messages); }, ...);
#include "notifications/notifications_api.hpp"
#include "notifications/smtp_mailer.hpp"
#include "notifications/welcome_mails.hpp"
#include "settings.hpp"

#include <weft/service/application.hpp>
#include <weft/service/broker_link.hpp>
#include <weft/storage/write_check.hpp>

#include <optional>

namespace market::notifications {

class notifications_service {
 public:
  // The mailbox is opened when the application starts.
  notifications_service(weft::service::application& app, const notifications_settings& settings);

  // Once; they refer to this object.
  [[nodiscard]] weft::http::router routes(weft::service::core& core, weft::service::broker_link& messages);

 private:
  weft::task<weft::result<>> open(weft::context ctx);
  weft::task<void> close();
  weft::task<weft::result<weft::service::health_details>> check(weft::context ctx);
  weft::task<weft::result<weft::service::health_details>> check_mails();

  weft::loop& loop_;
  notifications_settings settings_;
  std::unique_ptr<weft::storage::database> database_;
  std::optional<weft::storage::write_check> writes_;
  std::optional<mailbox> box_;
  std::optional<smtp_mailer> mails_;
  std::optional<welcome_mails> welcome_;
  std::optional<notifications_api> api_;
};

}  // namespace market::notifications
