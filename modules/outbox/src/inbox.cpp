#include <weft/outbox/inbox.hpp>

#include "outbox_sql.hpp"

#include <weft/runtime/sleep.hpp>
#include <weft/storage/migrate.hpp>

#include <set>
#include <stdexcept>

namespace weft::messaging {

namespace {

std::vector<storage::migration> migrations() {
  return {
      {.version = 1,
       .statements = {
           .sqlite = {"CREATE TABLE weft_inbox (consumer TEXT NOT NULL, id TEXT NOT NULL, forget_at INTEGER NOT NULL, "
                      "PRIMARY KEY (consumer, id)) WITHOUT ROWID",
                      "CREATE INDEX weft_inbox_forget ON weft_inbox (forget_at)"},
           .postgres = {"CREATE TABLE weft_inbox (consumer text NOT NULL, id text NOT NULL, forget_at bigint NOT "
                        "NULL, PRIMARY KEY (consumer, id))",
                        "CREATE INDEX weft_inbox_forget ON weft_inbox (forget_at)"}}}};
}

std::string now_of(const storage::database& db) { return std::string{outbox_sql{db.kind()}.now()}; }

std::string insert_statement(const storage::database& db) {
  return "INSERT INTO weft_inbox (consumer, id, forget_at) VALUES ($1, $2, " + now_of(db) +
         " + $3) ON CONFLICT (consumer, id) DO NOTHING";
}

std::int64_t milliseconds(duration d) { return d / std::chrono::milliseconds{1}; }

result<> check_name(std::string_view what, std::string_view text) {
  if (text.empty()) return fail(errc::invalid_argument, "the inbox needs a " + std::string{what});
  if (text.size() > max_name_bytes)
    return fail(errc::invalid_argument, "inbox: the " + std::string{what} + " is longer than 255 bytes");
  return {};
}

// A duplicate leaves the transaction by an error, so that it is rolled back.
struct handle_once {
  std::string insert, group, id;
  std::int64_t keep;
  inbox_work& work;
  bool& duplicate;

  task<result<>> operator()(storage::transaction& tx, context ctx) {
    WEFT_CO_TRY(const auto inserted, co_await tx.execute(ctx, insert, {group, id, keep}));
    duplicate = inserted == 0;
    if (duplicate) co_return fail(errc::already_exists, "it was handled before");
    co_return co_await work(tx, ctx);
  }
};

}  // namespace

result<> inbox_options::validate() const {
  if (keep < std::chrono::seconds{1}) return fail(errc::invalid_argument, "inbox.keep: at least a second");
  if (purge_every <= duration::zero()) return fail(errc::invalid_argument, "inbox.purge_every: more than nothing");
  if (purge_batch == 0) return fail(errc::invalid_argument, "inbox.purge_batch: at least 1");
  return {};
}

inbox::inbox(storage::database& db, inbox_options options) : db_{db}, options_{std::move(options)} {}
inbox::~inbox() = default;

task<result<std::unique_ptr<inbox>>> inbox::open(storage::database& db, context ctx, inbox_options options) {
  WEFT_CO_TRY_VOID(options.validate());
  WEFT_CO_TRY_VOID(co_await storage::migrate(db, ctx, "weft_inbox", migrations()));
  co_return std::unique_ptr<inbox>{new inbox{db, std::move(options)}};
}

void inbox::check_group(const std::string& group) {
  if (const auto valid = check_name("group", group); !valid) throw std::invalid_argument{valid.error().describe()};
}

task<result<inbox_outcome>> inbox::handle(context ctx, std::string group, std::string id, inbox_work work) {
  WEFT_CO_TRY_VOID(check_name("group", group));
  WEFT_CO_TRY_VOID(check_name("message id", id));
  bool duplicate = false;
  handle_once once{
      insert_statement(db_), std::move(group), std::move(id), milliseconds(options_.keep), work, duplicate};
  const auto done = co_await storage::transact(db_, std::move(ctx), std::move(once), options_.transact);
  if (duplicate && !done && done.error().code() == errc::already_exists) co_return inbox_outcome::duplicate;
  if (!done) co_return fail(done.error());
  if (options_.out != nullptr) options_.out->committed();
  co_return inbox_outcome::handled;
}

task<result<>> inbox::settled(task<result<inbox_outcome>> work) {
  WEFT_CO_TRY_VOID(co_await std::move(work));
  co_return result<>{};
}

// ---- forgetting

task<result<std::size_t>> inbox::purge(context ctx) {
  const auto sql =
      "DELETE FROM weft_inbox WHERE (consumer, id) IN (SELECT consumer, id FROM weft_inbox WHERE forget_at < " +
      now_of(db_) + " ORDER BY forget_at LIMIT $1)";
  std::size_t all = 0;
  for (;;) {
    WEFT_CO_TRY(const auto gone, co_await db_.execute(ctx, sql, {static_cast<std::int64_t>(options_.purge_batch)}));
    if (gone == 0) co_return all;
    all += static_cast<std::size_t>(gone);
  }
}

task<void> inbox::purge_regularly(context ctx) {
  do {
    static_cast<void>(co_await purge(ctx));
  } while (co_await weft::sleep(db_.owner(), ctx, options_.purge_every));
}

// ---- without a transaction of the handler

class inbox::store final : public duplicate_store {
 public:
  explicit store(storage::database& db) : db_{db} {}

  task<result<duplicate_state>> claim(context ctx, std::string group, std::string id) override {
    WEFT_CO_TRY_VOID(check_name("group", group));
    WEFT_CO_TRY_VOID(check_name("message id", id));
    auto name = std::pair{group, id};
    if (!claimed_.insert(name).second) co_return duplicate_state::in_progress;
    const auto found = co_await db_.query(ctx, "SELECT 1 FROM weft_inbox WHERE consumer = $1 AND id = $2",
                                          {std::move(group), std::move(id)});
    if (found && found->empty()) co_return duplicate_state::fresh;
    claimed_.erase(name);
    if (!found) co_return fail(found.error());
    co_return duplicate_state::handled;
  }
  task<result<>> complete(context ctx, std::string group, std::string id, duration keep) override {
    WEFT_CO_TRY_VOID(co_await db_.execute(std::move(ctx), insert_statement(db_), {group, id, milliseconds(keep)}));
    claimed_.erase({std::move(group), std::move(id)});
    co_return result<>{};
  }
  void release(std::string_view group, std::string_view id) noexcept override {
    claimed_.erase({std::string{group}, std::string{id}});
  }

 private:
  storage::database& db_;
  std::set<std::pair<std::string, std::string>> claimed_;  // as many as handlers run at once
};

std::shared_ptr<duplicate_store> inbox::as_duplicate_store() { return std::make_shared<store>(db_); }

}  // namespace weft::messaging
