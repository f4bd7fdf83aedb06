#include "consumer.hpp"

#include <weft/runtime/sleep.hpp>
#include <weft/runtime/task_group.hpp>

#include <cstdio>

namespace weft::system_tests {

namespace {

constexpr const char* tables[] = {
    "CREATE TABLE IF NOT EXISTS effects (number INTEGER NOT NULL)",
    "CREATE TABLE IF NOT EXISTS progress (key INTEGER PRIMARY KEY, next INTEGER NOT NULL)",
    "CREATE TABLE IF NOT EXISTS disorder (number INTEGER NOT NULL, expected INTEGER)",
    "CREATE TABLE IF NOT EXISTS tally (duplicates INTEGER NOT NULL)",
    "INSERT INTO tally SELECT 0 WHERE NOT EXISTS (SELECT * FROM tally)",
};
constexpr const char* group = "accounting";
constexpr duration quiet = std::chrono::seconds{1};

}  // namespace

task<result<std::unique_ptr<consumer>>> consumer::open(loop& l, context ctx, std::string file, numbering what) {
  WEFT_CO_TRY(auto book, co_await storage::open(l, ctx, "sqlite:" + file));
  for (const auto* each : tables) WEFT_CO_TRY_VOID(co_await book->execute(ctx, each));
  std::unique_ptr<consumer> made{new consumer{l, std::move(book), what}};
  WEFT_CO_TRY(made->inbox_, co_await messaging::inbox::open(*made->book_, ctx));
  WEFT_CO_TRY(const auto sum, co_await made->book_->query(ctx, "SELECT count(*) FROM effects"));
  WEFT_CO_TRY(made->effects_, sum[0].get<std::int64_t>(0));
  co_return made;
}

task<result<>> consumer::run(context ctx, messaging::broker& from) {
  messaging::router router{loop_, from, {.name = "accounting"}};
  // Faults of the machine, not of the message: it is worth trying for as long as it takes.
  router.use(messaging::retry{
      .max_attempts = 1'000'000, .first_delay = std::chrono::milliseconds{50}, .max_delay = std::chrono::seconds{1}});
  router.on_raw(numbering::topic, {.group = group, .concurrency = concurrency, .prefetch = 250},
                [this](const context& c, const messaging::raw_delivery& d) { return handle(*this, c, d.what); });
  WEFT_CO_TRY_VOID(co_await router.start(ctx));
  task_group beside{loop_};
  beside.spawn(report(beside.derive(ctx)));
  for (std::int64_t seen = -1; effects_ < what_.count || seen != deliveries_;) {
    seen = deliveries_;
    WEFT_CO_TRY_VOID(co_await weft::sleep(loop_, ctx, quiet));
  }
  co_await beside.stop();
  co_return co_await router.stop(ctx.with_timeout(loop_, std::chrono::seconds{10}));
}

task<result<>> consumer::handle(consumer& self, context ctx, messaging::message_ptr m) {
  ++self.deliveries_;
  const auto number = self.what_.read(*m);
  if (!number) co_return fail(errc::invalid_argument, "a message that nobody published: " + m->id);
  auto* const me = &self;
  const auto done = co_await self.inbox_->handle(
      ctx, group, m->id,
      [me, n = *number](storage::transaction& tx, const context& c) { return have_effect(*me, tx, c, n); });
  if (!done) {
    std::fprintf(stderr, "handling %s: %s\n", m->id.c_str(), done.error().describe().c_str());
    co_return fail(done.error());
  }
  if (*done == messaging::inbox_outcome::handled) {
    ++self.effects_;
  } else {
    WEFT_CO_TRY_VOID(co_await self.book_->execute(ctx, "UPDATE tally SET duplicates = duplicates + 1"));
  }
  co_return result<>{};
}

task<result<>> consumer::have_effect(consumer& self, storage::transaction& tx, context ctx, std::int64_t number) {
  const auto key = self.what_.key_of(number), sequence = self.what_.sequence_of(number);
  std::vector<storage::statement> all;
  all.push_back(
      {"INSERT INTO disorder SELECT $1, next FROM (SELECT coalesce((SELECT next FROM progress WHERE key = $2), "
       "0) AS next) WHERE next != $3",
       {number, key, sequence}});
  all.push_back({"INSERT INTO effects VALUES ($1)", {number}});
  all.push_back({"INSERT INTO progress VALUES ($1, $2) ON CONFLICT (key) DO UPDATE SET next = excluded.next",
                 {key, sequence + 1}});
  WEFT_CO_TRY_VOID(co_await tx.batch(ctx, std::move(all)));
  co_return result<>{};
}

// How far it is, for whoever watches.
task<void> consumer::report(context ctx) {
  do {
    std::printf("effects %lld\n", static_cast<long long>(effects_));
    std::fflush(stdout);
  } while (co_await weft::sleep(loop_, ctx, std::chrono::milliseconds{200}));
}

}  // namespace weft::system_tests
