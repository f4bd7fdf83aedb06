#include <weft/outbox/relay.hpp>

#include "relay_impl.hpp"

#include <weft/runtime/backoff.hpp>
#include <weft/runtime/sleep.hpp>
#include <weft/storage/postgres.hpp>

#include <algorithm>
#include <stdexcept>

namespace weft::messaging {

namespace {

relay_window_options window_options(const relay_options& o, const broker& to, storage::engine kind) {
  return {.rows = o.window,
          .bytes = o.window_bytes,
          .batch = o.batch,
          .max_body_bytes = to.features().max_message_bytes,
          .first_pause = o.first_pause,
          .longest_pause = o.longest_pause,
          .followers_wait = o.followers == behind_parked::wait,
          // SQLite has one writer at a time. What waits behind a parked message may be let go by another hand.
          .in_commit_order = kind == storage::engine::sqlite && o.followers == behind_parked::go_on,
          .same_key = o.same_key > 0                                 ? o.same_key
                      : to.features().set.has(feature::transactions) ? o.batch
                                                                     : 1};
}

}  // namespace

result<> relay_options::validate() const {
  const auto wrong = [](std::string_view field, std::string_view why) {
    return fail(errc::invalid_argument, "relay." + std::string{field} + ": " + std::string{why});
  };
  if (name.find('\0') != std::string::npos || name.size() > max_name_bytes) return wrong("name", "at most 255 bytes");
  if (batch == 0) return wrong("batch", "at least 1");
  if (calls == 0) return wrong("calls", "at least 1");
  if (same_key > 1 && followers == behind_parked::wait)
    return wrong("same_key", "1, where those behind a parked message wait");
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
      sql{from.sql, options.followers},
      window{window_options(options, to, from.db.kind())},
      look{l},
      due{l},
      ended{l},
      progress{l},
      lease_due{l},
      tasks{l} {
  owner = options.name.empty() ? l.random().make_uuid_v4().to_string() : options.name;
  if (auto* m = options.metrics; m != nullptr) {
    published = m->add_counter("weft_outbox_published_total", "Messages of the outbox that the broker confirmed.");
    retried = m->add_counter("weft_outbox_retried_total", "Messages that could not be published, and are tried again.");
    parked = m->add_counter("weft_outbox_parked_total", "Messages that the broker refused for good.");
    const auto changes = m->add_counter("weft_outbox_lease_changes_total", "Leases of shards.", {"change"});
    lease_taken = changes.with({"taken"});
    lease_lost = changes.with({"lost"});
    lease_handed_over = changes.with({"handed_over"});
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
void outbox_relay::impl::read_everything() { window.read_everything(); }
void outbox_relay::impl::share_leases() { share_due = true, lease_due.set(); }

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
  if (auto dead = box.sql.bury_the_dead(owner); !dead.empty())
    WEFT_CO_TRY_VOID(co_await box.db.batch(ctx, std::move(dead)));
  WEFT_CO_TRY_VOID(co_await renew(ctx));
  WEFT_CO_TRY_VOID(co_await acquire(ctx, fair_share()));
  if (relays > 1) co_await tell_of_leases(ctx);
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
  while ((calls > 0 || window.to_mark() > 0 || marking) && !marks_no_more) {
    progress.reset();
    in_time = co_await progress.wait(ctx);
    if (!in_time) break;
  }
  const auto left = window.out() + window.to_mark();
  tasks.cancel();
  co_await tasks.join();
  box.relays.erase(this);
  co_await leave();
  if (left > 0)
    co_return fail(in_time ? errc::cancelled : errc::deadline_exceeded,
                   std::to_string(left) + " messages were left unconfirmed or unmarked; they are published again");
  co_return result<>{};
}

task<void> outbox_relay::impl::leave() {
  const auto in_time = context{}.with_timeout(l, std::chrono::seconds{5});
  std::vector<storage::statement> goodbye;
  for (const auto shard : window.shards())
    goodbye.push_back({sql.release, {shard, window.token_of(static_cast<unsigned>(shard))}});
  goodbye.push_back({sql.leave, {owner}});
  for (auto& each : box.sql.no_longer_alive(owner)) goodbye.push_back(std::move(each));
  for (const auto shard : window.shards()) window.lose(static_cast<unsigned>(shard));
  held.set(0);
  if (const auto released = co_await box.db.batch(in_time, std::move(goodbye)); !released)
    warn("leases could not be given back", released.error());
  else
    co_await tell_of_leases(in_time);
}

// ---- reading

task<void> outbox_relay::impl::read(context ctx) {
  backoff pauses{{.initial = options.first_pause, .max = options.longest_pause}};
  while (!stopping) {
    look.reset();
    auto until_next = options.poll;
    if (const auto rows = window.wanted(l.now()); rows > 0) {
      const auto got = co_await read_once(ctx, rows);
      if (got) {
        pauses.succeeded(l.now());
        due.set();
        if (*got == more::some) continue;
      } else if (got.error().code() == errc::resource_exhausted && rows > 1) {
        window.read_less();
        continue;
      } else {
        warn("the outbox cannot be read", got.error());
        until_next = std::min(until_next, pauses.next(l.now(), l.random()));
      }
    }
    const bool woken = (co_await look.wait(ctx.with_timeout(l, until_next))).has_value();
    if (!ctx.check(l.now())) co_return;
    if (!woken) window.read_everything();
  }
}

std::vector<storage::statement> outbox_relay::impl::settings_for_reading() const {
  std::vector<storage::statement> batch;
  if (box.db.kind() == storage::engine::postgres) batch.push_back({std::string{relay_statements::plan_by_index}});
  return batch;
}

std::vector<storage::statement> outbox_relay::impl::settings_for_marking() const {
  auto batch = settings_for_reading();
  if (box.db.kind() == storage::engine::postgres) batch.push_back({std::string{relay_statements::without_sync}});
  return batch;
}

task<result<outbox_relay::impl::more>> outbox_relay::impl::read_once(context ctx, std::size_t rows) {
  window.begin_reading();
  const auto room = std::max<std::size_t>(1, window.room());
  storage::parameters values{
      box.sql.list(window.kept()),     box.sql.list(window.rows()), box.sql.list(window.held_back()),
      static_cast<std::int64_t>(rows), window.read_after(),         static_cast<std::int64_t>(room)};
  auto batch = settings_for_reading();
  batch.push_back({sql.read, std::move(values)});
  WEFT_CO_TRY(const auto results, co_await box.db.batch(ctx, std::move(batch)));
  const auto& found = results.back();
  std::size_t bytes = 0;
  for (const auto& r : found) {
    WEFT_CO_TRY(auto row, read_row(r));
    bytes += row.what.what.body.size();
    window.admit(std::move(row), l.now());
  }
  window.end_reading();
  co_return found.size() == rows || bytes >= room ? more::some : more::none;
}

task<void> outbox_relay::impl::listen(context ctx) {
  auto* server = dynamic_cast<storage::postgres_database*>(&box.db);
  auto heard = server->listen(std::string{outbox_channel});
  if (!heard) co_return warn("notifications cannot be heard; the outbox is polled", heard.error());
  while (const auto told = co_await (*heard)->next(ctx)) {
    if (told->lost || told->payload == leases_changed) share_leases();
    if (told->payload != leases_changed) look.set();
  }
}

// ---- publishing

task<void> outbox_relay::impl::dispatch(context ctx) {
  while (ctx.check(l.now())) {
    due.reset();
    lose_expired();
    while (!stopping && calls < options.calls) {
      auto b = window.take(l.now());
      if (window.to_mark() > 0) ended.set();
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
  const auto asked = b.messages.front().if_unroutable;
  auto results = co_await bus.publish(ctx.with_timeout(l, options.publish_timeout), std::move(b.messages));
  --calls;
  WEFT_ASSERT(results.size() == b.rows.size(), "a broker answers for each message");
  if (options.log != nullptr)
    for (const auto& r : results)
      if (!r && !refused_for_good(r.error(), asked)) {
        warn("messages of the outbox could not be published", r.error());
        break;
      }
  window.answered(b.rows, results, l.now(), l.random().uniform());
  count();
  ended.set();
  due.set();
  progress.set();
  if (window.retiring()) lease_due.set();
}

// ---- marking

task<void> outbox_relay::impl::mark(context ctx) {
  backoff pauses{{.initial = options.first_pause, .max = options.longest_pause}};
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
    if (!done) {
      warn("messages that were published could not be marked", done.error());
      // What the database will never take of one must not hold up the others.
      if (!done.error().transient()) marks = co_await mark_apart(ctx, std::move(marks));
    }
    marking = false;
    if (done) {
      window.marked(marks);
      pauses.succeeded(l.now());
    } else {
      window.not_marked(std::move(marks));
    }
    if (window.retiring()) lease_due.set();
    if (window.starved()) look.set();
    progress.set();
    if (!done) static_cast<void>(co_await weft::sleep(l, ctx, pauses.next(l.now(), l.random())));
  }
  marks_no_more = true;
  progress.set();
}

// Those that were published together, each that was refused alone; gives those that could not be marked.
task<std::vector<relay_window::mark>> outbox_relay::impl::mark_apart(context ctx,
                                                                     std::vector<relay_window::mark> marks) {
  std::vector<std::vector<relay_window::mark>> parts(1);
  for (auto& m : marks)
    if (m.parked_for.empty())
      parts.front().push_back(std::move(m));
    else
      parts.emplace_back().push_back(std::move(m));
  std::vector<relay_window::mark> left;
  for (auto& part : parts) {
    if (part.empty()) continue;
    const auto done = co_await mark_once(ctx, part);
    if (done) {
      window.marked(part);
      continue;
    }
    for (auto& m : part) {
      if (!m.parked_for.empty() && !done.error().transient())
        m.parked_for = "the broker refused it, for a reason that the database does not take";
      left.push_back(std::move(m));
    }
  }
  co_return left;
}

task<result<>> outbox_relay::impl::mark_once(context ctx, const std::vector<relay_window::mark>& marks) {
  std::vector<std::int64_t> sent;
  std::vector<const relay_window::mark*> refused;
  std::map<unsigned, std::int64_t> tokens;
  for (const auto& m : marks) {
    tokens[m.shard] = m.token;  // of one shard there are marks of one lease: those of an earlier one were dropped
    if (m.parked_for.empty())
      sent.push_back(m.seq);
    else
      refused.push_back(&m);
  }
  std::vector<std::int64_t> numbers;
  for (const auto& [shard, token] : tokens) numbers.push_back(outbox_sql::lease(shard, token));
  const auto leases = box.sql.list(numbers);
  auto batch = settings_for_marking();
  const auto checked = batch.size();
  batch.push_back({sql.check, {leases}});
  if (!sent.empty())
    batch.push_back({options.keep_sent > duration::zero() ? sql.keep : sql.remove, {leases, box.sql.list(sent)}});
  for (const auto* m : refused) batch.push_back({sql.park, {leases, m->seq, m->parked_for}});
  WEFT_CO_TRY(const auto results, co_await box.db.batch(ctx, std::move(batch)));
  for (const auto& r : results[checked]) {
    WEFT_CO_TRY(const auto shard, r.get<unsigned>(0));
    tokens.erase(shard);
  }
  for (const auto& [shard, token] : tokens)
    if (window.token_of(shard) == token) lose(shard, "another relay has it");
  if (options.log != nullptr)
    for (const auto* m : refused)
      if (!tokens.contains(m->shard))
        options.log->error("a message of the outbox is parked",
                           {{"number", m->seq}, {"shard", m->shard}, {"reason", m->parked_for}});
  co_return result<>{};
}

// ---- figures, and rows that were kept

task<void> outbox_relay::impl::tidy(context ctx) {
  while (ctx.check(l.now())) {
    if (const auto purged = co_await purge_sent(ctx); !purged) warn("old rows could not be removed", purged.error());
    static_cast<void>(co_await box.db.execute(ctx, sql.forget));  // or the next time
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
  // Also where nothing is kept: rows may be left of a time when something was.
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
