#include <weft/outbox/outbox.hpp>

#include "outbox_impl.hpp"
#include "outbox_row.hpp"

#include <weft/base/saturating.hpp>
#include <weft/runtime/sleep.hpp>
#include <weft/storage/postgres.hpp>

namespace weft::messaging {

result<> outbox_options::validate() const {
  if (shards < 1 || shards > 1024)
    return fail(errc::invalid_argument, "outbox.shards: from 1 to 1024, not " + std::to_string(shards));
  if (notify_every < duration::zero()) return fail(errc::invalid_argument, "outbox.notify_every: negative");
  return {};
}

namespace {

error other_number_of_shards(unsigned there, unsigned wanted) {
  return error{errc::failed_precondition, "outbox.shards: the tables were made for " + std::to_string(there) +
                                              " shards, and the options say " + std::to_string(wanted)}
      .with_remedy("say " + std::to_string(there) +
                   "; or, with the outbox empty and no relay running, delete the rows of weft_outbox_shards");
}

struct prepare_shards {
  storage::engine kind;
  unsigned wanted;

  task<result<>> operator()(storage::transaction& tx, context ctx) const {
    if (auto there = co_await check(tx, ctx); !there || *there) co_return discard(std::move(there));
    // Processes that start at once: one makes the rows, the others find them. Relays are not held up by a lock that is
    // taken at every start.
    if (kind == storage::engine::postgres) {
      WEFT_CO_TRY_VOID(co_await tx.execute(ctx, "LOCK TABLE weft_outbox_shards IN EXCLUSIVE MODE"));
      if (auto there = co_await check(tx, ctx); !there || *there) co_return discard(std::move(there));
    }
    std::vector<storage::statement> all;
    for (unsigned i = 0; i < wanted; ++i)
      all.push_back({"INSERT INTO weft_outbox_shards (shard) VALUES ($1)", {static_cast<std::int64_t>(i)}});
    WEFT_CO_TRY_VOID(co_await tx.batch(ctx, std::move(all)));
    co_return result<>{};
  }

 private:
  // Whether they are there.
  task<result<bool>> check(storage::transaction& tx, context ctx) const {
    WEFT_CO_TRY(const auto found, co_await tx.query(ctx, "SELECT count(*) FROM weft_outbox_shards"));
    WEFT_CO_TRY(const auto there, found.scalar<unsigned>());
    if (there != 0 && there != wanted) co_return fail(other_number_of_shards(there, wanted));
    co_return there == wanted;
  }
  static result<> discard(result<bool> r) {
    if (!r) return fail(r.error());
    return {};
  }
};

}  // namespace

outbox::outbox(std::unique_ptr<impl> i) : impl_{std::move(i)} {
  auto& s = *impl_;
  const std::string now{s.sql.now()};
  s.insert =
      "INSERT INTO weft_outbox (shard, id, topic, message_key, meta, body, added_at) VALUES ($1, $2, $3, $4, $5, "
      "$6, " +
      now + ")";
  s.depth =
      "SELECT (SELECT count(*) FROM (SELECT 1 AS one FROM weft_outbox WHERE state = 0 LIMIT 1000000) AS counted), "
      "(SELECT count(*) FROM weft_outbox WHERE state = 2), COALESCE((SELECT " +
      now + " - added_at FROM weft_outbox WHERE state = 0 ORDER BY seq LIMIT 1), 0)";
  s.parked = "SELECT seq, shard, id, topic, message_key, meta, body, " + now +
             " - added_at, reason, added_at, ended_at FROM weft_outbox WHERE state = 2 AND seq > $1 ORDER BY seq LIMIT "
             "$2";
  s.replay_all = "UPDATE weft_outbox SET state = 0, reason = NULL, ended_at = NULL WHERE state = 2";
  s.purge_all = "DELETE FROM weft_outbox WHERE state = 2";
  const auto among = " AND " + s.sql.in("seq", 1, "bigint");
  s.replay_some = s.replay_all + among;
  s.purge_some = s.purge_all + among;
}

outbox::~outbox() = default;

task<result<std::unique_ptr<outbox>>> outbox::open(storage::database& db, context ctx, outbox_options options) {
  WEFT_CO_TRY_VOID(options.validate());
  WEFT_CO_TRY_VOID(co_await storage::migrate(db, ctx, "weft_outbox", outbox_sql::migrations()));
  prepare_shards work{db.kind(), options.shards};
  WEFT_CO_TRY_VOID(co_await storage::transact(db, ctx, work));
  co_return std::unique_ptr<outbox>{new outbox{std::make_unique<impl>(db, std::move(options))}};
}

task<result<>> outbox::add(storage::transaction& tx, context ctx, outgoing what) {
  std::vector<outgoing> one;
  one.push_back(std::move(what));
  return add(tx, std::move(ctx), std::move(one));
}

task<result<>> outbox::add_prepared(storage::transaction& tx, context ctx, result<outgoing> what) {
  if (!what) co_return fail(what.error());
  co_return co_await add(tx, std::move(ctx), *std::move(what));
}

task<result<>> outbox::add(storage::transaction& tx, context ctx, std::vector<outgoing> batch) {
  auto& l = impl_->db.owner();
  for (auto& each : batch) {
    if (each.what.id.empty()) each.what.id = l.random().make_uuid_v7(l.wall_now()).to_string();
    WEFT_CO_TRY_VOID(check_for_outbox(each, impl_->options.limits));
  }
  std::vector<storage::statement> all;
  all.reserve(batch.size());
  for (auto& each : batch) {
    auto& m = each.what;
    auto meta = encode_meta(each);
    const auto shard = static_cast<std::int64_t>(shard_of(m, impl_->options.shards));
    storage::parameters values;
    values.reserve(6);
    values.emplace_back(shard);
    values.emplace_back(std::move(m.id));
    values.emplace_back(std::move(m.topic));
    values.emplace_back(std::move(m.key));
    values.emplace_back(storage::blob{std::move(meta)});
    values.emplace_back(storage::blob{std::move(m.body)});
    all.push_back({impl_->insert, std::move(values)});
  }
  WEFT_CO_TRY_VOID(co_await tx.batch(std::move(ctx), std::move(all)));
  co_return result<>{};
}

// ---- waking relays

void outbox::committed() {
  for (auto* each : impl_->relays) each->wake();
  if (impl_->db.kind() != storage::engine::postgres || impl_->all_shards_are_held_here()) return;
  impl_->notify_wanted.set();
  if (std::exchange(impl_->notifying, true)) return;
  impl_->tasks.spawn(impl_->notify_others(impl_->tasks.derive(context{})));
}

void outbox::impl::parked_ones_changed() {
  for (auto* each : relays) each->read_everything();
}

bool outbox::impl::all_shards_are_held_here() const {
  std::size_t held = 0;
  for (const auto* each : relays) held += each->leases();
  return held >= options.shards;
}

task<void> outbox::impl::notify_others(context ctx) {
  auto* server = dynamic_cast<storage::postgres_database*>(&db);
  for (;;) {
    if (!co_await notify_wanted.wait(ctx)) co_return;
    notify_wanted.reset();
    // If it fails the relays find the messages by polling.
    static_cast<void>(co_await server->notify(ctx.with_timeout(db.owner(), std::chrono::seconds{10}),
                                              std::string{outbox_channel}, {}));
    if (!co_await weft::sleep(db.owner(), ctx, options.notify_every)) co_return;
  }
}

// ---- looking at it

task<result<outbox_depth>> outbox::depth(context ctx) {
  WEFT_CO_TRY(const auto found, co_await impl_->db.query(std::move(ctx), impl_->depth));
  outbox_depth d;
  WEFT_CO_TRY(d.waiting, found[0].get<std::uint64_t>(0));
  WEFT_CO_TRY(d.parked, found[0].get<std::uint64_t>(1));
  WEFT_CO_TRY(const auto oldest, found[0].get<std::int64_t>(2));
  d.oldest = std::max(duration::zero(), saturating_cast<duration>(std::chrono::milliseconds{oldest}));
  co_return d;
}

task<result<std::vector<parked_message>>> outbox::parked(context ctx, parked_query query) {
  WEFT_CO_TRY(
      const auto found,
      co_await impl_->db.query(std::move(ctx), impl_->parked,
                               {query.after, static_cast<std::int64_t>(std::min(query.limit, std::size_t{10'000}))}));
  std::vector<parked_message> all;
  for (const auto& r : found) {
    WEFT_CO_TRY(auto row, read_row(r));
    parked_message p{.number = row.seq, .what = std::move(row.what)};
    WEFT_CO_TRY(p.reason, r.get<std::string>(8));
    WEFT_CO_TRY(const auto added, r.get<std::int64_t>(9));
    WEFT_CO_TRY(const auto ended, r.get<std::int64_t>(10));
    p.added = wall_time{std::chrono::milliseconds{added}};
    p.parked = wall_time{std::chrono::milliseconds{ended}};
    all.push_back(std::move(p));
  }
  co_return all;
}

task<result<std::size_t>> outbox::replay(context ctx, std::vector<std::int64_t> numbers) {
  WEFT_CO_TRY(const auto count,
              co_await (numbers.empty() ? impl_->db.execute(ctx, impl_->replay_all)
                                        : impl_->db.execute(ctx, impl_->replay_some, {impl_->sql.list(numbers)})));
  impl_->parked_ones_changed();
  committed();
  co_return static_cast<std::size_t>(count);
}

task<result<std::size_t>> outbox::purge(context ctx, std::vector<std::int64_t> numbers) {
  WEFT_CO_TRY(const auto count,
              co_await (numbers.empty() ? impl_->db.execute(ctx, impl_->purge_all)
                                        : impl_->db.execute(ctx, impl_->purge_some, {impl_->sql.list(numbers)})));
  impl_->parked_ones_changed();
  committed();  // what waited behind them may go
  co_return static_cast<std::size_t>(count);
}

storage::database& outbox::database() noexcept { return impl_->db; }
unsigned outbox::shards() const noexcept { return impl_->options.shards; }

}  // namespace weft::messaging
