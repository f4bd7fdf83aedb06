#include "outbox_services.hpp"

#include <weft/runtime/sleep.hpp>

namespace outbox_simulation {

using namespace std::chrono_literals;

namespace {

task<result<std::unique_ptr<storage::sqlite_database>>> open_database(testkit::host& h) {
  return storage::open_sqlite(h.loop(), {.path = "billing.db", .disk = &h.blocking_disk(), .checkpoint_pages = 20});
}

task<result<>> write_down(storage::transaction& tx, context ctx, change what, bool fails,
                          std::string table = "effects") {
  WEFT_CO_TRY_VOID(co_await tx.execute(ctx, "INSERT INTO " + table + " (account, number) VALUES ($1, $2)",
                                       {what.account, what.number}));
  if (fails) co_return fail(errc::unavailable, "not now");
  co_return result<>{};
}

task<result<>> write_down_alone(storage::database& db, context ctx, change what) {
  WEFT_CO_TRY(auto tx, co_await db.begin(ctx));
  WEFT_CO_TRY_VOID(co_await write_down(tx, ctx, std::move(what), false));
  co_return co_await tx.commit(ctx);
}

}  // namespace

task<void> run_billing(testkit::host& h, ledger& book) {
  auto& l = h.loop();
  auto db = co_await open_database(h);
  if (!db) co_return;
  for (const std::string table : {"effects", "reminded"})
    if (!co_await (*db)->execute({}, "CREATE TABLE IF NOT EXISTS " + table +
                                         " (at INTEGER PRIMARY KEY AUTOINCREMENT, account TEXT NOT NULL, number "
                                         "INTEGER NOT NULL)"))
      co_return;
  auto in = co_await messaging::inbox::open(**db, {});
  if (!in) co_return;
  messaging::memory_broker broker{l, book.hub};
  messaging::router bus{l, broker};
  const messaging::subscribe_options options{.group = "billing", .concurrency = 4};
  if (book.bug == planted::effect_apart_from_inbox) {
    bus.use(messaging::deduplicate{.window = 24h, .store = (*in)->as_duplicate_store()});
    bus.use(messaging::retry{.max_attempts = 1'000'000, .first_delay = 5ms, .max_delay = 50ms});
    bus.on(changes, options, [&](const context& ctx, const messaging::delivery<change>& d) {
      ++book.deliveries;
      return write_down_alone(**db, ctx, d.event);
    });
  } else {
    bus.use(messaging::retry{.max_attempts = 1'000'000, .first_delay = 5ms, .max_delay = 50ms});
    (*in)->on(bus, changes, options,
              [&](storage::transaction& tx, const context& ctx, const messaging::delivery<change>& d) {
                ++book.deliveries;
                return write_down(tx, ctx, d.event, !book.quiet && l.random().chance(book.handler_failures));
              });
  }
  (*in)->on(bus, reminders, {.group = "reminders", .concurrency = 4},
            [&](storage::transaction& tx, const context& ctx, const messaging::delivery<change>& d) {
              ++book.reminded;
              // By the database's clock, which counts milliseconds.
              if (const auto due = book.due.find(name_of(d.event)); due != book.due.end() && l.now() + 2ms < due->second)
                book.early.insert(name_of(d.event));
              return write_down(tx, ctx, d.event, !book.quiet && l.random().chance(book.handler_failures), "reminded");
            });
  if (!co_await bus.start({})) co_return;
  static_cast<void>(co_await weft::sleep(l, {}, 24h));
}

task<result<std::vector<change>>> effects_in_billing(testkit::host& h, std::string table) {
  WEFT_CO_TRY(const auto db, co_await open_database(h));
  WEFT_CO_TRY(const auto found, co_await db->query({}, "SELECT account, number FROM " + table + " ORDER BY at"));
  std::vector<change> all;
  for (const auto& r : found) {
    change c;
    WEFT_CO_TRY(c.account, r.get<std::string>(0));
    WEFT_CO_TRY(c.number, r.get<std::int64_t>(1));
    all.push_back(std::move(c));
  }
  co_return all;
}

}  // namespace outbox_simulation
