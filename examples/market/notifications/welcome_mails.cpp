#include "notifications/welcome_mails.hpp"

#include <weft/base/saturating.hpp>
#include <weft/observe/trace_context.hpp>

namespace market::notifications {

using namespace weft;

namespace {

constexpr std::size_t max_unnoted = 10'000;
constexpr auto repeat_after = std::chrono::minutes{1};

notification compose(loop& l, const context& ctx, const new_user& who, std::string event_id) {
  const auto now = std::chrono::floor<std::chrono::milliseconds>(l.wall_now());
  return {.id = notification_id{l.random().make_uuid_v7(now)},
          .user_id = who.id,
          .to = who.email,
          .subject = "Welcome to the market",
          .text = "Hello " + who.name + ",\n\nyour account is ready. Write your first post today.\n\nThe market\n",
          .event_id = std::move(event_id),
          .correlation_id = std::string{ctx.correlation_id()},
          .traceparent = ctx.trace().valid() ? observe::format_traceparent(ctx.trace()) : "",
          .sent_at = now};
}

mail mail_of(const notification& n) {
  return {.to = n.to,
          .subject = n.subject,
          .text = n.text,
          .id = n.event_id,
          .correlation_id = n.correlation_id,
          .traceparent = n.traceparent,
          .date = n.sent_at};
}

}  // namespace

void welcome_mails::serve(messaging::router& from, const welcome_options& options) {
  from.use(messaging::outage_mode{.after = 10})
      .use(messaging::deduplicate{})
      .use(messaging::dead_letter{})
      .use(messaging::retry{.immediate = 0, .max_attempts = options.max_attempts, .first_delay = options.first_delay})
      .use(messaging::timeout{.after = options.timeout});
  from.on(user_created, {.group = "notifications.welcome", .concurrency = options.concurrency},
          [this](const context& ctx, const messaging::delivery<new_user>& d) {
            return welcome(ctx, d.event, std::string{d.message_id});
          });
}

task<result<>> welcome_mails::welcome(context ctx, new_user who, std::string event_id) {
  auto n = compose(loop_, ctx, who, std::move(event_id));
  WEFT_CO_TRY(const bool known, co_await box_.knows(ctx, n));
  if (known) co_return result<>{};
  if (mails_ != nullptr) {
    n.via = delivery_way::smtp;
    WEFT_CO_TRY_VOID(co_await send(ctx, n));
  }
  const auto event = n.event_id;
  const auto noted = co_await box_.add(ctx, std::move(n));
  if (!noted && noted.error().code() != errc::already_exists) co_return noted;
  sent_.erase(event);
  co_return result<>{};
}

// When only the mailbox fails, its next attempt must not send the mail again.
task<result<>> welcome_mails::send(context ctx, notification n) {
  if (sent_.contains(n.event_id)) co_return result<>{};
  const auto sent = co_await mails_->send(ctx, mail_of(n));
  note(ctx, sent);
  if (!sent) co_return sent;
  if (sent_.size() >= max_unnoted) sent_.clear();
  sent_.insert(n.event_id);
  co_return result<>{};
}

// What the server says of one mail ends in its dead letter. The rest is somebody's to put right.
void welcome_mails::note(const context& ctx, const result<>& sent) {
  if (ctx.cancellation().cancelled()) return;
  if (sent || !sent.error().transient()) return trouble_.clear();
  const auto problem = sent.error().describe();
  if (problem == trouble_ && time_between(told_at_, loop_.now()) < repeat_after) return;
  trouble_ = problem;
  told_at_ = loop_.now();
  if (log_ != nullptr) log_->warning(ctx, "mails cannot be sent, and wait", {{"problem", problem}});
}

}  // namespace market::notifications
