#include "notifications/mailbox.hpp"

#include <weft/base/saturating.hpp>
#include <weft/storage/migrate.hpp>

namespace market::notifications {

using namespace weft;

namespace {

constexpr std::string_view columns =
    "id, user_id, kind, recipient, subject, body, via, event_id, correlation_id, traceparent, sent_at";

std::int64_t milliseconds(wall_time at) {
  return std::chrono::floor<std::chrono::milliseconds>(at.time_since_epoch()).count();
}

template <class Enum>
result<Enum> read_enum(const storage::row& r, std::string_view column) {
  WEFT_TRY(const auto text, r.get<std::string_view>(column));
  Enum value{};
  if (!json::codec<Enum>::parse_key(text, value))
    return fail(errc::data_loss, "column " + std::string{column} + " holds '" + std::string{text} + "'");
  return value;
}

result<uuid> read_id(const storage::row& r, std::string_view column) {
  WEFT_TRY(const auto text, r.get<std::string_view>(column));
  return uuid::parse(text);
}

result<notification> read(const storage::row& r) {
  notification n;
  WEFT_TRY(const auto id, read_id(r, "id"));
  WEFT_TRY(const auto user, read_id(r, "user_id"));
  n.id = notification_id{id};
  n.user_id = recipient_id{user};
  WEFT_TRY(n.kind, read_enum<notification_kind>(r, "kind"));
  WEFT_TRY(n.to, r.get<std::string>("recipient"));
  WEFT_TRY(n.subject, r.get<std::string>("subject"));
  WEFT_TRY(n.text, r.get<std::string>("body"));
  WEFT_TRY(n.via, read_enum<delivery_way>(r, "via"));
  WEFT_TRY(n.event_id, r.get<std::string>("event_id"));
  WEFT_TRY(n.correlation_id, r.get<std::string>("correlation_id"));
  WEFT_TRY(n.traceparent, r.get<std::string>("traceparent"));
  WEFT_TRY(const auto sent, r.get<std::int64_t>("sent_at"));
  n.sent_at = wall_time{std::chrono::milliseconds{sent}};
  return n;
}

template <class Enum>
std::string name_of(Enum value) {
  return json::codec<Enum>::format_key(value);
}

}  // namespace

task<result<>> mailbox::prepare(context ctx) {
  return storage::migrate(db_, std::move(ctx), "market_notifications",
                          {{1,
                            {.both = {"CREATE TABLE notifications (id TEXT PRIMARY KEY, user_id TEXT NOT NULL, "
                                      "kind TEXT NOT NULL, recipient TEXT NOT NULL, subject TEXT NOT NULL, "
                                      "body TEXT NOT NULL, via TEXT NOT NULL, event_id TEXT NOT NULL UNIQUE, "
                                      "correlation_id TEXT NOT NULL, traceparent TEXT NOT NULL, "
                                      "sent_at BIGINT NOT NULL, UNIQUE (user_id, kind))",
                                      "CREATE INDEX notifications_sent_at ON notifications (sent_at)"}}}});
}

task<result<bool>> mailbox::knows(context ctx, const notification& n) {
  WEFT_CO_TRY(const auto found,
              co_await db_.query(std::move(ctx),
                                 "SELECT 1 FROM notifications WHERE event_id = $1 OR (user_id = $2 AND kind = $3)",
                                 {n.event_id, n.user_id.value().to_string(), name_of(n.kind)}));
  co_return !found.empty();
}

task<result<>> mailbox::add(context ctx, notification n) {
  const auto oldest = milliseconds(later(n.sent_at, -keep_));
  std::vector<storage::statement> both;
  both.push_back(
      {"INSERT INTO notifications (" + std::string{columns} + ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
       {n.id.value().to_string(), n.user_id.value().to_string(), name_of(n.kind), n.to, n.subject, n.text,
        name_of(n.via), n.event_id, n.correlation_id, n.traceparent, milliseconds(n.sent_at)}});
  both.push_back({"DELETE FROM notifications WHERE sent_at < $1", {oldest}});
  WEFT_CO_TRY_VOID(co_await db_.batch(std::move(ctx), std::move(both)));
  co_return result<>{};
}

task<result<notification>> mailbox::find(context ctx, notification_id id) {
  WEFT_CO_TRY(const auto found,
              co_await db_.query(std::move(ctx), "SELECT " + std::string{columns} + " FROM notifications WHERE id = $1",
                                 {id.value().to_string()}));
  if (found.empty()) co_return fail(errc::not_found, "notification " + id.value().to_string());
  co_return read(found[0]);
}

task<result<notification_page>> mailbox::list(context ctx, notification_query query) {
  const auto count = static_cast<std::int64_t>(query.page.limit);
  const auto first = static_cast<std::int64_t>((query.page.page - 1) * query.page.limit);
  storage::parameters whose;
  if (query.user) whose.emplace_back(query.user->value().to_string());
  const std::string where = query.user ? " WHERE user_id = $1" : "";
  auto bounds = whose;
  bounds.emplace_back(count);
  bounds.emplace_back(first);
  std::vector<storage::statement> both;
  both.push_back({"SELECT count(*) FROM notifications" + where, std::move(whose)});
  both.push_back({"SELECT " + std::string{columns} + " FROM notifications" + where + " ORDER BY id DESC LIMIT $" +
                      std::to_string(bounds.size() - 1) + " OFFSET $" + std::to_string(bounds.size()),
                  std::move(bounds)});
  WEFT_CO_TRY(const auto found, co_await db_.batch(std::move(ctx), std::move(both)));
  notification_page page;
  WEFT_CO_TRY(page.total, found[0].scalar<std::uint64_t>());
  for (const auto& each : found[1]) {
    WEFT_CO_TRY(auto n, read(each));
    page.notifications.push_back(std::move(n));
  }
  co_return page;
}

}  // namespace market::notifications
