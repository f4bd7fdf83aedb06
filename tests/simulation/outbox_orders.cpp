#include "outbox_services.hpp"

#include <weft/runtime/sleep.hpp>

namespace outbox_simulation {

using namespace std::chrono_literals;

namespace {

// Confirms at once and sends later: what a client does that does not wait for the broker.
class hasty_broker final : public messaging::broker {
 public:
  hasty_broker(loop& l, std::shared_ptr<messaging::memory_hub> hub) : loop_{l}, real_{l, std::move(hub)}, tasks_{l} {}
  [[nodiscard]] const messaging::broker_features& features() const noexcept override { return real_.features(); }
  task<std::vector<result<>>> publish(context, std::vector<messaging::outgoing> batch) override {
    std::vector<result<>> confirmed(batch.size());
    tasks_.spawn(send(std::move(batch)));
    co_return confirmed;
  }
  task<result<std::unique_ptr<messaging::consumer>>> subscribe(context ctx, messaging::subscription what) override {
    return real_.subscribe(std::move(ctx), std::move(what));
  }
  task<void> close(context ctx) override { return real_.close(std::move(ctx)); }

 private:
  task<void> send(std::vector<messaging::outgoing> batch) {
    static_cast<void>(co_await weft::sleep(loop_, {}, duration{loop_.random().between(0, 20'000'000)}));
    static_cast<void>(co_await real_.publish({}, std::move(batch)));
  }
  loop& loop_;
  messaging::memory_broker real_;
  task_group tasks_;
};

// Is away while the ledger says so: then it confirms nothing, and may have taken some of it all the same.
class outage_broker final : public messaging::broker {
 public:
  outage_broker(std::unique_ptr<messaging::broker> real, loop& l, ledger& book)
      : real_{std::move(real)}, loop_{l}, book_{book} {}
  [[nodiscard]] const messaging::broker_features& features() const noexcept override { return real_->features(); }
  task<std::vector<result<>>> publish(context ctx, std::vector<messaging::outgoing> batch) override {
    const std::vector<result<>> refused(batch.size(), fail(errc::unavailable, "the broker is away"));
    if (!book_.broker_away) co_return co_await real_->publish(std::move(ctx), std::move(batch));
    ++book_.refused;
    if (loop_.random().chance(0.2)) static_cast<void>(co_await real_->publish(std::move(ctx), std::move(batch)));
    co_return refused;
  }
  task<result<std::unique_ptr<messaging::consumer>>> subscribe(context ctx, messaging::subscription what) override {
    return real_->subscribe(std::move(ctx), std::move(what));
  }
  task<void> close(context ctx) override { return real_->close(std::move(ctx)); }

 private:
  std::unique_ptr<messaging::broker> real_;
  loop& loop_;
  ledger& book_;
};

std::unique_ptr<messaging::broker> connect(loop& l, ledger& book) {
  if (book.bug == planted::confirms_before_sending) return std::make_unique<hasty_broker>(l, book.hub);
  return std::make_unique<outage_broker>(std::make_unique<messaging::memory_broker>(l, book.hub), l, book);
}

// One more change of an account, and the message that tells of it.
struct change_account {
  messaging::outbox& out;
  const messaging::publisher& envelope;
  std::string account;
  bool changes_its_mind;
  duration reminds_after;  // zero: it does not
  ledger& book;

  task<result<std::int64_t>> operator()(storage::transaction& tx, context ctx) const {
    WEFT_CO_TRY(
        const auto found,
        co_await tx.query(ctx, "UPDATE accounts SET number = number + 1 WHERE id = $1 RETURNING number", {account}));
    WEFT_CO_TRY(const auto number, found.scalar<std::int64_t>());
    WEFT_CO_TRY_VOID(co_await out.add(tx, ctx, envelope, changes, change{account, number}, account));
    if (reminds_after > duration::zero()) {
      const change about{account, number};
      WEFT_CO_TRY_VOID(
          co_await tx.execute(ctx, "INSERT INTO reminders (account, number) VALUES ($1, $2)", {account, number}));
      book.due[name_of(about)] = out.database().owner().now() + reminds_after;
      WEFT_CO_TRY_VOID(co_await out.add(tx, ctx, envelope, reminders, about, {}, {.delay = reminds_after}));
    }
    if (changes_its_mind) co_return fail(errc::cancelled, "changed its mind");
    co_return number;
  }
};

task<void> make_changes(loop& l, messaging::outbox& out, const messaging::publisher& envelope, ledger& book) {
  while (!book.quiet) {
    const auto account = "account-" + std::to_string(l.random().below(accounts));
    const auto reminds_after = l.random().chance(0.15) ? duration{l.random().between(1, 300'000'000)} : duration{};
    const change_account work{out, envelope, account, l.random().chance(0.2), reminds_after, book};
    if (const auto number = co_await out.transact({}, work)) {
      ++book.commits;
      book.acknowledged[account] = std::max(book.acknowledged[account], *number);
    }
    static_cast<void>(co_await weft::sleep(l, {}, duration{l.random().between(0, 4'000'000)}));
  }
}

messaging::relay_options relay_options(const ledger& book) {
  return {.batch = 8,
          .calls = 3,
          .window = 32,
          .lease = 400ms,
          .poll = book.polls ? duration{50ms} : duration{1h},
          .first_pause = 5ms,
          .longest_pause = 50ms};
}

// A relay that joins the first one, gets its share, and leaves with or without a word.
task<void> come_and_go(loop& l, messaging::outbox& out, messaging::broker& bus, ledger& book) {
  while (!book.quiet) {
    static_cast<void>(co_await weft::sleep(l, {}, duration{l.random().between(0, 100'000'000)}));
    messaging::outbox_relay second{out, bus, relay_options(book)};
    if (!co_await second.start({})) co_return;
    static_cast<void>(co_await weft::sleep(l, {}, duration{l.random().between(0, 200'000'000)}));
    book.shards_handed_over += second.statistics().leases_taken;
    if (book.quiet || l.random().chance(0.3))
      book.died_with_shards += second.statistics().leases;  // the rows of its shards wait for the other one
    else
      static_cast<void>(co_await second.stop(context{}.with_timeout(l, 100ms)));
  }
}

task<result<std::unique_ptr<storage::sqlite_database>>> open_database(testkit::host& h) {
  return storage::open_sqlite(h.loop(), {.path = "orders.db", .disk = &h.blocking_disk(), .checkpoint_pages = 20});
}

task<result<>> prepare(storage::database& db) {
  WEFT_CO_TRY_VOID(
      co_await db.execute({}, "CREATE TABLE IF NOT EXISTS accounts (id TEXT PRIMARY KEY, number INTEGER NOT NULL)"));
  WEFT_CO_TRY_VOID(co_await db.execute(
      {}, "CREATE TABLE IF NOT EXISTS reminders (account TEXT NOT NULL, number INTEGER NOT NULL)"));
  for (int i = 0; i < accounts; ++i)
    WEFT_CO_TRY_VOID(co_await db.execute({}, "INSERT INTO accounts VALUES ($1, 0) ON CONFLICT DO NOTHING",
                                         {"account-" + std::to_string(i)}));
  co_return result<>{};
}

}  // namespace

task<void> run_orders(testkit::host& h, ledger& book) {
  auto& l = h.loop();
  auto db = co_await open_database(h);
  if (!db || !co_await prepare(**db)) co_return;  // the power went
  auto out = co_await messaging::outbox::open(**db, {}, {.shards = 4});
  if (!out) co_return;
  const auto broker = connect(l, book);
  const messaging::publisher envelope{l, *broker, {.source = "/orders"}};
  messaging::outbox_relay relay{**out, *broker, relay_options(book)};
  if (!co_await relay.start({})) co_return;
  task_group others{l};
  for (int i = 0; i < 3; ++i) others.spawn(make_changes(l, **out, envelope, book));
  if (book.second_relay) others.spawn(come_and_go(l, **out, *broker, book));
  for (;;) {
    const auto depth = co_await (*out)->depth({});
    book.outbox_empty = depth && depth->waiting == 0;
    static_cast<void>(co_await weft::sleep(l, {}, 20ms));
  }
}

task<result<std::map<std::string, std::int64_t>>> committed_by_orders(testkit::host& h) {
  WEFT_CO_TRY(const auto db, co_await open_database(h));
  WEFT_CO_TRY(const auto found, co_await db->query({}, "SELECT id, number FROM accounts"));
  std::map<std::string, std::int64_t> all;
  for (const auto& r : found) {
    WEFT_CO_TRY(const auto id, r.get<std::string>(0));
    WEFT_CO_TRY(all[id], r.get<std::int64_t>(1));
  }
  co_return all;
}

task<result<std::vector<change>>> reminders_of_orders(testkit::host& h) {
  WEFT_CO_TRY(const auto db, co_await open_database(h));
  WEFT_CO_TRY(const auto found, co_await db->query({}, "SELECT account, number FROM reminders"));
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
