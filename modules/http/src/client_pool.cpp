#include "client_pool.hpp"

#include <weft/base/saturating.hpp>
#include <weft/net/dial.hpp>

#include <algorithm>
#include <charconv>

namespace weft::http {

namespace {

// The number of a parameter such as "timeout=5" or max="100"; nullopt for other parameters and other values.
std::optional<std::uint64_t> parameter(std::string_view text, std::string_view name) {
  const auto trim = [](std::string_view t) {
    while (!t.empty() && (t.front() == ' ' || t.front() == '\t')) t.remove_prefix(1);
    while (!t.empty() && (t.back() == ' ' || t.back() == '\t')) t.remove_suffix(1);
    return t;
  };
  const auto equals = text.find('=');
  if (equals == std::string_view::npos || !equal_ignoring_case(trim(text.substr(0, equals)), name)) return std::nullopt;
  auto value = trim(text.substr(equals + 1));
  if (value.size() >= 2 && value.front() == '"' && value.back() == '"') value = value.substr(1, value.size() - 2);
  std::uint64_t number = 0;
  const auto* end = value.data() + value.size();
  const auto [at, problem] = std::from_chars(value.data(), end, number);
  if (problem == std::errc::result_out_of_range) return std::numeric_limits<std::uint64_t>::max();
  if (value.empty() || problem != std::errc{} || at != end) return std::nullopt;
  return number;
}

// What fails before there is a connection says nothing about the call: that a name is not known, or a certificate not
// trusted, must not reach our own caller as its "not found" or "unauthenticated".
errc code_without_connection(errc code) noexcept {
  switch (code) {
    case errc::cancelled:
    case errc::deadline_exceeded:
    case errc::resource_exhausted:  // of descriptors, here
    case errc::internal:
      return code;
    default:
      return errc::unavailable;
  }
}

}  // namespace

void client_connection::note_keep_alive(const headers& fields, steady_time now) {
  std::optional<std::uint64_t> timeout, max;  // the least of each, should it be said twice
  for (const auto& f : fields) {
    if (f.name.size() != 10 || !equal_ignoring_case(f.name, "keep-alive")) continue;
    for (std::string_view rest = f.value; !rest.empty();) {
      const auto comma = rest.find(',');
      const auto each = rest.substr(0, comma);
      rest.remove_prefix(comma == std::string_view::npos ? rest.size() : comma + 1);
      if (const auto seconds = parameter(each, "timeout"))
        timeout = std::min(*seconds, timeout.value_or(*seconds));
      else if (const auto count = parameter(each, "max"))
        max = std::min(*count, max.value_or(*count));
    }
  }
  if (timeout) {
    // Near its end the server may be closing while a request is on its way, and then nobody can tell whether that was
    // processed.
    constexpr std::uint64_t longest = 10'000'000;
    const duration stated = std::chrono::seconds{std::min(*timeout, longest)};
    server_patience = stated - std::min<duration>(std::chrono::seconds{1}, stated / 2);
  }
  server_keeps_until = later(now, server_patience);
  if (max) {
    // Some servers count it down, some state the same number each time. The smaller reading is right for both.
    const bool counts_down = stated_requests && *max < *stated_requests;
    server_has_enough = *max == 0 || (!counts_down && requests >= *max);
    stated_requests = *max;
    counted_down = counts_down;
  } else if (stated_requests && !counted_down) {
    server_has_enough = requests >= *stated_requests;
  }
}

void client_connection::idle_watch::run() {
  char unexpected = 0;
  if (!interrupted() && connection.wire->try_read({&unexpected, 1}).status == io_status::blocked)
    return connection.wire->wait(io_direction::read, *this);
  pool->remove_idle(connection);
}

client_pool::client_pool(loop& l, const client_options& options, client_stats& stats, net::endpoint where)
    : loop_{l}, options_{options}, stats_{stats}, where_{std::move(where)}, waiting_{l} {
  std::string name;
  const bool default_port =
      (where_.scheme == "http" && where_.port == 80) || (where_.scheme == "https" && where_.port == 443);
  if (!where_.path.empty())
    name = "localhost";
  else if (where_.host.contains(':'))
    name = "[" + where_.host + "]";
  else
    name = where_.host;
  if (where_.path.empty() && !default_port) name += ":" + std::to_string(where_.port);
  authority_ = std::make_shared<const std::string>(std::move(name));
}

client_pool::~client_pool() { close_idle(); }

connection_lease::~connection_lease() {
  if (pool_ == nullptr) return;
  if (connection_)
    pool_->keep(std::move(connection_));
  else
    pool_->place_free();
}

// RFC 9112 9.2: what came over an idle connection answers no request, and the one that would be sent now must not be
// taken for its cause.
bool client_pool::usable(client_connection& c) const {
  if (loop_.now() >= c.idle_until) return false;
  // Asking the kernel costs as much as the reading. A read has emptied the socket just before the connection became
  // free: as long as that is less than a request needs to leave, another look would tell nothing more about what is on
  // its way.
  constexpr auto just_now = std::chrono::microseconds{5};
  if (time_between(c.freed_at, loop_.clock()) < just_now) {
    char unasked = 0;
    return c.wire->try_read({&unasked, 1}).status == io_status::blocked;
  }
  return c.wire->peek() == io_status::blocked;
}

std::unique_ptr<client_connection> client_pool::pop_idle() noexcept {
  auto connection = std::move(idle_.back());  // the one used last is the least likely to be stale
  idle_.pop_back();
  --stats_.idle;
  connection->watch.detach();
  connection->watch.unschedule();
  return connection;
}

std::unique_ptr<client_connection> client_pool::take_idle() {
  while (!idle_.empty()) {
    auto connection = pop_idle();
    if (usable(*connection)) return connection;
    drop(std::move(connection));
  }
  return nullptr;
}

task<result<std::unique_ptr<client_connection>>> client_pool::acquire(context ctx, freshness f) {
  if (f == freshness::fresh) close_idle();  // they went stale together with the one that was tried
  if (auto idle = take_idle()) co_return idle;
  connection_lease mine;
  if (open_ < options_.max_connections) {
    ++open_;
    mine = connection_lease{*this};
  } else {
    if (waiting_.size() >= options_.max_waiting) {
      ++stats_.rejected;
      co_return fail(error{errc::resource_exhausted, "too many calls wait for a connection"}
                         .with_peer(authority())
                         .with_remedy("raise max_connections or max_waiting, or send less")
                         .as_unprocessed());
    }
    struct counted {
      explicit counted(std::size_t& n) : waiting{n} { ++waiting; }
      counted(const counted&) = delete;
      counted& operator=(const counted&) = delete;
      ~counted() { --waiting; }
      std::size_t& waiting;
    } const one_more{stats_.waiting};
    auto granted = co_await waiting_.wait(ctx);
    if (!granted) co_return fail(granted.error().with_peer(authority()).as_unprocessed());
    mine = *std::move(granted);
  }
  if (mine.connection() != nullptr && f == freshness::any && usable(*mine.connection())) co_return mine.take();
  if (auto stale = mine.detach()) --stats_.connections;  // its place is for the next
  co_return co_await connect(std::move(ctx), std::move(mine));
}

task<result<std::unique_ptr<client_connection>>> client_pool::connect(context ctx, connection_lease place) {
  ++stats_.connects;
  auto wire = co_await net::dial(loop_, ctx.with_timeout(loop_, options_.connect_timeout), where_,
                                 {.tls = options_.tls, .attempt_timeout = options_.connect_timeout});
  if (!wire) {
    ++stats_.connect_failures;
    // Ran out of connect_timeout rather than of the caller's time: the host is unreachable, and another may not be.
    if (wire.error().code() == errc::deadline_exceeded && loop_.now() < ctx.deadline())
      co_return fail(error{
          errc::unavailable,
          "no connection within " +
              std::to_string(saturating_cast<std::chrono::milliseconds>(options_.connect_timeout).count()) + " ms"}
                         .with_peer(authority())
                         .as_unprocessed());
    const auto& why = wire.error();
    co_return fail(error{code_without_connection(why.code()), why.message()}
                       .with_operation(why.operation())
                       .with_peer(authority())
                       .with_remedy(why.remedy())
                       .as_unprocessed());
  }
  // Nor does what a server says before it was asked answer the first request of a connection.
  if ((*wire)->peek() == io_status::ok)
    co_return fail(
        error{errc::unavailable, "the server spoke before it was asked"}.with_peer(authority()).as_unprocessed());
  auto connection = std::make_unique<client_connection>(loop_, *std::move(wire), options_.limits);
  connection->watch.pool = this;
  const auto drawn = [this] { return 1 - std::clamp(options_.connection_jitter, 0.0, 1.0) * loop_.random().uniform(); };
  if (options_.max_connection_age != duration::max())
    connection->retires_at = later(loop_.now(), saturating_multiply(options_.max_connection_age, drawn()));
  if (options_.max_connection_requests != 0)
    connection->max_requests =
        std::max<std::uint64_t>(1, static_cast<std::uint64_t>(options_.max_connection_requests * drawn()));
  static_cast<void>(place.take());  // the connection stands for it
  ++stats_.connections;
  co_return connection;
}

// A place is free: it goes to the first who waits, before anyone who comes later can take it.
void client_pool::place_free() noexcept {
  connection_lease place{*this};
  if (waiting_.grant(place)) return;
  static_cast<void>(place.take());
  --open_;
}

void client_pool::drop(std::unique_ptr<client_connection> connection) noexcept {
  --stats_.connections;
  connection.reset();
  place_free();
}

void client_pool::release(std::unique_ptr<client_connection> connection, fate f) {
  connection->guard.reset();
  connection->deadline.clear();
  connection->reused = true;
  const auto now = loop_.now();
  const auto& c = *connection;
  connection->idle_until =
      std::min({later(now, options_.idle_timeout), connection->server_keeps_until, connection->retires_at});
  if (f == fate::close || !c.in.unread().empty() || c.server_has_enough || c.idle_until <= now ||
      (c.max_requests != 0 && c.requests >= c.max_requests))
    return drop(std::move(connection));
  connection->freed_at = loop_.clock();
  connection->in.shrink();
  keep(std::move(connection));
}

// To the first who waits, else idle.
void client_pool::keep(std::unique_ptr<client_connection> connection) {
  connection_lease lease{*this, std::move(connection)};
  if (waiting_.grant(lease)) return;
  auto& kept = *idle_.emplace_back(lease.take());
  ++stats_.idle;
  kept.wire->wait(io_direction::read, kept.watch);
  if (!armed() || kept.idle_until < due()) loop_.arm(*this, kept.idle_until);
}

void client_pool::remove_idle(client_connection& connection) {
  const auto found = std::ranges::find(idle_, &connection, [](const auto& c) { return c.get(); });
  if (found == idle_.end()) return;
  auto removed = std::move(*found);
  idle_.erase(found);
  --stats_.idle;
  drop(std::move(removed));
}

void client_pool::close_idle() {
  while (!idle_.empty()) drop(pop_idle());
}

void client_pool::expire() {
  auto first = steady_time::max();
  for (std::size_t i = 0; i < idle_.size();) {
    auto& each = idle_[i];
    if (each->idle_until <= loop_.now()) {
      remove_idle(*each);
    } else {
      first = std::min(first, each->idle_until);
      ++i;
    }
  }
  loop_.arm(*this, first);
}

}  // namespace weft::http
