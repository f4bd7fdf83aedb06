#pragma once
// Where users are kept, as the configuration says: in memory, or in a database with an outbox beside them.
//
//     user_storage storage{app, config->users};                       // opens the database when the application starts
//     users_service users{core, messages, storage};
//
// Belongs to core 0.
#include "settings.hpp"
#include "users/memory_user_repository.hpp"
#include "users/sql_user_repository.hpp"

#include <weft/outbox/relay.hpp>
#include <weft/service/application.hpp>
#include <weft/service/broker_link.hpp>
#include <weft/storage/write_check.hpp>

#include <optional>

namespace market::users {

class user_storage {
 public:
  user_storage(weft::service::application& app, const users_settings& settings);

  // While the routes are made. In memory, what is told goes through `events`.
  [[nodiscard]] user_repository& repository(weft::service::event_outlet& events);
  // From the outbox to the broker, if there is one. After the consumers were added: it is to end before them, so that
  // a broker in memory is not given what nobody will handle.
  void relay_to(weft::service::core& core, weft::service::broker_link& messages);

 private:
  weft::task<weft::result<>> open(weft::context ctx);
  weft::task<void> close();
  weft::task<weft::result<weft::service::health_details>> check(weft::context ctx);
  weft::task<void> stop_relay(weft::context ctx);

  weft::service::application& app_;
  const users_settings& settings_;
  std::unique_ptr<weft::storage::database> database_;
  std::optional<weft::storage::write_check> writes_;
  std::unique_ptr<weft::messaging::outbox> outbox_;
  std::unique_ptr<user_repository> repository_;
  std::optional<weft::messaging::outbox_relay> relay_;
};

}  // namespace market::users
