#pragma once
// The notifications that were sent, in a database: SQLite in memory or in a file, or PostgreSQL.
//
//     WEFT_CO_TRY(auto db, co_await storage::open(loop, ctx, "sqlite:data/notifications.db"));
//     mailbox box{*db};
//     WEFT_CO_TRY_VOID(co_await box.prepare(ctx));
//     WEFT_CO_TRY(const bool known, co_await box.knows(ctx, n));
//     WEFT_CO_TRY_VOID(co_await box.add(ctx, n));           // errc::already_exists: somebody was faster
//
// One notification for each event, and one of each kind for each user: the table's keys hold it, whoever adds. What is
// older than `keep` is forgotten. Belongs to the database's loop, and does not outlive it.
#include "notifications/notification.hpp"

#include <weft/storage/database.hpp>

namespace market::notifications {

class mailbox {
 public:
  explicit mailbox(weft::storage::database& db, weft::duration keep = std::chrono::days{90}) : db_{db}, keep_{keep} {}

  // Makes the tables, or brings them up to date.
  weft::task<weft::result<>> prepare(weft::context ctx);
  // Whether there is one for the same event, or of the same kind for the same user.
  weft::task<weft::result<bool>> knows(weft::context ctx, const notification& n);
  weft::task<weft::result<>> add(weft::context ctx, notification n);
  weft::task<weft::result<notification>> find(weft::context ctx, notification_id id);
  weft::task<weft::result<notification_page>> list(weft::context ctx, notification_query query);

 private:
  weft::storage::database& db_;
  weft::duration keep_;
};

}  // namespace market::notifications
