// Leases of shards, and how relays share them. The database's clock decides when one has expired. The relay itself
// counts from before it asked, by its own steady clock, so that it stops before others may take over.
//
// Every relay has a row in weft_outbox_relays for as long as it renews it. By their number and its place among their
// names it knows its share. One that has more hands shards over: it publishes nothing more of them, waits until what
// was under way is marked, and gives the lease back, so that a newcomer repeats nothing.
#include "relay_impl.hpp"

#include <weft/base/saturating.hpp>
#include <weft/runtime/sleep.hpp>
#include <weft/storage/postgres.hpp>

namespace weft::messaging {

void outbox_relay::impl::lose(unsigned shard, std::string_view why) {
  if (window.token_of(shard) == 0) return;
  window.lose(shard);
  ++lost;
  lease_lost.add();
  held.set(static_cast<double>(window.leases()));
  if (options.log != nullptr)
    options.log->warning("a shard was lost", {{"relay", owner}, {"shard", shard}, {"why", why}});
  progress.set();
}

void outbox_relay::impl::lose_expired() {
  for (const auto shard : window.expired(l.now())) lose(shard, "it could not be renewed in time");
}

// Says that this relay is there, keeps what it holds, and counts who else is there.
task<result<>> outbox_relay::impl::renew(context ctx) {
  const auto until = later(l.now(), options.lease);
  const auto asked = window.shards();
  const std::int64_t lease = options.lease / std::chrono::milliseconds{1};
  WEFT_CO_TRY(const auto done, co_await box.db.batch(ctx, {{sql.enter, {lease, owner}},
                                                           {sql.count, {owner}},
                                                           {sql.renew, {lease, owner, box.sql.list(asked)}}}));
  WEFT_CO_TRY(relays, done[1][0].get<std::size_t>(0));
  WEFT_CO_TRY(relays_before, done[1][0].get<std::size_t>(1));
  std::map<unsigned, std::int64_t> tokens;
  for (const auto& r : done[2]) {
    WEFT_CO_TRY(const auto shard, r.get<unsigned>(0));
    WEFT_CO_TRY(tokens[shard], r.get<std::int64_t>(1));
  }
  for (const auto each : asked) {
    const auto shard = static_cast<unsigned>(each);
    const auto held_token = window.token_of(shard);
    if (held_token == 0) continue;
    if (const auto at = tokens.find(shard); at != tokens.end() && at->second == held_token)
      window.hold(shard, held_token, until);
    else
      lose(shard, "another relay has it");
  }
  co_return result<>{};
}

task<result<>> outbox_relay::impl::acquire(context ctx, std::size_t most) {
  const auto until = later(l.now(), options.lease);
  WEFT_CO_TRY(const auto got, co_await box.db.query(ctx, sql.acquire,
                                                    {std::int64_t{options.lease / std::chrono::milliseconds{1}}, owner,
                                                     box.sql.list(window.shards()), static_cast<std::int64_t>(most)}));
  for (const auto& r : got) {
    WEFT_CO_TRY(const auto shard, r.get<unsigned>(0));
    WEFT_CO_TRY(const auto token, r.get<std::int64_t>(1));
    window.hold(shard, token, until);
    ++taken;
    lease_taken.add();
  }
  held.set(static_cast<double>(window.leases()));
  if (!got.empty()) {
    if (options.log != nullptr)
      options.log->info("shards were taken", {{"relay", owner}, {"taken", got.size()}, {"held", window.leases()}});
    look.set();
  }
  co_return result<>{};
}

// ---- sharing

// Those that come first by name have one more where the shards cannot be divided evenly.
std::size_t outbox_relay::impl::fair_share() const noexcept {
  const auto shards = std::size_t{box.options.shards}, all = std::max(relays, std::size_t{1});
  return shards / all + (relays_before < shards % all ? 1 : 0);
}

void outbox_relay::impl::retire_surplus() {
  auto kept = window.kept();
  for (; kept.size() > fair_share(); kept.pop_back()) {
    window.retire(static_cast<unsigned>(kept.back()));
    if (options.log != nullptr)
      options.log->info("a shard is handed over", {{"relay", owner}, {"shard", kept.back()}, {"relays", relays}});
  }
}

task<result<>> outbox_relay::impl::share(context ctx) {
  const auto renewed = co_await renew(ctx);
  lose_expired();
  if (!renewed || stopping) co_return renewed;
  retire_surplus();
  WEFT_CO_TRY_VOID(co_await hand_over(ctx));
  const auto kept = window.kept().size();
  if (kept >= fair_share()) co_return result<>{};
  co_return co_await acquire(ctx, fair_share() - kept);
}

// Gives back what has nothing under way any more.
task<result<>> outbox_relay::impl::hand_over(context ctx) {
  std::vector<storage::statement> releases;
  for (const auto shard : window.retired()) {
    releases.push_back({sql.release, {static_cast<std::int64_t>(shard), window.token_of(shard)}});
    window.lose(shard);  // should it not be given back, its lease runs out
    lease_handed_over.add();
  }
  if (releases.empty()) co_return result<>{};
  held.set(static_cast<double>(window.leases()));
  WEFT_CO_TRY_VOID(co_await box.db.batch(ctx, std::move(releases)));
  co_await tell_of_leases(ctx);
  co_return result<>{};
}

// The others look by themselves too, if later.
task<void> outbox_relay::impl::tell_of_leases(context ctx) {
  for (auto* each : box.relays)
    if (each != this) each->share_leases();
  if (auto* server = dynamic_cast<storage::postgres_database*>(&box.db); server != nullptr)
    static_cast<void>(co_await server->notify(ctx, std::string{outbox_channel}, std::string{leases_changed}));
}

task<void> outbox_relay::impl::lease_regularly(context ctx) {
  const auto every = options.lease / 3;
  // Not all at once after a common start.
  const auto after_a_while = [&] {
    return later(l.now(), every - duration{l.random().between(0, (every / 8).count())});
  };
  for (auto next = after_a_while();;) {
    static_cast<void>(co_await lease_due.wait(ctx.with_deadline(next)));
    if (!ctx.check(l.now())) co_return;
    lease_due.reset();
    const bool shares = std::exchange(share_due, false) || l.now() >= next;
    if (shares) next = after_a_while();
    const auto in_time = ctx.with_timeout(l, every);
    const auto done = co_await (shares ? share(in_time) : hand_over(in_time));
    if (!done && !stopping) warn("leases could not be renewed", done.error());
  }
}

}  // namespace weft::messaging
