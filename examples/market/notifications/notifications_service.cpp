#include "notifications/notifications_service.hpp"

#include <weft/base/saturating.hpp>
#include <weft/storage/database.hpp>

namespace market::notifications {

using namespace weft;

notifications_service::notifications_service(service::application& app, const notifications_settings& settings)
    : loop_{app.loop()}, settings_{settings} {
  app.on_start("the mailbox " + settings.database.shown(), [this](context ctx) { return open(std::move(ctx)); });
  app.on_close("the mailbox", [this](const context&) { return close(); });
  app.health().add("mailbox", [this](context ctx) { return check(std::move(ctx)); }, {.keep = std::chrono::seconds{5}});
  if (!settings.smtp.url.empty())
    app.health().add("mail server", [this](context) { return check_mails(); },
                     {.weight = service::health_weight::advisory});
}

task<result<>> notifications_service::open(context ctx) {
  auto opened = co_await storage::open(loop_, ctx, settings_.database.reveal());
  if (!opened) co_return fail(opened.error().with_remedy("notifications.database says which database it is"));
  database_ = *std::move(opened);
  box_.emplace(*database_, saturating_cast<duration>(settings_.keep));
  writes_.emplace(*database_);
  WEFT_CO_TRY_VOID(co_await writes_->prepare(ctx));
  co_return co_await box_->prepare(std::move(ctx));
}

task<void> notifications_service::close() {
  if (database_) static_cast<void>(co_await database_->close());
}

task<result<service::health_details>> notifications_service::check(context ctx) {
  WEFT_CO_TRY_VOID(co_await writes_->run(ctx));
  WEFT_CO_TRY(const auto page, co_await box_->list(std::move(ctx), {.page = {.page = 1, .limit = 1}}));
  co_return service::health_details{{"sent", static_cast<std::int64_t>(page.total)},
                                    {"via", settings_.smtp.url.empty() ? "mailbox" : "smtp"}};
}

// Mails wait for their server, and everything else goes on.
task<result<service::health_details>> notifications_service::check_mails() {
  if (welcome_ && !welcome_->trouble().empty()) co_return fail(errc::unavailable, welcome_->trouble());
  co_return service::health_details{{"url", settings_.smtp.url.shown()}};
}

http::router notifications_service::routes(service::core& core, service::broker_link& messages) {
  const auto& smtp = settings_.smtp;
  if (!smtp.url.empty())
    mails_.emplace(core.loop, smtp_options{.url = smtp.url.reveal(),
                                           .from = smtp.from,
                                           .user = smtp.user,
                                           .password = smtp.password,
                                           .tls = smtp.tls,
                                           .authorities = smtp.authorities,
                                           .timeout = saturating_cast<duration>(smtp.timeout)});
  welcome_.emplace(core.loop, *box_, mails_ ? &*mails_ : nullptr, &core.log);
  welcome_->serve(
      messages.consuming(core, "notifications"),
      {.concurrency = settings_.concurrency,
       .max_attempts = settings_.max_attempts,
       .first_delay = saturating_cast<duration>(settings_.first_delay),
       .timeout = saturating_add(saturating_cast<duration>(smtp.timeout), duration{std::chrono::seconds{10}})});
  api_.emplace(*box_);
  return api_->routes();
}

}  // namespace market::notifications
