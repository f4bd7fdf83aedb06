#include "connection.hpp"

#include "error.hpp"
#include "sql_text.hpp"
#include "values.hpp"

#include <linux/tcp.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

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

pg_connection::pg_connection(loop& l, pg_session session, const postgres_options& options, pooler_seen& pooler,
                             std::string peer)
    : loop_{l},
      handle_{std::move(session.handle)},
      address_{std::move(session.peer)},
      cancel_key_{session.key},
      options_{options},
      pooler_{pooler},
      peer_{std::move(peer)},
      flush_needed_{l},
      progress_{l} {}

pg_connection::~pg_connection() { watched_.reset(); }

result<> pg_connection::start(task_group& group, std::function<void()> on_broken) {
  WEFT_TRY(watched_, loop_.watch(PQsocket(handle_.get())));
  if (PQsetnonblocking(handle_.get(), 1) != 0 || PQenterPipelineMode(handle_.get()) != 1)
    return fail(errc::internal, "libpq refuses the pipeline mode");
  PQsetNoticeReceiver(handle_.get(), receive_notice, this);
  on_broken_ = std::move(on_broken);
  tasks_ = &group;
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
  if (send_all(unit)) return flush();
  break_with(error{errc::unavailable, one_line(PQerrorMessage(handle_.get()))});
  if (unit->finished) return;  // it was the first step that libpq did not take
  unit->outcome = fail(error{errc::unavailable, "the statement could not be sent"}.with_peer(peer_).as_unprocessed());
  end(*unit);
}

bool pg_connection::send_all(const pg_unit_ref& unit) {
  // A definition must have run before what uses it can be prepared; then nothing is prepared ahead.
  const bool ahead = unit->prepare && !pooler_.value && unit->batch.size() < options_.statements &&
                     std::ranges::all_of(unit->batch, [](const statement& s) { return preparable(s.sql); });
  std::vector<std::string> names(unit->batch.size());
  if (ahead && !send_prepares(unit, names)) return false;
  if (!unit->begin.empty()) {
    if (!send_control(unit->begin)) return false;
    in_flight_.push_back({unit, kind::begin});
  }
  for (std::size_t i = 0; i < unit->batch.size(); ++i)
    if (!send_execute(unit, i, names[i])) return false;
  return sync(unit, true);
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
    if (prepared_.size() >= options_.statements) forget(std::string{ages_.front()});
    prepared p{.name = prepared_name(key, generation_), .age = ages_.insert(ages_.end(), key)};
    names[i] = p.name;
    const pg_arguments arguments{s.values};
    if (PQsendPrepare(handle_.get(), p.name.c_str(), s.sql.c_str(), arguments.count(), arguments.types()) != 1)
      return false;
    prepared_.emplace(key, p);
    in_flight_.push_back({unit, kind::prepare, i, key});
    any = true;
  }
  if (!any) return true;
  // Last, for one that fails takes what is behind it with it.
  for (const auto& unused : std::exchange(unused_names_, {})) deallocate(unit, unused);
  return sync(unit, false);
}

void pg_connection::deallocate(const pg_unit_ref& unit, const std::string& name) {
  if (send_control("DEALLOCATE " + name)) in_flight_.push_back({unit, kind::prepare, 0, {}});
}

// Its name is given free with the next statement that is prepared.
void pg_connection::forget(std::string_view key) {
  const auto found = prepared_.find(key);
  if (found == prepared_.end()) return;
  unused_names_.push_back(found->second.name);
  ages_.erase(found->second.age);
  prepared_.erase(found);
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
    self->took_result_ = false;
    self->count_unread();
    const bool alive = PQconsumeInput(handle) == 1;
    self->take_results();  // of a server that went away too: it may have said why
    while (PGnotify* heard = PQnotifies(handle)) {
      if (self->on_notification) self->on_notification(heard->relname, heard->extra);
      PQfreemem(heard);
    }
    if (!alive) self->break_with(error{errc::unavailable, one_line(PQerrorMessage(handle))});
    self->bound_message();
  }
}

bool pg_connection::check_idle() {
  // Each time some bytes at most are taken, and the end is seen only behind them.
  for (int i = 0; i < 16 && !broken_ && in_flight_.empty(); ++i) {
    pollfd socket{.fd = PQsocket(handle_.get()), .events = POLLIN, .revents = 0};
    if (::poll(&socket, 1, 0) <= 0) break;
    const bool alive = PQconsumeInput(handle_.get()) == 1;
    while (PGnotify* heard = PQnotifies(handle_.get())) PQfreemem(heard);  // nobody listens on one that is lent
    if (!alive) break_with(error{errc::unavailable, one_line(PQerrorMessage(handle_.get()))});
  }
  return !broken_;
}

void pg_connection::count_unread() {
  int unread = 0;
  if (!in_flight_.empty() && ::ioctl(PQsocket(handle_.get()), FIONREAD, &unread) == 0 && unread > 0)
    unread_before_ += static_cast<unsigned>(unread);
}

// What libpq has taken from the socket so far; never less with time. Of a Unix socket nobody counts that. There, within
// a message that is not complete, it is at least what was unread each time, for libpq has room for the whole message.
std::uint64_t pg_connection::bytes_taken() const {
  const int socket = PQsocket(handle_.get());
  tcp_info info{};
  socklen_t size = sizeof info;
  int unread = 0;
  if (::getsockopt(socket, IPPROTO_TCP, TCP_INFO, &info, &size) != 0 || ::ioctl(socket, FIONREAD, &unread) != 0)
    return unread_before_;
  return info.tcpi_bytes_received - std::min<std::uint64_t>(info.tcpi_bytes_received, static_cast<unsigned>(unread));
}

// One row may be as large as a gigabyte, and libpq gathers it whole before anybody sees it. So what arrives of a
// message that is not complete is counted: twice the bound of a result, for bytes come as two hexadecimal digits each.
void pg_connection::bound_message() {
  if (broken_ || took_result_ || in_flight_.empty()) return waits_since_.reset();
  const auto taken = bytes_taken();
  if (!waits_since_) waits_since_ = taken;
  const auto limit = std::uint64_t{options_.result_bytes} * 2 + (64UL << 10);
  if (taken - *waits_since_ <= limit) return;
  auto& unit = *in_flight_.front().unit;
  if (unit.outcome) unit.outcome = fail(result_too_large(options_.result_bytes).with_peer(peer_));
  break_with(error{errc::unavailable, "a result was too large"});
}

void pg_connection::take_results() {
  bool after_result = false;  // a null then ends the statement; otherwise nothing is left
  while (!broken_ && !in_flight_.empty()) {
    // Row by row, so that the bound of a result is one of memory too. It is refused while a null is still to come.
    if (in_flight_.front().what == kind::execute) static_cast<void>(PQsetSingleRowMode(handle_.get()));
    if (PQisBusy(handle_.get()) != 0) return;
    const pg_result r{PQgetResult(handle_.get())};
    if (!r) {
      if (!std::exchange(after_result, false) && PQisBusy(handle_.get()) == 0 &&
          PQstatus(handle_.get()) != CONNECTION_OK)
        return;
      continue;
    }
    after_result = took_result_ = true;
    const auto status = PQresultStatus(r.get());
    if (status == PGRES_FATAL_ERROR && PQresultErrorField(r.get(), PG_DIAG_SQLSTATE) == nullptr)  // libpq's own words
      return break_with(error{errc::unavailable, one_line(PQresultErrorMessage(r.get()))});
    if (status == PGRES_SINGLE_TUPLE) {
      const auto unit = in_flight_.front().unit;
      if (unit->outcome && !add_rows(*unit, r.get())) cancel(unit);
      continue;
    }
    auto current = in_flight_.front();
    // What fails at the synchronisation point, where a transaction of one batch commits, comes before its answer.
    if (current.what != kind::sync || status == PGRES_PIPELINE_SYNC) in_flight_.pop_front();
    take(current, r.get());
  }
}

bool pg_connection::add_rows(pg_unit& unit, const PGresult* r) {
  if (unit.current.add(r, options_.result_bytes)) return true;
  unit.outcome = fail(result_too_large(options_.result_bytes));
  return false;
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
  proven_ = true;
  unit.last_tag = PQcmdStatus(const_cast<PGresult*>(r));  // NOLINT: libpq's signature; it only reads
  if (current.what != kind::execute || !unit.outcome || !add_rows(unit, r)) return;
  unit.results.push_back(unit.current.finish(r));
}

// `r` is null for what was skipped.
void pg_connection::failed(step& current, const PGresult* r) {
  const auto field = [r](int code) {
    const char* text = r != nullptr ? PQresultErrorField(r, code) : nullptr;
    return std::string_view{text != nullptr ? text : ""};
  };
  auto& unit = *current.unit;
  const auto state = field(PG_DIAG_SQLSTATE);
  const bool named = !current.prepared.empty();
  if (current.what == kind::prepare && named) {
    const auto found = prepared_.find(current.prepared);
    // Under this name there is this very statement, which another user of the session has prepared. Within a
    // transaction it is an error all the same, and ends it.
    if (state == "42P05") {
      pooler_.value = true;
      if (found != prepared_.end()) found->second.ready = true;
      const bool within = unit.when_lost == pg_unit::loss::undone && unit.begin.empty();
      if (within && unit.outcome)
        unit.outcome = fail(errc::aborted, "another user of the session has prepared the statement");
      return;
    }
    if (found != prepared_.end()) {
      ages_.erase(found->second.age);
      prepared_.erase(found);
    }
  }
  // Tables that have changed since it was prepared; or it is gone, as it is in another session behind a pooler.
  const bool changed = state == "0A000" && field(PG_DIAG_SOURCE_FUNCTION) == "RevalidateCachedQuery";
  if (current.what == kind::execute && named && (changed || state == "26000")) {
    forget(current.prepared);
    if (changed)
      ++generation_;
    else
      pooler_.value = true;
    if (unit.outcome) {
      unit.stale = true;
      unit.outcome = fail(errc::aborted, changed ? "the statement was prepared for tables that have changed since"
                                                 : "the statement is not prepared in this session any more");
    }
    return;
  }
  if (r == nullptr || !unit.outcome) return;
  if (current.what == kind::prepare && !named) return;  // of a DEALLOCATE; nobody misses it
  auto problem = postgres_failure(r).with_peer(peer_);
  if (ends_connection(state)) problem = lost(unit, problem);
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
  using loss = pg_unit::loss;
  if (unit.when_lost == loss::unknown_outcome)
    return error{errc::unknown, "the connection was lost while committing: " + std::string{why.message()}}
        .with_peer(peer_)
        .with_remedy("it may have happened: look before it is repeated");
  const auto problem =
      error{errc::unavailable, "the connection was lost: " + std::string{why.message()}}.with_peer(peer_);
  return unit.when_lost == loss::undone ? problem.as_unprocessed() : problem;
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
    const auto grace = context{}.with_timeout(loop_, options_.cancel_grace);
    if (!co_await unit->done.wait(grace) && !unit->finished)
      break_with(error{errc::unavailable, "the server did not answer in time"});
    // What was asked to end did so because of the context, however it says it. One of a transaction may also say that
    // the cancel met the statement before it.
    if (how == ending::cancellable && !unit->outcome &&
        (unit->outcome.error().code() == errc::cancelled || unit->when_lost == pg_unit::loss::undone))
      co_return waited;
  }
  co_return unit->outcome;
}

void pg_connection::cancel(const pg_unit_ref& unit) {
  unit->cancelled = true;
  if (broken_) return;
  fence_needed_ = true;
  // Without a key the grace ends it, and the connection with it. One request at a time: it cancels whatever runs.
  if (!cancel_key_ || address_.type() == address::kind::none || cancels_ > 0) return;
  ++cancels_;
  tasks_->spawn(cancel_on_server(shared_from_this()));
}

task<void> pg_connection::cancel_on_server(std::shared_ptr<pg_connection> self) {
  const auto in_time = context{}.with_timeout(self->loop_, self->options_.cancel_grace);
  co_await send_cancel(self->loop_, in_time, self->address_, *self->cancel_key_);
  --self->cancels_;
  self->progress_.pulse();
}

void pg_connection::abandon(const pg_unit_ref& unit) {
  if (!unit->finished && !unit->cancelled && unit->when_lost != pg_unit::loss::unknown_outcome) cancel(unit);
}

bool pg_connection::settled() const noexcept {
  return in_flight_.empty() && cancels_ == 0 && !fence_needed_ && PQtransactionStatus(handle_.get()) == PQTRANS_IDLE;
}

task<void> pg_connection::settle() {
  const auto self = shared_from_this();
  const auto grace = context{}.with_timeout(loop_, options_.cancel_grace);
  while (!broken_ && !settled()) {
    if (!in_flight_.empty() || cancels_ > 0) {
      if (!co_await progress_.wait(grace)) break_with(error{errc::unavailable, "the server did not answer in time"});
      continue;
    }
    const bool open = PQtransactionStatus(handle_.get()) != PQTRANS_IDLE;
    auto unit = std::make_shared<pg_unit>(loop_);
    unit->begin = open ? "ROLLBACK" : "SELECT";  // the second takes the blow of a cancel that comes late
    fence_needed_ = fence_needed_ && open;
    send(unit);
    static_cast<void>(co_await finish(grace, unit, ending::must_end));
  }
}

}  // namespace weft::storage
