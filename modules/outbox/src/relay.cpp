#include <weft/outbox/relay.hpp>

#include "relay_impl.hpp"

#include <weft/runtime/sleep.hpp>
#include <weft/storage/postgres.hpp>

#include <algorithm>
#include <stdexcept>

namespace weft::messaging {

namespace {

relay_window_options window_options(const relay_options& o, const broker& to) {
  return {.rows = o.window,
          .bytes = o.window_bytes,
          .batch = o.batch,
          .max_body_bytes = to.features().max_message_bytes,
          .first_pause = o.first_pause,
          .longest_pause = o.longest_pause,
          .followers_wait = o.followers == behind_parked::wait};
}

}  // namespace

result<> relay_options::validate() const {
  const auto wrong = [](std::string_view field, std::string_view why) {
    return fail(errc::invalid_argument, "relay." + std::string{field} + ": " + std::string{why});
  };
  if (name.find('\0') != std::string::npos || name.size() > max_name_bytes) return wrong("name", "at most 255 bytes");
  if (batch == 0) return wrong("batch", "at least 1");
  if (calls == 0) return wrong("calls", "at least 1");
  if (window < batch) return wrong("window", "at least as many as batch");
  if (window_bytes == 0) return wrong("window_bytes", "at least 1");
  if (lease < std::chrono::milliseconds{50}) return wrong("lease", "at least 50 ms");
  if (poll <= duration::zero()) return wrong("poll", "more than nothing");
  if (publish_timeout <= duration::zero()) return wrong("publish_timeout", "more than nothing");
  if (first_pause <= duration::zero()) return wrong("first_pause", "more than nothing");
  if (longest_pause < first_pause) return wrong("longest_pause", "at least first_pause");
  if (keep_sent < duration::zero()) return wrong("keep_sent", "negative");
  if (measure_every <= duration::zero()) return wrong("measure_every", "more than nothing");
  return {};
}

outbox_relay::impl::impl(outbox::impl& from, broker& to, relay_options o)
    : box{from},
      l{from.db.owner()},
      bus{to},
      options{std::move(o)},
      window{window_options(options, to)},
      look{l},
      due{l},
      ended{l},
      progress{l},
      tasks{l} {
  owner = options.name.empty() ? l.random().make_uuid_v4().to_string() : options.name;
  const auto& q = box.sql;
  const std::string now{q.now()};
  sql.renew = "UPDATE weft_outbox_shards SET expires = " + now + " + $1 WHERE owner = $2 AND " +
              q.in("shard", 3, "bigint") + " RETURNING shard, token";
  sql.acquire = "UPDATE weft_outbox_shards SET owner = $2, token = token + 1, expires = " + now +
                " + $1 WHERE (owner = '' OR owner = $2 OR expires <= " + now + ") AND " +
                q.not_in("shard", 3, "bigint") + " RETURNING shard, token";
  sql.release = "UPDATE weft_outbox_shards SET owner = '', expires = 0 WHERE shard = $1 AND token = $2";
  sql.read = "SELECT seq, shard, id, topic, message_key, meta, body, " + now +
             " - added_at FROM weft_outbox AS o WHERE state = 0 AND " + q.in("shard", 1, "bigint") + " AND " +
             q.not_in("seq", 2, "bigint") + " AND " + q.not_in("message_key", 3, "text");
  if (options.followers == behind_parked::wait)
    sql.read +=
        " AND NOT EXISTS (SELECT 1 FROM weft_outbox AS p WHERE p.state = 2 AND p.message_key = o.message_key "
        "AND p.message_key <> '' AND p.seq < o.seq)";
  sql.read += " ORDER BY seq LIMIT $4";
  // The lease is looked at, and on PostgreSQL held, by the transaction that marks.
  sql.check = "SELECT token FROM weft_outbox_shards WHERE shard = $1 AND token = $2" + std::string{q.locked()};
  const std::string leased = " AND EXISTS (SELECT 1 FROM weft_outbox_shards AS s WHERE s.shard = $2 AND s.token = $3)";
  sql.remove = "DELETE FROM weft_outbox WHERE " + q.in("seq", 1, "bigint") + leased;
  sql.keep = "UPDATE weft_outbox SET state = 1, ended_at = " + now + " WHERE state = 0 AND " +
             q.in("seq", 1, "bigint") + leased;
  sql.park =
      "UPDATE weft_outbox SET state = 2, ended_at = " + now + ", reason = $4 WHERE state = 0 AND seq = $1" + leased;
  sql.purge = "DELETE FROM weft_outbox WHERE seq IN (SELECT seq FROM weft_outbox WHERE state = 1 AND ended_at < " +
              now + " - $1 ORDER BY ended_at LIMIT 500)";
  if (auto* m = options.metrics; m != nullptr) {
    published = m->add_counter("weft_outbox_published_total", "Messages of the outbox that the broker confirmed.");
    retried = m->add_counter("weft_outbox_retried_total", "Messages that could not be published, and are tried again.");
    parked = m->add_counter("weft_outbox_parked_total", "Messages that the broker refused for good.");
    const auto changes = m->add_counter("weft_outbox_lease_changes_total", "Leases of shards.", {"change"});
    lease_taken = changes.with({"taken"});
    lease_lost = changes.with({"lost"});
    held = m->add_gauge("weft_outbox_leases", "Shards that are leased to this relay.");
    backlog = m->add_gauge("weft_outbox_backlog", "Messages that wait in the outbox, counted up to a million.");
    parked_now = m->add_gauge("weft_outbox_parked", "Messages that are parked.");
    oldest = m->add_gauge("weft_outbox_oldest_age_seconds", "How long the oldest message waits.");
  }
}

outbox_relay::impl::~impl() { box.relays.erase(this); }

void outbox_relay::impl::warn(std::string_view what, const error& why) const {
  if (options.log != nullptr) options.log->warning(what, {{"relay", owner}, {"error", why.describe()}});
}

void outbox_relay::impl::wake() { look.set(); }

void outbox_relay::impl::count() {
  const auto& now = window.counted();
  published.add(now.published - shown.published);
  retried.add(now.retried - shown.retried);
  parked.add(now.parked - shown.parked);
  shown = now;
}

// ---- from start to stop

task<result<>> outbox_relay::impl::start(context ctx) {
  if (std::exchange(started, true)) co_return fail(errc::failed_precondition, "the relay was started before");
  WEFT_CO_TRY_VOID(co_await acquire(ctx));
  box.relays.insert(this);
  const auto own = tasks.derive(ctx);
  tasks.spawn(lease_regularly(own));
  tasks.spawn(read(own));
  tasks.spawn(dispatch(own));
  tasks.spawn(mark(own));
  tasks.spawn(tidy(own));
  if (box.db.kind() == storage::engine::postgres) tasks.spawn(listen(own));
  co_return result<>{};
}

task<result<>> outbox_relay::impl::stop(context ctx) {
  if (!started || std::exchange(stopping, true)) co_return result<>{};
  look_again();
  result<> in_time;
  while (calls > 0 || window.anything_to_mark() || marking) {
    progress.reset();
    in_time = co_await progress.wait(ctx);
    if (!in_time) break;
  }
  const auto left = window.out();
  tasks.cancel();
  co_await tasks.join();
  box.relays.erase(this);
  std::vector<storage::statement> releases;
  for (const auto shard : window.shards())
    releases.push_back({sql.release, {shard, window.token_of(static_cast<unsigned>(shard))}});
  if (!releases.empty())
    if (const auto released =
            co_await box.db.batch(context{}.with_timeout(l, std::chrono::seconds{5}), std::move(releases));
        !released)
      warn("leases could not be given back", released.error());
  for (const auto shard : window.shards()) window.lose(static_cast<unsigned>(shard));
  held.set(0);
  if (!in_time)
    co_return fail(errc::deadline_exceeded,
                   std::to_string(left) + " messages were left unconfirmed; they are published again");
  co_return result<>{};
}

// ---- reading

task<void> outbox_relay::impl::read(context ctx) {
  while (!stopping) {
    look.reset();
    const auto rows = window.wanted(l.now());
    if (rows > 0) {
      const auto got = co_await read_once(ctx, rows);
      if (!got && got.error().code() == errc::resource_exhausted && rows > 1)
        window.read_less();
      else if (!got)
        warn("the outbox cannot be read", got.error());
      if (got) due.set();
      if ((got && *got == rows) || (!got && got.error().code() == errc::resource_exhausted && rows > 1)) continue;
    }
    static_cast<void>(co_await look.wait(ctx.with_timeout(l, options.poll)));
    if (!ctx.check(l.now())) co_return;
  }
}

// PostgreSQL keeps plans. One that was made while the table was small goes through all of it, or sorts all that waits,
// each time; so for this transaction only the indexes are left.
std::vector<storage::statement> outbox_relay::impl::planned_by_index() const {
  std::vector<storage::statement> batch;
  if (box.db.kind() == storage::engine::postgres)
    batch.push_back(
        {"SELECT set_config('enable_seqscan', 'off', true), set_config('enable_bitmapscan', 'off', true), "
         "set_config('enable_sort', 'off', true)"});
  return batch;
}

task<result<std::size_t>> outbox_relay::impl::read_once(context ctx, std::size_t rows) {
  window.begin_reading();
  storage::parameters values{box.sql.list(window.shards()), box.sql.list(window.rows()),
                             box.sql.list(window.held_back()), static_cast<std::int64_t>(rows)};
  auto batch = planned_by_index();
  batch.push_back({sql.read, std::move(values)});
  WEFT_CO_TRY(const auto results, co_await box.db.batch(ctx, std::move(batch)));
  const auto& found = results.back();
  for (const auto& r : found) {
    WEFT_CO_TRY(auto row, read_row(r));
    window.admit(std::move(row), l.now());
  }
  co_return found.size();
}

task<void> outbox_relay::impl::listen(context ctx) {
  auto* server = dynamic_cast<storage::postgres_database*>(&box.db);
  auto heard = server->listen(std::string{outbox_channel});
  if (!heard) co_return warn("notifications cannot be heard; the outbox is polled", heard.error());
  while (co_await (*heard)->next(ctx)) look.set();
}

// ---- publishing

task<void> outbox_relay::impl::dispatch(context ctx) {
  while (ctx.check(l.now())) {
    due.reset();
    lose_expired();
    while (!stopping && calls < options.calls) {
      auto b = window.take(l.now());
      if (window.anything_to_mark()) ended.set();
      if (b.rows.empty()) break;
      ++calls;
      tasks.spawn(publish(ctx, std::move(b)));
    }
    const auto at = window.next_due();
    const bool may_send = !stopping && calls < options.calls && at != steady_time::max();
    static_cast<void>(co_await due.wait(may_send ? ctx.with_deadline(at) : ctx));
    if (window.starved()) look.set();
  }
}

task<void> outbox_relay::impl::publish(context ctx, relay_window::batch b) {
  auto results = co_await bus.publish(ctx.with_timeout(l, options.publish_timeout), std::move(b.messages));
  --calls;
  if (options.log != nullptr)
    for (const auto& r : results)
      if (!r && !refused_for_good(r.error())) {
        warn("messages of the outbox could not be published", r.error());
        break;
      }
  window.answered(b.rows, results, l.now(), l.random().uniform());
  count();
  ended.set();
  due.set();
  progress.set();
}

// ---- marking

task<void> outbox_relay::impl::mark(context ctx) {
  duration pause = options.first_pause;
  while (ctx.check(l.now())) {
    auto marks = window.take_marks(options.window);
    if (marks.empty()) {
      ended.reset();
      progress.set();
      static_cast<void>(co_await ended.wait(ctx));
      continue;
    }
    marking = true;
    const auto done = co_await mark_once(ctx, marks);
    marking = false;
    if (done) {
      window.marked(marks);
      pause = options.first_pause;
      if (window.starved()) look.set();
      progress.set();
      continue;
    }
    warn("messages that were published could not be marked", done.error());
    window.not_marked(std::move(marks));
    static_cast<void>(co_await weft::sleep(l, ctx, pause));
    pause = std::min(pause * 2, options.longest_pause);
  }
}

task<result<>> outbox_relay::impl::mark_once(context ctx, const std::vector<relay_window::mark>& marks) {
  std::map<std::pair<unsigned, std::int64_t>, std::vector<std::int64_t>> sent;
  std::map<std::pair<unsigned, std::int64_t>, std::vector<const relay_window::mark*>> refused;
  std::vector<std::pair<unsigned, std::int64_t>> leases;
  for (const auto& m : marks) {
    const std::pair lease{m.shard, m.token};
    if (m.parked_for.empty())
      sent[lease].push_back(m.seq);
    else
      refused[lease].push_back(&m);
    if (std::ranges::find(leases, lease) == leases.end()) leases.push_back(lease);
  }
  std::ranges::sort(leases);  // relays lock shards in one order
  auto batch = planned_by_index();
  const auto checks = batch.size();
  for (const auto& [shard, token] : leases) batch.push_back({sql.check, {static_cast<std::int64_t>(shard), token}});
  const auto& end_sent = options.keep_sent > duration::zero() ? sql.keep : sql.remove;
  for (const auto& [lease, rows] : sent)
    batch.push_back({end_sent, {box.sql.list(rows), static_cast<std::int64_t>(lease.first), lease.second}});
  for (const auto& [lease, rows] : refused)
    for (const auto* m : rows) {
      batch.push_back({sql.park, {m->seq, static_cast<std::int64_t>(lease.first), lease.second, m->parked_for}});
      if (options.log != nullptr)
        options.log->error("a message of the outbox is parked",
                           {{"number", m->seq}, {"shard", m->shard}, {"reason", m->parked_for}});
    }
  WEFT_CO_TRY(const auto results, co_await box.db.batch(ctx, std::move(batch)));
  for (std::size_t i = 0; i < leases.size(); ++i)
    if (results[checks + i].empty() && window.token_of(leases[i].first) == leases[i].second)
      lose(leases[i].first, "another relay has it");
  co_return result<>{};
}

// ---- figures, and rows that were kept

task<void> outbox_relay::impl::tidy(context ctx) {
  while (ctx.check(l.now())) {
    if (const auto purged = co_await purge_sent(ctx); !purged) warn("old rows could not be removed", purged.error());
    if (options.metrics != nullptr) {
      WEFT_ASSERT(!box.depth.empty(), "the outbox has its statements");
      const auto found = co_await box.db.query(ctx, box.depth);
      if (found) {
        backlog.set(static_cast<double>((*found)[0].get<std::int64_t>(0).value_or(0)));
        parked_now.set(static_cast<double>((*found)[0].get<std::int64_t>(1).value_or(0)));
        oldest.set(static_cast<double>((*found)[0].get<std::int64_t>(2).value_or(0)) / 1000);
      }
    }
    static_cast<void>(co_await weft::sleep(l, ctx, options.measure_every));
  }
}

task<result<>> outbox_relay::impl::purge_sent(context ctx) {
  if (options.keep_sent <= duration::zero()) co_return result<>{};
  const std::int64_t keep = options.keep_sent / std::chrono::milliseconds{1};
  for (;;) {
    WEFT_CO_TRY(const auto gone, co_await box.db.execute(ctx, sql.purge, {keep}));
    if (gone == 0) co_return result<>{};
  }
}

// ---- the public face

outbox_relay::outbox_relay(outbox& from, broker& to, relay_options options) {
  if (const auto valid = options.validate(); !valid) throw std::invalid_argument{valid.error().describe()};
  impl_ = std::make_unique<impl>(*from.impl_, to, std::move(options));
}
outbox_relay::~outbox_relay() = default;

task<result<>> outbox_relay::start(context ctx) { return impl_->start(std::move(ctx)); }
task<result<>> outbox_relay::stop(context ctx) { return impl_->stop(std::move(ctx)); }

outbox_relay::figures outbox_relay::statistics() const noexcept {
  const auto& counted = impl_->window.counted();
  return {.published = counted.published,
          .retried = counted.retried,
          .parked = counted.parked,
          .leases_taken = impl_->taken,
          .leases_lost = impl_->lost,
          .leases = impl_->window.leases(),
          .in_memory = impl_->window.size()};
}

}  // namespace weft::messaging
