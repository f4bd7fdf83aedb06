// Leases of shards. The database's clock decides when one has expired. The relay itself counts from before it asked, by
// its own steady clock, so that it stops before others may take over.
#include "relay_impl.hpp"

#include <weft/runtime/sleep.hpp>

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

task<result<>> outbox_relay::impl::renew(context ctx) {
  if (window.leases() == 0) co_return result<>{};
  const auto until = l.now() + options.lease;
  const auto asked = window.shards();
  WEFT_CO_TRY(const auto kept, co_await box.db.query(ctx, sql.renew,
                                                     {std::int64_t{options.lease / std::chrono::milliseconds{1}}, owner,
                                                      box.sql.list(asked)}));
  std::map<unsigned, std::int64_t> tokens;
  for (const auto& r : kept) {
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

task<result<>> outbox_relay::impl::acquire(context ctx) {
  if (window.leases() == box.options.shards) co_return result<>{};
  const auto until = l.now() + options.lease;
  WEFT_CO_TRY(const auto got, co_await box.db.query(ctx, sql.acquire,
                                                    {std::int64_t{options.lease / std::chrono::milliseconds{1}}, owner,
                                                     box.sql.list(window.shards())}));
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

task<void> outbox_relay::impl::lease_regularly(context ctx) {
  const auto every = options.lease / 3;
  for (;;) {
    // Not all at once after a common start.
    const auto wait = every - duration{l.random().between(0, (every / 8).count())};
    if (!co_await weft::sleep(l, ctx, wait) || stopping) co_return;
    const auto in_time = ctx.with_timeout(l, every);
    auto done = co_await renew(in_time);
    lose_expired();
    if (done) done = co_await acquire(in_time);
    if (!done && !stopping) warn("leases could not be renewed", done.error());
  }
}

}  // namespace weft::messaging
