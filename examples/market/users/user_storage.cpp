#include "users/user_storage.hpp"

#include <stdexcept>

namespace market::users {

using namespace weft;

user_storage::user_storage(service::application& app, const users_settings& settings) : app_{app}, settings_{settings} {
  if (settings.database.empty()) return;
  app.on_start("the users' database " + settings.database.shown(),
               [this](context ctx) { return open(std::move(ctx)); });
  app.on_close("the users' database", [this](const context&) { return close(); });
  app.health().add("database", [this](context ctx) { return check(std::move(ctx)); },
                   {.keep = std::chrono::seconds{5}});
}

task<result<>> user_storage::open(context ctx) {
  auto opened = co_await storage::open(app_.loop(), ctx, settings_.database.reveal());
  if (!opened) co_return fail(opened.error().with_remedy("users.database says which database it is"));
  database_ = *std::move(opened);
  WEFT_CO_TRY(outbox_, co_await messaging::outbox::open(*database_, ctx));
  writes_.emplace(*database_);
  WEFT_CO_TRY_VOID(co_await writes_->prepare(ctx));
  auto made = std::make_unique<sql_user_repository>(*database_, *outbox_);
  WEFT_CO_TRY_VOID(co_await made->prepare(std::move(ctx)));
  repository_ = std::move(made);
  co_return result<>{};
}

task<void> user_storage::close() {
  if (database_) static_cast<void>(co_await database_->close());
}

task<result<service::health_details>> user_storage::check(context ctx) {
  WEFT_CO_TRY_VOID(co_await writes_->run(std::move(ctx)));  // a full disk would still answer what is asked
  co_return service::health_details{
      {"engine", database_->kind() == storage::engine::postgres ? "postgresql" : "sqlite"}};
}

user_repository& user_storage::repository(service::event_outlet& events) {
  if (!repository_)
    repository_ = std::make_unique<memory_user_repository>(settings_.max_users, settings_.max_posts, events.queue());
  return *repository_;
}

void user_storage::relay_to(service::core& core, service::broker_link& messages) {
  if (!outbox_) return;
  relay_.emplace(*outbox_, messages.broker(core), messaging::relay_options{.metrics = &core.metrics, .log = &core.log});
  app_.on_start("the relay of the users' events", [this](const context&) { return relay_->start({}); });
  app_.on_close("the relay of the users' events", [this](context ctx) { return stop_relay(std::move(ctx)); });
}

task<void> user_storage::stop_relay(context ctx) {
  const auto stopped = co_await relay_->stop(std::move(ctx));
  if (!stopped) throw std::runtime_error{stopped.error().describe()};  // the drain reports it; nothing is lost
}

}  // namespace market::users
