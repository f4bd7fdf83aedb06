#include "connection.hpp"

#include "sql_text.hpp"
#include "error.hpp"
#include "values.hpp"

#include <algorithm>
#include <array>

namespace weft::storage {

namespace {

struct clear_result {
  void operator()(PGresult* r) const noexcept { PQclear(r); }
};
using pg_result = std::unique_ptr<PGresult, clear_result>;

// What may be prepared before the statements in front of it have run.
bool preparable(const std::string& sql) {
  static constexpr std::array<std::string_view, 6> words{"select", "insert", "update", "delete", "with", "values"};
  return std::ranges::find(words, first_word(sql)) != words.end();
}

}  // namespace

pg_connection::pg_connection(loop& l, pg_handle handle, const postgres_options& options, std::string peer)
    : loop_{l}, handle_{std::move(handle)}, options_{options}, peer_{std::move(peer)}, flush_needed_{l}, progress_{l} {}

pg_connection::~pg_connection() { watched_.reset(); }

result<> pg_connection::start(task_group& group, std::function<void()> on_broken) {
  WEFT_TRY(watched_, loop_.watch(PQsocket(handle_.get())));
  if (PQsetnonblocking(handle_.get(), 1) != 0 || PQenterPipelineMode(handle_.get()) != 1)
    return fail(errc::internal, "libpq refuses the pipeline mode");
  PQsetNoticeReceiver(handle_.get(), receive_notice, this);
  on_broken_ = std::move(on_broken);
  group.spawn(read_on(shared_from_this()));
  group.spawn(write_on(shared_from_this()));
  return {};
}

void pg_connection::receive_notice(void* self, const PGresult* notice) {
  const auto& tell = static_cast<pg_connection*>(self)->options_.on_notice;
  if (!tell) return;
  const char* severity = PQresultErrorField(notice, PG_DIAG_SEVERITY_NONLOCALIZED);
  const char* message = PQresultErrorField(notice, PG_DIAG_MESSAGE_PRIMARY);
  tell(severity != nullptr ? severity : "", message != nullptr ? message : "");
}

std::string pg_connection::quoted(const std::string& identifier) const {
  char* text = PQescapeIdentifier(handle_.get(), identifier.data(), identifier.size());
  std::string copy{text != nullptr ? text : "\"\""};
  PQfreemem(text);
  return copy;
}

// ---- sending
// ----------------------------------------------------------------------------------------------------------

void pg_connection::send(const pg_unit_ref& unit) {
  if (broken_) {
    unit->outcome = fail(error{errc::unavailable, "the connection is closed"}.with_peer(peer_).as_unprocessed());
    return end(*unit);
  }
  // A definition must have run before what uses it can be prepared; then nothing is prepared ahead.
  const bool ahead = unit->batch.size() < options_.statements &&
                     std::ranges::all_of(unit->batch, [](const statement& s) { return preparable(s.sql); });
  std::vector<std::string> names(unit->batch.size());
  bool ok = !ahead || send_prepares(unit, names);
  if (ok && !unit->begin.empty()) {
    ok = send_control(unit->begin);
    in_flight_.push_back({unit, kind::begin});
  }
  for (std::size_t i = 0; ok && i < unit->batch.size(); ++i) ok = send_execute(unit, i, names[i]);
  if (!ok || !sync(unit, true)) return break_with(error{errc::unavailable, one_line(PQerrorMessage(handle_.get()))});
  flush();
}

// In a synchronisation of their own, so that they stay prepared whatever the statements meet.
bool pg_connection::send_prepares(const pg_unit_ref& unit, std::vector<std::string>& names) {
  bool any = false;
  for (std::size_t i = 0; i < unit->batch.size(); ++i) {
    const auto& s = unit->batch[i];
    const auto key = prepared_key(s.sql, s.values);
    if (const auto found = prepared_.find(key); found != prepared_.end()) {
      ages_.splice(ages_.end(), ages_, found->second.age);
      // One that another unit is still preparing may yet fail.
      const bool ours = !in_flight_.empty() && in_flight_.back().unit == unit;
      if (found->second.ready || ours) names[i] = found->second.name;
      continue;
    }
    if (prepared_.size() >= std::max<std::size_t>(options_.statements, 1)) make_room(unit);
    prepared p{.name = "w" + std::to_string(next_name_++), .age = ages_.insert(ages_.end(), key)};
    names[i] = p.name;
    const pg_arguments arguments{s.values};
    if (PQsendPrepare(handle_.get(), p.name.c_str(), s.sql.c_str(), arguments.count(), arguments.types()) != 1)
      return false;
    prepared_.emplace(key, p);
    in_flight_.push_back({unit, kind::prepare, i, key});
    any = true;
  }
  return !any || sync(unit, false);
}

void pg_connection::make_room(const pg_unit_ref& unit) {
  const auto oldest = prepared_.find(ages_.front());
  const auto name = oldest->second.name;
  ages_.pop_front();
  prepared_.erase(oldest);
  if (send_control("DEALLOCATE " + name)) in_flight_.push_back({unit, kind::prepare, 0, {}});
}

bool pg_connection::send_execute(const pg_unit_ref& unit, std::size_t index, const std::string& name) {
  const auto& s = unit->batch[index];
  const pg_arguments arguments{s.values};
  const int sent = name.empty() ? PQsendQueryParams(handle_.get(), s.sql.c_str(), arguments.count(), arguments.types(),
                                                    arguments.values(), arguments.lengths(), arguments.formats(), 0)
                                : PQsendQueryPrepared(handle_.get(), name.c_str(), arguments.count(),
                                                      arguments.values(), arguments.lengths(), arguments.formats(), 0);
  if (sent != 1) return false;
  in_flight_.push_back({unit, kind::execute, index, name.empty() ? std::string{} : prepared_key(s.sql, s.values)});
  return true;
}

bool pg_connection::send_control(const std::string& sql) {
  return PQsendQueryParams(handle_.get(), sql.c_str(), 0, nullptr, nullptr, nullptr, nullptr, 0) == 1;
}

bool pg_connection::sync(const pg_unit_ref& unit, bool last) {
  in_flight_.push_back({unit, kind::sync, last ? std::size_t{1} : std::size_t{0}});
  return PQpipelineSync(handle_.get()) == 1;
}

void pg_connection::flush() {
  const int left = PQflush(handle_.get());
  if (left > 0) flush_needed_.set();
  // What failed shows when the answer is read.
}

task<void> pg_connection::write_on(std::shared_ptr<pg_connection> self) {
  while (!self->broken_) {
    if (!co_await self->flush_needed_.wait(context{})) break;
    if (self->broken_) break;
    const int left = PQflush(self->handle_.get());
    if (left == 0) self->flush_needed_.reset();
    if (left < 0) {
      self->flush_needed_.reset();
      continue;  // the reader finds out why
    }
    if (left > 0 && !co_await self->watched_->ready(io_direction::write)) break;
  }
}

// ---- receiving
// --------------------------------------------------------------------------------------------------------

task<void> pg_connection::read_on(std::shared_ptr<pg_connection> self) {
  while (!self->broken_) {
    if (!co_await self->watched_->ready(io_direction::read)) break;
    auto* handle = self->handle_.get();
    const bool alive = PQconsumeInput(handle) == 1;
    self->take_results();  // of a server that went away too: it may have said why
    while (PGnotify* heard = PQnotifies(handle)) {
      if (self->on_notification) self->on_notification(heard->relname, heard->extra);
      PQfreemem(heard);
    }
    if (!alive) self->break_with(error{errc::unavailable, one_line(PQerrorMessage(handle))});
  }
}

void pg_connection::take_results() {
  bool after_result = false;  // a null then ends the statement; otherwise nothing is left
  while (!broken_ && !in_flight_.empty() && PQisBusy(handle_.get()) == 0) {
    const pg_result r{PQgetResult(handle_.get())};
    if (!r) {
      if (!std::exchange(after_result, false) && PQisBusy(handle_.get()) == 0 &&
          PQstatus(handle_.get()) != CONNECTION_OK)
        return;
      continue;
    }
    after_result = true;
    const auto status = PQresultStatus(r.get());
    if (status == PGRES_FATAL_ERROR && PQresultErrorField(r.get(), PG_DIAG_SQLSTATE) == nullptr)  // libpq's own words
      return break_with(error{errc::unavailable, one_line(PQresultErrorMessage(r.get()))});
    auto current = in_flight_.front();
    // What fails at the synchronisation point, where a transaction of one batch commits, comes before its answer.
    if (current.what != kind::sync || status == PGRES_PIPELINE_SYNC) in_flight_.pop_front();
    take(current, r.get());
  }
}

void pg_connection::take(step& current, const PGresult* r) {
  switch (PQresultStatus(r)) {
    case PGRES_PIPELINE_SYNC:
      if (current.what == kind::sync && current.index == 1) end(*current.unit);
      return;
    case PGRES_COMMAND_OK:
    case PGRES_TUPLES_OK:
      return store(current, r);
    case PGRES_PIPELINE_ABORTED:
      if (current.what == kind::prepare && !current.prepared.empty()) return failed(current, nullptr);
      return;
    case PGRES_COPY_IN:
    case PGRES_COPY_OUT:
    case PGRES_COPY_BOTH:
      current.unit->outcome = fail(errc::unimplemented, "COPY is not for pipelines");
      return break_with(error{errc::unimplemented, "COPY is not for pipelines"});
    default:
      return failed(current, r);
  }
}

void pg_connection::store(step& current, const PGresult* r) {
  auto& unit = *current.unit;
  if (current.what == kind::prepare) {
    if (const auto found = prepared_.find(current.prepared); found != prepared_.end()) found->second.ready = true;
    return;
  }
  unit.last_tag = PQcmdStatus(const_cast<PGresult*>(r));  // NOLINT: libpq's signature; it only reads
  if (current.what != kind::execute || !unit.outcome) return;
  auto read = read_result(r, options_.result_bytes);
  if (read)
    unit.results.push_back(*std::move(read));
  else
    unit.outcome = fail(read.error());
}

// `r` is null for what was skipped.
void pg_connection::failed(step& current, const PGresult* r) {
  const char* text = r != nullptr ? PQresultErrorField(r, PG_DIAG_SQLSTATE) : nullptr;
  const std::string_view state = text != nullptr ? text : "";
  // A statement whose tables changed must be prepared anew.
  const bool stale =
      current.what == kind::execute && !current.prepared.empty() && (state == "0A000" || state == "26000");
  if ((current.what == kind::prepare && !current.prepared.empty()) || stale) {
    if (const auto found = prepared_.find(current.prepared); found != prepared_.end()) {
      ages_.erase(found->second.age);
      prepared_.erase(found);
    }
  }
  auto& unit = *current.unit;
  if (r == nullptr || !unit.outcome) return;
  if (current.what == kind::prepare && current.prepared.empty()) return;  // of a DEALLOCATE; nobody misses it
  auto problem = postgres_failure(r).with_peer(peer_);
  if (stale) problem = error{errc::aborted, "the statement was prepared for tables that have changed since"};
  if (unit.batch.size() > 1 && (current.what == kind::execute || current.what == kind::prepare))
    problem = problem.with_operation("statement " + std::to_string(current.index + 1) + " of " +
                                     std::to_string(unit.batch.size()));
  if (unit.cancelled && state == "57014") problem = error{errc::cancelled, problem.message()};
  unit.outcome = fail(problem);
}

void pg_connection::end(pg_unit& unit) {
  unit.finished = true;
  unit.done.set();
  progress_.pulse();
}

error pg_connection::lost(const pg_unit& unit, const error& why) const {
  if (unit.when_lost == pg_unit::loss::harmless)
    return error{errc::unavailable, "the connection was lost: " + std::string{why.message()}}
        .with_peer(peer_)
        .as_unprocessed();
  return error{errc::unknown, "the connection was lost while committing: " + std::string{why.message()}}
      .with_peer(peer_)
      .with_remedy("it may have happened: look before it is repeated");
}

void pg_connection::break_with(const error& why) {
  if (std::exchange(broken_, true)) return;
  const auto keep = shared_from_this();
  auto left = std::exchange(in_flight_, {});
  for (auto& each : left) {
    if (each.unit->finished) continue;
    if (each.unit->outcome) each.unit->outcome = fail(lost(*each.unit, why));
    end(*each.unit);
  }
  flush_needed_.set();
  progress_.pulse();
  if (watched_) {
    watched_->cancel(io_direction::read, errc::cancelled);
    watched_->cancel(io_direction::write, errc::cancelled);
  }
  if (on_broken_) std::exchange(on_broken_, nullptr)();
}

// ---- ending
// -----------------------------------------------------------------------------------------------------------

task<result<>> pg_connection::finish(context ctx, pg_unit_ref unit, ending how) {
  struct guard {
    pg_connection& connection;
    const pg_unit_ref& unit;
    ~guard() {
      if (!unit->finished) connection.abandon(unit);
    }
  };
  const auto self = shared_from_this();
  const guard on_exit{*this, unit};
  auto waited = co_await unit->done.wait(ctx);
  if (!waited && !unit->finished) {
    if (how == ending::cancellable) cancel(unit);
    const auto patience = context{}.with_timeout(loop_, options_.cancel_grace);
    if (!co_await unit->done.wait(patience) && !unit->finished)
      break_with(error{errc::unavailable, "the server did not answer in time"});
    // What was asked to end did so because of the context, however it says it.
    if (how == ending::cancellable && !unit->outcome &&
        (unit->outcome.error().code() == errc::cancelled || unit->outcome.error().unprocessed()))
      co_return waited;
  }
  co_return unit->outcome;
}

void pg_connection::cancel(const pg_unit_ref& unit) {
  unit->cancelled = true;
  fence_needed_ = true;
  if (broken_) return;
  struct release {
    void operator()(PGcancel* c) const noexcept { PQfreeCancel(c); }
  };
  std::shared_ptr<PGcancel> handle{PQgetCancel(handle_.get()), release{}};
  if (!handle) return;
  ++cancels_;
  loop_.offload(
      [handle] {
        std::array<char, 256> problem{};
        PQcancel(handle.get(), problem.data(), static_cast<int>(problem.size()));  // if it fails, the grace ends it
      },
      [self = shared_from_this()] {
        --self->cancels_;
        self->progress_.pulse();
      });
}

void pg_connection::abandon(const pg_unit_ref& unit) {
  if (!unit->finished && !unit->cancelled && unit->when_lost == pg_unit::loss::harmless) cancel(unit);
}

bool pg_connection::settled() const noexcept {
  return in_flight_.empty() && cancels_ == 0 && !fence_needed_ && PQtransactionStatus(handle_.get()) == PQTRANS_IDLE;
}

task<void> pg_connection::settle() {
  const auto self = shared_from_this();
  const auto patience = context{}.with_timeout(loop_, options_.cancel_grace);
  while (!broken_ && !settled()) {
    if (!in_flight_.empty() || cancels_ > 0) {
      if (!co_await progress_.wait(patience)) break_with(error{errc::unavailable, "the server did not answer in time"});
      continue;
    }
    const bool open = PQtransactionStatus(handle_.get()) != PQTRANS_IDLE;
    auto unit = std::make_shared<pg_unit>(loop_);
    unit->begin = open ? "ROLLBACK" : "SELECT";  // the second takes the blow of a cancel that comes late
    fence_needed_ = fence_needed_ && open;
    send(unit);
    static_cast<void>(co_await finish(patience, unit, ending::must_end));
  }
}

}  // namespace weft::storage
