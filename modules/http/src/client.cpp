#include <weft/http/client.hpp>

#include <weft/http/url.hpp>

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
    if (connection_) pool_.release(std::move(connection_), client_pool::fate::close);
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
  task<result<>> send_request();
  task<result<>> send_streamed(content_coding coding);
  task<result<>> receive_head(duration patience);
  result<response> finish();
  // Whether an answer is already there, while the request is still being sent.
  bool answer_has_begun();

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

bool exchange::answer_has_begun() {
  const auto got = connection_->wire->try_read(connection_->in.space(1024));
  if (got.status == io_status::ok) connection_->in.filled(got.bytes);
  return got.status != io_status::blocked;
}

task<result<>> exchange::send_request() {
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
  if (request_.content.streamed()) co_return co_await send_streamed(*coding);
  const auto content = request_.content.buffered();
  if (content.size() <= copied_content_bytes) {
    c.out.append(content);
    const_buffer all[] = {c.out};
    c.deadline.set(options.write_timeout);
    auto written = co_await c.wire->write(all);
    c.out.clear();
    co_return written;
  }
  const_buffer all[] = {c.out, content};
  c.deadline.set(options.write_timeout);
  auto written = co_await c.wire->write(all);
  c.out.clear();
  co_return written;
}

task<result<>> exchange::send_streamed(content_coding coding) {
  // Stops when the server answers before it has everything: what it says is then worth more than the rest.
  struct until_answered final : body_source {
    until_answered(exchange& x, body& b) : owner{x}, inner{b} {}
    task<result<std::string_view>> next() override {
      if (owner.answer_has_begun()) co_return fail(errc::aborted, "the server answered before the content was sent");
      co_return co_await inner.next();
    }
    std::optional<std::uint64_t> length() const override { return inner.length(); }
    const headers* trailers() const override { return &inner.trailers(); }
    exchange& owner;
    body& inner;
  };
  auto wrapped = body::stream(std::make_unique<until_answered>(*this, request_.content));
  auto& c = *connection_;
  auto sent = co_await write_content(*c.wire, c.out, wrapped, coding, c.deadline, pool_.options().write_timeout);
  if (!sent) request_complete_ = false;
  if (!sent && !c.in.unread().empty()) co_return result<>{};
  co_return sent;
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
  if (!c.content.complete()) {
    if (const auto all = c.content.take_buffered()) answer_.content = body::view(*all);
  }
  answer_.storage = c.in.release_pinned();
  if (c.content.complete()) {
    pool_.release(std::move(connection_), keep_alive ? client_pool::fate::reuse : client_pool::fate::close);
  } else {
    answer_.content = body::stream(std::make_unique<answer_content>(std::move(connection_), pool_, keep_alive, owner_));
  }
  return std::move(answer_);
}

task<result<response>> exchange::run(const context& ctx) {
  connection_->guard.emplace(pool_.home(), ctx, *connection_->wire);
  auto sent = co_await send_request();
  if (sent || sent.error().code() == errc::unavailable) {
    // A server that refuses early closes its side: its answer may still be there to read.
    while (!answered_) {
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
  // The system's authorities are read once, when the first encrypted endpoint is met. Without them the dialling says why.
  if (where.encrypted() && !options.tls)
    if (auto made = net::tls_context::client({.alpn = {"http/1.1"}})) options.tls = *made;
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
  WEFT_CO_TRY_VOID(ctx.check(l.now()));
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
