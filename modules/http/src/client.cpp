#include <weft/http/client.hpp>

#include <weft/http/url.hpp>
#include <weft/runtime/task_group.hpp>

#include "client_pool.hpp"

#include <map>
#include <stdexcept>

namespace weft::http {

using http1::progress;

struct client::impl {
  impl(loop& l, client_options o) : home{l}, options{std::move(o)} {}

  client_pool& pool_for(const net::endpoint& where);

  loop& home;
  client_options options;
  client_stats stats;
  net::endpoint base;
  std::string base_path;  // before every relative target; no '/' at its end
  client_pool* base_pool = nullptr;
  std::map<std::string, std::unique_ptr<client_pool>> pools;
};

namespace {

constexpr int interim_responses = 32;
constexpr std::size_t most_pools = 256;  // that stay while they have no connections

net::endpoint endpoint_of(const url& u) {
  if (u.scheme == url::scheme_kind::unix_socket) return {.scheme = "unix", .host = {}, .port = 0, .path = u.host};
  return {.scheme = u.encrypted() ? "https" : "http", .host = u.host, .port = u.port, .path = {}};
}

bool may_repeat(const request& r) { return is_idempotent(r.method()) || r.headers.contains("idempotency-key"); }

// An answer's content that is still arriving. Owns the connection until its end.
class answer_content final : public body_source {
 public:
  answer_content(std::unique_ptr<client_connection> c, client_pool& pool, bool keep_alive, std::shared_ptr<void> owner)
      : owner_{std::move(owner)}, connection_{std::move(c)}, pool_{pool}, keep_alive_{keep_alive} {}
  ~answer_content() override {
    if (!connection_) return;
    const bool done = connection_->content.complete() && !connection_->content.failed();
    if (done) connection_->content.finish();  // by its length it was read to the end
    pool_.release(std::move(connection_), done && keep_alive_ ? client_pool::fate::reuse : client_pool::fate::close);
  }
  task<result<std::string_view>> next() override {
    if (!connection_) co_return std::string_view{};
    auto piece = co_await connection_->content.next();
    if (!piece) {
      pool_.release(std::move(connection_), client_pool::fate::close);
      co_return piece;
    }
    if (piece->empty()) {
      if (const auto* fields = connection_->content.trailers(); fields != nullptr) trailers_ = *fields;
      pool_.release(std::move(connection_), keep_alive_ ? client_pool::fate::reuse : client_pool::fate::close);
    }
    co_return piece;
  }
  std::optional<std::uint64_t> length() const override {
    return connection_ ? connection_->content.length() : std::nullopt;
  }
  const headers* trailers() const override { return &trailers_; }

 private:
  std::shared_ptr<void> owner_;  // the pool's: an answer may outlive its client
  std::unique_ptr<client_connection> connection_;
  client_pool& pool_;
  bool keep_alive_;
  headers trailers_;
};

// While content is sent, watches for an answer that comes early. A refusal, or the connection's end, stops the sending:
// it might wait for a peer that no longer reads, and what the server says is worth more than the rest. Other answers
// may depend on the content, so they wait until it is sent.
class early_answer final : public io_waiter {
 public:
  early_answer(client_connection& c, const http1::limits& limits, method asked, event& over)
      : connection_{c}, limits_{limits}, asked_{asked}, over_{over} {
    c.wire->wait(io_direction::read, *this);
  }
  [[nodiscard]] bool stops_sending() const noexcept { return stops_; }
  void run() override {
    if (interrupted()) return;
    const auto got = connection_.wire->try_read(connection_.in.space(1024));
    if (got.status == io_status::ok) connection_.in.filled(got.bytes);
    const auto state = got.status == io_status::ok ? judge() : progress::more;
    if (got.status == io_status::end || got.status == io_status::failed || state == progress::bad) {
      stops_ = true;
      over_.set();
    } else if (state == progress::more) {
      connection_.wire->wait(io_direction::read, *this);
    }
  }

 private:
  // Bad: a refusal, or no HTTP. Done: it may wait.
  progress judge() {
    auto text = connection_.in.unread();
    for (;;) {
      http1::response_parser parser{limits_};
      headers fields;
      http1::response_head head;
      head.fields = &fields;
      const auto state = parser.parse(text, asked_, head);
      if (state != progress::done) return state;
      if (to_int(head.code) >= 200) return to_int(head.code) >= 400 ? progress::bad : progress::done;
      text.remove_prefix(parser.head_size());
    }
  }
  client_connection& connection_;
  const http1::limits& limits_;
  method asked_;
  event& over_;
  bool stops_ = false;
};

// One request on one connection, until its answer's head.
class exchange {
 public:
  exchange(const std::shared_ptr<void>& owner, client_pool& pool, request& r, std::unique_ptr<client_connection> c)
      : owner_{owner}, pool_{pool}, request_{r}, connection_{std::move(c)} {
    head_.fields = &answer_.headers;
  }
  ~exchange() {
    if (connection_) pool_.release(std::move(connection_), client_pool::fate::close);
  }
  exchange(const exchange&) = delete;
  exchange& operator=(const exchange&) = delete;

  task<result<response>> run(const context& ctx);
  // Nothing came back, and the connection was an old one: the server closed it under us.
  [[nodiscard]] bool went_stale() const noexcept { return stale_; }

 private:
  result<content_coding> append_head();
  task<result<>> send_request(const context& ctx);
  task<result<>> send_content(content_coding coding, const context& ctx);
  task<result<>> receive_head(duration patience);
  result<response> finish();

  const std::shared_ptr<void>& owner_;
  client_pool& pool_;
  request& request_;
  std::unique_ptr<client_connection> connection_;
  http1::response_head head_;
  response answer_;
  bool stale_ = false, request_complete_ = true, answered_ = false;
};

result<content_coding> exchange::append_head() {
  auto& out = connection_->out;
  out.clear();
  const auto target = request_.target();
  if (target.empty()) return fail(error{errc::invalid_argument, "the request has no target"}.as_unprocessed());
  for (const char c : target)
    if (c <= ' ' || c == 0x7f)
      return fail(
          error{errc::invalid_argument, "the target holds a character that must be percent-encoded"}.as_unprocessed());
  if (!http1::valid_token(request_.method_name()))
    return fail(error{errc::invalid_argument, "the method is malformed"}.as_unprocessed());
  http1::append_request_line(out, request_.method_name(), target);
  if (!request_.headers.contains("host")) http1::append_field(out, "Host", pool_.authority());
  WEFT_TRY_VOID(append_fields(out, request_.headers));
  const auto length = request_.content.length();
  if (!length) {
    out.append("Transfer-Encoding: chunked\r\n\r\n");
    return content_coding::chunked;
  }
  if (*length > 0 || request_.method() == method::post || request_.method() == method::put ||
      request_.method() == method::patch) {
    out.append("Content-Length: ");
    http1::append_number(out, *length);
    out.append("\r\n");
  }
  out.append("\r\n");
  return content_coding::length;
}

task<result<>> exchange::send_request(const context& ctx) {
  auto coding = append_head();
  if (!coding) co_return fail(std::move(coding).error());
  auto& c = *connection_;
  const auto& options = pool_.options();
  if (!request_.content.empty() && request_.headers.has_token("expect", "100-continue")) {
    const_buffer head[] = {c.out};
    c.deadline.set(options.write_timeout);
    WEFT_CO_TRY_VOID(co_await c.wire->write(head));
    c.out.clear();
    auto permission = co_await receive_head(options.continue_timeout);
    if (permission && head_.code != status::continue_) {
      request_complete_ = false;  // the answer came instead
      answered_ = true;
      co_return result<>{};
    }
    if (!permission && permission.error().code() != errc::deadline_exceeded) co_return permission;
    if (permission) c.in.unpin();
  }
  const auto content = request_.content.buffered();
  if (request_.content.streamed() || content.size() > copied_content_bytes)
    co_return co_await send_content(*coding, ctx);
  c.out.append(content);
  const_buffer all[] = {c.out};
  c.deadline.set(options.write_timeout);
  auto written = co_await c.wire->write(all);
  c.out.clear();
  co_return written;
}

task<void> tell_when_over(task<result<>> work, result<>& outcome, event& over) {
  outcome = co_await std::move(work);
  over.set();
}

task<result<>> exchange::send_content(content_coding coding, const context& ctx) {
  auto& c = *connection_;
  result<> sent, waited;
  bool refused = false;
  {
    event over{pool_.home()};
    early_answer early{c, pool_.options().limits, request_.method(), over};
    task_group group{pool_.home()};  // what is left of the sending ends with it, wherever it waits
    group.spawn(tell_when_over(
        write_content(*c.wire, c.out, request_.content, coding, c.deadline, pool_.options().write_timeout), sent,
        over));
    waited = co_await over.wait(ctx);
    refused = early.stops_sending();
    request_complete_ = group.empty() && sent.has_value();
  }
  c.out.clear();
  if (request_complete_ || (refused && waited)) co_return result<>{};
  co_return waited ? sent : waited;
}

task<result<>> exchange::receive_head(duration patience) {
  auto& c = *connection_;
  c.deadline.set(patience);
  for (int interim = 0; interim < interim_responses;) {
    const auto state = c.in.unread().empty() ? progress::more : c.parser.parse(c.in.unread(), request_.method(), head_);
    if (state == progress::bad)
      co_return fail(error{errc::data_loss, "the answer is not HTTP: " + std::string{c.parser.problem().what}});
    if (state == progress::done) {
      c.in.consume(c.parser.head_size());
      c.parser.reset();
      if (to_int(head_.code) >= 200 || head_.code == status::switching_protocols || head_.code == status::continue_) {
        c.deadline.clear();
        c.in.pin();
        co_return result<>{};
      }
      ++interim;
      continue;
    }
    auto count = co_await c.wire->read(c.in.space(1024));
    if (!count) {
      stale_ = c.reused && c.in.unread().empty() && count.error().code() == errc::unavailable;
      if (count.error().code() == errc::deadline_exceeded) co_return fail(errc::deadline_exceeded, "no answer in time");
      co_return fail(std::move(count).error());
    }
    if (*count == 0) {
      stale_ = c.reused && c.in.unread().empty();
      co_return fail(errc::unavailable, c.in.unread().empty() ? "the connection was closed without an answer"
                                                              : "the connection was closed within the answer's head");
    }
    c.in.filled(*count);
  }
  co_return fail(errc::data_loss, "too many interim answers");
}

result<response> exchange::finish() {
  auto& c = *connection_;
  answer_.status = head_.code;
  c.content.start(head_, {.limits = pool_.options().limits, .timeout = pool_.options().body_timeout});
  const bool keep_alive = head_.keep_alive && request_complete_ && head_.code != status::switching_protocols &&
                          !request_.headers.has_token("connection", "close");
  std::optional<std::string_view> all;
  if (!c.content.complete()) all = c.content.take_buffered();
  answer_.storage = c.in.release_pinned();
  if (all) answer_.content = body::view(*all, answer_.storage);  // may be moved into another message
  if (c.content.complete()) {
    pool_.release(std::move(connection_), keep_alive ? client_pool::fate::reuse : client_pool::fate::close);
  } else {
    answer_.content = body::stream(std::make_unique<answer_content>(std::move(connection_), pool_, keep_alive, owner_));
  }
  return std::move(answer_);
}

task<result<response>> exchange::run(const context& ctx) {
  connection_->guard.emplace(pool_.home(), ctx, *connection_->wire);
  auto sent = co_await send_request(ctx);
  if (sent || sent.error().code() == errc::unavailable) {
    // A server that refuses early closes its side: its answer may still be there to read.
    for (int interim = 0; !answered_; ++interim) {
      if (interim == interim_responses)
        co_return fail(error{errc::data_loss, "too many interim answers"}.with_peer(pool_.authority()));
      auto received = co_await receive_head(pool_.options().response_timeout);
      if (!received) {
        if (!sent) stale_ = stale_ || connection_->reused;
        co_return fail((sent ? std::move(received).error() : std::move(sent).error()).with_peer(pool_.authority()));
      }
      answered_ = head_.code != status::continue_;
      if (!answered_) connection_->in.unpin();
    }
    co_return finish();
  }
  co_return fail(std::move(sent).error().with_peer(pool_.authority()));
}

}  // namespace

client_pool& client::impl::pool_for(const net::endpoint& where) {
  // The system's authorities are read once, when the first encrypted endpoint is met. Without them the dialling says
  // why.
  if (where.encrypted() && !options.tls)
    if (auto made = net::tls_context::client({.alpn = {"http/1.1"}})) options.tls = *made;
  if (pools.size() >= most_pools)  // of a client that is given ever new hosts
    std::erase_if(pools, [&](const auto& p) { return p.second->unused() && p.second.get() != base_pool; });
  auto& pool = pools[where.to_string()];
  if (!pool) pool = std::make_unique<client_pool>(home, options, stats, where);
  return *pool;
}

client::client(loop& l, client_options options) : impl_{std::make_shared<impl>(l, std::move(options))} {
  if (impl_->options.base_url.empty()) return;
  const auto parsed = url::parse(impl_->options.base_url);
  if (!parsed) throw std::invalid_argument{"base_url: " + std::string{parsed.error().message()}};
  if (!parsed->query().empty()) throw std::invalid_argument{"base_url: takes no query"};
  impl_->base = endpoint_of(*parsed);
  impl_->base_path = parsed->path();
  while (impl_->base_path.ends_with('/')) impl_->base_path.pop_back();
  impl_->base_pool = &impl_->pool_for(impl_->base);
}

client::~client() = default;
loop& client::home() const noexcept { return impl_->home; }
client_stats client::stats() const noexcept { return impl_->stats; }
void client::close_idle() {
  for (const auto& [where, pool] : impl_->pools) pool->close_idle();
}

namespace {
task<result<response>> call(std::shared_ptr<void> owner, loop& l, client_stats& stats, client_pool& pool, context ctx,
                            request r) {
  ++stats.requests;
  if (const auto still = ctx.check(l.now()); !still) co_return fail(still.error().as_unprocessed());
  const client_pool::user using_it{pool};
  for (int attempt = 0;; ++attempt) {
    auto connection = pool.take_idle();
    if (!connection || attempt > 0) {
      if (connection) pool.release(std::move(connection), client_pool::fate::close);
      auto acquired = attempt > 0 ? co_await pool.acquire_fresh(ctx) : co_await pool.acquire(ctx);
      if (!acquired) co_return fail(std::move(acquired).error());
      connection = *std::move(acquired);
    }
    exchange x{owner, pool, r, std::move(connection)};
    auto answer = co_await x.run(ctx);
    if (answer || !x.went_stale() || attempt > 0 || r.content.streamed() || !may_repeat(r)) co_return answer;
    ++stats.stale_retries;
  }
}
}  // namespace

task<result<response>> client::send(context ctx, request r) {
  auto self = impl_;
  if (r.target().starts_with('/')) {
    if (self->base_pool == nullptr)
      co_return fail(
          error{errc::invalid_argument, "a relative target needs a client with a base_url"}.as_unprocessed());
    if (!self->base_path.empty()) r.set_target(self->base_path + std::string{r.target()});
    co_return co_await call(self, self->home, self->stats, *self->base_pool, std::move(ctx), std::move(r));
  }
  const auto where = url::parse(r.target());
  if (!where) co_return fail(where.error().as_unprocessed());
  r.set_target(where->target);
  co_return co_await call(self, self->home, self->stats, self->pool_for(endpoint_of(*where)), std::move(ctx),
                          std::move(r));
}

task<result<response>> client::send_to(context ctx, net::endpoint at, request r) {
  auto self = impl_;
  co_return co_await call(self, self->home, self->stats, self->pool_for(at), std::move(ctx), std::move(r));
}

task<result<response>> client::get_raw(context ctx, std::string path) {
  return send(std::move(ctx), request{method::get, path});
}

task<result<response>> client::post_raw(context ctx, std::string path, std::string json) {
  request r{method::post, path, std::move(json)};
  r.headers.add_view("Content-Type", "application/json");
  return send(std::move(ctx), std::move(r));
}

}  // namespace weft::http
