#include "users/sql_user_repository.hpp"

#include <weft/storage/migrate.hpp>
#include <weft/storage/transact.hpp>

namespace market::users {

using namespace weft;

namespace {

const std::string columns = "id, name, email, status, post_count, created_at, updated_at";

// What lowered() makes of a name. PostgreSQL would change the case of other letters, too, unless it is told not to.
std::string lowered_name(storage::engine kind) {
  return kind == storage::engine::postgres ? "lower(name COLLATE \"C\")" : "lower(name)";
}

// Text that is to be found as it is, in LIKE ... ESCAPE '!'.
std::string anywhere(std::string_view text) {
  std::string pattern = "%";
  for (const char c : lowered(text)) {
    if (c == '%' || c == '_' || c == '!') pattern += '!';
    pattern += c;
  }
  return pattern + "%";
}

std::int64_t milliseconds(wall_time at) {
  return std::chrono::floor<std::chrono::milliseconds>(at.time_since_epoch()).count();
}

result<wall_time> read_time(const storage::row& r, std::string_view column) {
  WEFT_TRY(const auto at, r.get<std::int64_t>(column));
  return wall_time{std::chrono::milliseconds{at}};
}

std::string name_of(user_status status) { return json::codec<user_status>::format_key(status); }

result<user> read(const storage::row& r) {
  user u;
  WEFT_TRY(const auto id, r.get<std::string_view>("id"));
  WEFT_TRY(const auto parsed, uuid::parse(id));
  u.id = user_id{parsed};
  WEFT_TRY(u.name, r.get<std::string>("name"));
  WEFT_TRY(u.email, r.get<std::string>("email"));
  WEFT_TRY(const auto status, r.get<std::string_view>("status"));
  if (!json::codec<user_status>::parse_key(status, u.status))
    return fail(errc::data_loss, "column status holds '" + std::string{status} + "'");
  WEFT_TRY(u.post_count, r.get<std::uint32_t>("post_count"));
  WEFT_TRY(u.created_at, read_time(r, "created_at"));
  WEFT_TRY(u.updated_at, read_time(r, "updated_at"));
  return u;
}

// What a post does to the count of its author: counted_posts has a row for each that was counted, or deleted before.
task<result<std::int64_t>> difference(storage::transaction& tx, context ctx, std::string post, post_change change) {
  if (change == post_change::deleted) {
    WEFT_CO_TRY(
        const auto was_counted,
        co_await tx.execute(ctx, "UPDATE market_counted_posts SET deleted = 1 WHERE id = $1 AND deleted = 0", {post}));
    if (was_counted != 0) co_return -1;
  }
  const std::int64_t deleted = change == post_change::deleted ? 1 : 0;
  WEFT_CO_TRY(const auto fresh,
              co_await tx.execute(
                  ctx, "INSERT INTO market_counted_posts (id, deleted) VALUES ($1, $2) ON CONFLICT (id) DO NOTHING",
                  {post, deleted}));
  co_return deleted == 1 ? 0 : fresh;
}

task<result<>> count_within(storage::transaction& tx, context ctx, user_id author, uuid post, post_change change) {
  WEFT_CO_TRY(const auto by, co_await difference(tx, ctx, post.to_string(), change));
  if (by == 0) co_return result<>{};
  WEFT_CO_TRY_VOID(co_await tx.execute(ctx, "UPDATE market_users SET post_count = post_count + $1 WHERE id = $2",
                                       {by, author.value().to_string()}));
  co_return result<>{};
}

}  // namespace

task<result<>> sql_user_repository::prepare(context ctx) {
  return storage::migrate(
      db_, std::move(ctx), "market_users",
      {{1,
        {.both = {"CREATE TABLE market_users (id TEXT PRIMARY KEY, name TEXT NOT NULL, email TEXT NOT NULL, "
                  "email_key TEXT NOT NULL UNIQUE, status TEXT NOT NULL, post_count BIGINT NOT NULL, "
                  "created_at BIGINT NOT NULL, updated_at BIGINT NOT NULL)",
                  "CREATE TABLE market_counted_posts (id TEXT PRIMARY KEY, deleted BIGINT NOT NULL)"}}}});
}

task<result<>> sql_user_repository::run_within(storage::transaction& tx, context ctx, storage::statement what,
                                               messaging::outgoing told) {
  WEFT_CO_TRY(const auto rows, co_await tx.execute(ctx, std::move(what.sql), std::move(what.values)));
  if (rows == 0) co_return fail(errc::not_found, "no such user");
  co_return co_await out_.add(tx, std::move(ctx), std::move(told));
}

task<result<>> sql_user_repository::run(context ctx, storage::statement what, messaging::outgoing told) {
  co_return co_await out_.transact(
      std::move(ctx), [&](storage::transaction& tx, context c) { return run_within(tx, std::move(c), what, told); });
}

task<result<>> sql_user_repository::add(context ctx, user added, messaging::outgoing told) {
  return run(std::move(ctx),
             {"INSERT INTO market_users (id, name, email, email_key, status, post_count, created_at, updated_at) "
              "VALUES ($1, $2, $3, $4, $5, 0, $6, $7)",
              {added.id.value().to_string(), added.name, added.email, lowered(added.email), name_of(added.status),
               milliseconds(added.created_at), milliseconds(added.updated_at)}},
             std::move(told));
}

// The row is locked before it is read: who reads it first and then finds it changed would have to try again, for as
// long as others are quicker. SQLite has one writing transaction at a time anyway.
task<result<user>> sql_user_repository::change_within(storage::transaction& tx, context ctx, user_id id,
                                                      const edit& how) {
  const std::string locked = db_.kind() == storage::engine::postgres ? " FOR UPDATE" : "";
  WEFT_CO_TRY(const auto found,
              co_await tx.query(ctx, "SELECT " + columns + " FROM market_users WHERE id = $1" + locked,
                                {id.value().to_string()}));
  if (found.empty()) co_return fail(errc::not_found, "user " + id.value().to_string());
  WEFT_CO_TRY(auto changed, read(found[0]));
  const auto posts = changed.post_count;
  WEFT_CO_TRY(auto told, how(changed));
  changed.post_count = posts;
  WEFT_CO_TRY_VOID(co_await run_within(
      tx, std::move(ctx),
      {"UPDATE market_users SET name = $1, email = $2, email_key = $3, status = $4, updated_at = $5 WHERE id = $6",
       {changed.name, changed.email, lowered(changed.email), name_of(changed.status), milliseconds(changed.updated_at),
        id.value().to_string()}},
      std::move(told)));
  co_return changed;
}

task<result<user>> sql_user_repository::change(context ctx, user_id id, edit how) {
  co_return co_await out_.transact(
      std::move(ctx), [&](storage::transaction& tx, context c) { return change_within(tx, std::move(c), id, how); });
}

task<result<>> sql_user_repository::remove(context ctx, user_id id, messaging::outgoing told) {
  return run(std::move(ctx), {"DELETE FROM market_users WHERE id = $1", {id.value().to_string()}}, std::move(told));
}

task<result<>> sql_user_repository::count_post(context ctx, user_id author, uuid post, post_change change) {
  co_return co_await storage::transact(db_, std::move(ctx), [&](storage::transaction& tx, context c) {
    return count_within(tx, std::move(c), author, post, change);
  });
}

task<result<user>> sql_user_repository::find(context ctx, user_id id) {
  WEFT_CO_TRY(const auto found,
              co_await db_.query(std::move(ctx), "SELECT " + columns + " FROM market_users WHERE id = $1",
                                 {id.value().to_string()}));
  if (found.empty()) co_return fail(errc::not_found, "user " + id.value().to_string());
  co_return read(found[0]);
}

task<result<user_page>> sql_user_repository::list(context ctx, user_query query) {
  std::string where = " WHERE 1 = 1";
  storage::parameters values;
  const auto bind = [&](storage::value v) {
    values.push_back(std::move(v));
    return "$" + std::to_string(values.size());
  };
  if (query.status) where += " AND status = " + bind(name_of(*query.status));
  if (!query.search.empty()) {
    const auto text = bind(anywhere(query.search));
    where += " AND (" + lowered_name(db_.kind()) + " LIKE " + text + " ESCAPE '!' OR email_key LIKE " + text +
             " ESCAPE '!')";
  }
  std::vector<storage::statement> both;
  both.push_back({"SELECT count(*) FROM market_users" + where, values});
  const auto count = bind(static_cast<std::int64_t>(query.page.limit));
  const auto first = bind(static_cast<std::int64_t>((query.page.page - 1) * query.page.limit));
  both.push_back(
      {"SELECT " + columns + " FROM market_users" + where + " ORDER BY id DESC LIMIT " + count + " OFFSET " + first,
       std::move(values)});
  WEFT_CO_TRY(const auto found, co_await db_.batch(std::move(ctx), std::move(both)));
  user_page page;
  WEFT_CO_TRY(page.total, found[0].scalar<std::uint64_t>());
  for (const auto& each : found[1]) {
    WEFT_CO_TRY(auto u, read(each));
    page.users.push_back(std::move(u));
  }
  co_return page;
}

}  // namespace market::users
