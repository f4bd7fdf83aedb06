#include "exchange.hpp"

#include <weft/runtime/sync.hpp>
#include <weft/runtime/task_group.hpp>

namespace weft::http {

using http1::progress;

namespace {

constexpr int interim_responses = 32;

// "GET /users/7", for errors: without the query, which may hold what is nobody's business.
std::string operation_of(const request& r) {
  constexpr std::size_t longest = 200;
  auto path = r.target().substr(0, r.target().find('?'));
  return std::string{r.method_name()} + " " + std::string{path.substr(0, longest)};
}

// An answer's content that is still arriving. Owns the connection until its end.
class answer_content final : public body_source {
 public:
  answer_content(std::unique_ptr<client_connection> c, client_pool& pool, std::string operation, bool keep_alive,
                 std::shared_ptr<void> owner)
      : owner_{std::move(owner)},
        connection_{std::move(c)},
        pool_{pool},
        operation_{std::move(operation)},
        keep_alive_{keep_alive} {}
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
      co_return fail(piece.error().with_operation(operation_).with_peer(pool_.authority()));
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
  std::string operation_;
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

}  // namespace

exchange::exchange(const std::shared_ptr<void>& owner, client_pool& pool, request& r,
                   std::unique_ptr<client_connection> c)
    : owner_{owner}, pool_{pool}, request_{r}, connection_{std::move(c)} {
  head_.fields = &answer_.headers;
}

exchange::~exchange() {
  if (connection_) pool_.release(std::move(connection_), client_pool::fate::close);
}

bool exchange::heard_nothing() const noexcept { return !heard_ && connection_->in.unread().empty(); }

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
  if (auto appended = append_fields(out, request_.headers, date_field::kept); !appended)
    return fail(appended.error().as_unprocessed());
  if (request_.headers.has_token("connection", "close")) out.append("Connection: close\r\n");
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
    if (!permission) WEFT_CO_TRY_VOID(ctx.check(pool_.home().now()));
    c.deadline.clear();  // that patience is over: it must not cut short the watch for an early refusal
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

namespace {
task<void> notify_when_over(task<result<>> work, result<>& outcome, event& over) {
  outcome = co_await std::move(work);
  over.set();
}
}  // namespace

task<result<>> exchange::send_content(content_coding coding, const context& ctx) {
  auto& c = *connection_;
  result<> sent, waited;
  bool refused = false;
  {
    event over{pool_.home()};
    early_answer early{c, pool_.options().limits, request_.method(), over};
    task_group group{pool_.home()};  // what is left of the sending ends with it, wherever it waits
    group.spawn(notify_when_over(
        write_content(*c.wire, c.out, request_.content, coding, c.deadline, pool_.options().write_timeout), sent,
        over));
    waited = co_await over.wait(ctx);
    refused = early.stops_sending();
    request_complete_ = group.empty() && sent.has_value();
  }
  c.out.clear();
  if (request_complete_ || (refused && waited)) co_return result<>{};
  content_failed_ = waited && !sent && sent.error().code() == errc::data_loss;
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
      heard_ = true;
      // RFC 9110 7.8: nobody may switch who was not asked to, and this client never asks.
      if (head_.code == status::switching_protocols)
        co_return fail(errc::data_loss, "the server switches protocols without having been asked to");
      if (to_int(head_.code) >= 200 || head_.code == status::continue_) {
        c.deadline.clear();
        c.in.pin();
        co_return result<>{};
      }
      ++interim;
      continue;
    }
    auto count = co_await c.wire->read(c.in.space(1024));
    if (!count) {
      stale_ = c.reused && heard_nothing() && count.error().code() == errc::unavailable;
      if (count.error().code() == errc::deadline_exceeded) co_return fail(errc::deadline_exceeded, "no answer in time");
      co_return fail(std::move(count).error());
    }
    if (*count == 0) {
      stale_ = c.reused && heard_nothing();
      co_return fail(errc::unavailable, c.in.unread().empty() ? "the connection was closed without an answer"
                                                              : "the connection was closed within the answer's head");
    }
    c.in.filled(*count);
  }
  co_return fail(errc::data_loss, "too many interim responses");
}

result<response> exchange::finish() {
  auto& c = *connection_;
  answer_.status = head_.code;
  c.content.start(head_, {.limits = pool_.options().limits,
                          .timeout = pool_.options().body_timeout,
                          .min_bytes_per_second = pool_.options().min_body_bytes_per_second,
                          .malformed = errc::data_loss});
  c.note_keep_alive(answer_.headers, pool_.home().now());
  answer_.sender = pool_.shared_authority();
  const bool tunnel = request_.method() == method::connect && answer_.ok();
  const bool keep_alive =
      head_.keep_alive && request_complete_ && !tunnel && !request_.headers.has_token("connection", "close");
  std::optional<std::string_view> all;
  if (!c.content.complete()) all = c.content.take_buffered();
  answer_.storage = c.in.release_pinned();
  if (all) answer_.content = body::view(*all, answer_.storage);  // may be moved into another message
  if (c.content.complete()) {
    pool_.release(std::move(connection_), keep_alive ? client_pool::fate::reuse : client_pool::fate::close);
  } else {
    answer_.content = body::stream(std::make_unique<answer_content>(
        std::move(connection_), pool_, "reading the answer's content: " + operation_of(request_), keep_alive, owner_));
  }
  return std::move(answer_);
}

error exchange::named(const error& e) const {
  auto problem = e.with_operation(operation_of(request_));
  return content_failed_ ? problem : problem.with_peer(pool_.authority());
}

task<result<response>> exchange::run(const context& ctx) {
  ++connection_->requests;
  connection_->guard.emplace(pool_.home(), ctx, *connection_->wire);
  auto sent = co_await send_request(ctx);
  if (sent || sent.error().code() == errc::unavailable) {
    // A server that refuses early closes its side: its answer may still be there to read.
    // One patience for all of it: interim answers do not begin it anew.
    const auto end = later(pool_.home().now(), pool_.options().response_timeout);
    for (int interim = 0; !answered_; ++interim) {
      if (interim == interim_responses) co_return fail(errc::data_loss, "too many interim responses");
      auto received = co_await receive_head(time_between(pool_.home().now(), end));
      if (!received) {
        if (!sent) stale_ = connection_->reused && heard_nothing();
        co_return fail(sent ? std::move(received).error() : std::move(sent).error());
      }
      answered_ = head_.code != status::continue_;
      if (!answered_) connection_->in.unpin();
    }
    co_return finish();
  }
  co_return fail(std::move(sent).error());
}

}  // namespace weft::http
