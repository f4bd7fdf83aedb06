#pragma once
// Users in a database, SQLite or PostgreSQL. A change and the event that tells of it are one transaction (an outbox); a
// post is counted by the transaction that remembers that it was.
//
//     WEFT_CO_TRY(auto db, co_await storage::open(loop, ctx, "sqlite:data/users.db"));
//     WEFT_CO_TRY(auto out, co_await messaging::outbox::open(*db, ctx));
//     sql_user_repository users{*db, *out};
//     WEFT_CO_TRY_VOID(co_await users.prepare(ctx));
//
// Belongs to the database's loop; database and outbox outlive it.
#include "users/user_repository.hpp"

#include <weft/outbox/outbox.hpp>
#include <weft/storage/database.hpp>

namespace market::users {

class sql_user_repository final : public user_repository {
 public:
  sql_user_repository(weft::storage::database& db, weft::messaging::outbox& out) : db_{db}, out_{out} {}

  // Makes the tables, or brings them up to date.
  weft::task<weft::result<>> prepare(weft::context ctx);

  weft::task<weft::result<>> add(weft::context ctx, user added, weft::messaging::outgoing told) override;
  weft::task<weft::result<user>> find(weft::context ctx, user_id id) override;
  weft::task<weft::result<user>> change(weft::context ctx, user_id id, edit how) override;
  weft::task<weft::result<>> remove(weft::context ctx, user_id id, weft::messaging::outgoing told) override;
  weft::task<weft::result<>> count_post(weft::context ctx, user_id author, weft::uuid post,
                                        post_change change) override;
  weft::task<weft::result<user_page>> list(weft::context ctx, user_query query) override;

 private:
  // A statement and an event, or neither. errc::not_found when the statement changes no row.
  weft::task<weft::result<>> run(weft::context ctx, weft::storage::statement what, weft::messaging::outgoing told);
  weft::task<weft::result<>> run_within(weft::storage::transaction& tx, weft::context ctx,
                                        weft::storage::statement what, weft::messaging::outgoing told);
  weft::task<weft::result<user>> change_within(weft::storage::transaction& tx, weft::context ctx, user_id id,
                                               const edit& how);

  weft::storage::database& db_;
  weft::messaging::outbox& out_;
};

}  // namespace market::users
