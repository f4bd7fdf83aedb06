#include "server_connection.hpp"

#include <weft/base/saturating.hpp>
#include <weft/runtime/guarded.hpp>

#include "server_connection_content.hpp"

namespace weft::http {

using http1::progress;

namespace {
constexpr std::size_t initial_buffer_bytes = 4096;
constexpr std::size_t kept_answer_bytes = copied_content_bytes + 4096;  // of memory, while a connection is idle
}  // namespace

std::string_view server_core::date() {
  const auto now = home.wall_now();
  const auto second = std::chrono::floor<std::chrono::seconds>(now).time_since_epoch().count();
  if (second != date_second_) {
    date_second_ = second;
    date_ = "Date: " + format_http_date(now) + "\r\n";
  }
  return date_;
}

void received_request::reset(request& r) {
  r.headers.clear();
  r.content = {};
  r.owned_.clear();
  r.path_params_.clear();
  r.route_ = {};
  r.client_ = {};
  r.unreadable_ = request::unreadable::no;
}

void received_request::fill(request& r, const http1::request_head& head, const stream_info& info, loop& l,
                            weft::context ctx) {
  r.method_ = head.verb;
  r.method_name_ = head.method_name;
  r.target_ = head.target;
  r.context_ = std::move(ctx);
  r.connection_ = &info;
  r.loop_ = &l;
}

task<result<std::string_view>> server_connection::streamed_content::next() {
  if (connection_ == nullptr) co_return fail(errc::failed_precondition, "the request has ended; its content is gone");
  if (connection_->continue_pending_) {
    connection_->continue_pending_ = false;
    connection_->out_.append("HTTP/1.1 100 Continue\r\n\r\n");
    WEFT_CO_TRY_VOID(co_await connection_->flush());
  }
  // Until the request's own deadline, whoever has set it by now: what arrives later is of no use to anybody.
  auto piece = co_await connection_->content_.next(connection_->request_.context().deadline());
  if (connection_ == nullptr) co_return fail(errc::failed_precondition, "the request has ended; its content is gone");
  // A peer that is gone is seen by who reads, and as long as nobody does, by the watcher.
  if (!piece && connection_->content_.problem() == status::ok) connection_->gone_.cancel(errc::cancelled);
  if (piece && piece->empty()) connection_->watcher_.start();
  co_return piece;
}

void server_connection::watcher::start() {
  if (watching_ || connection_.half_closed_) return;
  watching_ = true;
  connection_.stream_->wait(io_direction::read, *this);
}

void server_connection::watcher::stop() noexcept {
  watching_ = false;
  detach();
  unschedule();
}

void server_connection::watcher::run() {
  auto& c = connection_;
  if (interrupted() || c.in_.unread().size() >= initial_buffer_bytes) return;
  const auto got = c.stream_->try_read(c.in_.space(1024));
  switch (got.status) {
    case io_status::ok:
      c.in_.filled(got.bytes);
      break;
    case io_status::blocked:
      break;
    case io_status::end:
      c.half_closed_ = true;
      return;
    case io_status::failed:
      c.gone_.cancel(errc::cancelled);
      return;
  }
  c.stream_->wait(io_direction::read, *this);
}

// Answers to pipelined requests wait to leave together, but not for a handler that waits for something itself.
class server_connection::flusher final : public ready_node {
 public:
  explicit flusher(server_connection& c) : connection_{c} {
    if (!c.out_.empty()) c.core_.home.schedule(*this);
  }
  void run() override {
    if (connection_.flushing_) return;  // 100-continue is on its way behind them
    const const_buffer all[] = {connection_.out_};
    const auto put = connection_.stream_->try_write(all);
    if (put.status == io_status::ok) connection_.out_.erase(0, put.bytes);
  }

 private:
  server_connection& connection_;
};

server_connection::server_connection(server_core& core, std::unique_ptr<stream> s)
    : core_{core},
      stream_{std::move(s)},
      deadline_{core.home, *stream_},
      in_{initial_buffer_bytes},
      parser_{core.options.limits},
      content_{*stream_, in_, deadline_},
      gone_{core.tasks.derive({}).cancellation()},
      context_{context{}.with_cancellation(gone_.token())},
      opened_{core.home.now()} {
  head_.fields = &request_.headers;
  previous_ = core.last;
  (core.last != nullptr ? core.last->next_ : core.first) = this;
  core.last = this;
}

server_connection::~server_connection() {
  (previous_ != nullptr ? previous_->next_ : core_.first) = next_;
  (next_ != nullptr ? next_->previous_ : core_.last) = previous_;
  if (streamed_ != nullptr) streamed_->detach();
}

void server_connection::start_draining() {
  if (idle_) deadline_.set(std::min(core_.options.drain_grace, core_.options.idle_timeout));
}

void server_connection::cut_off() {
  gone_.cancel(errc::cancelled);
  stream_->reset();
}

void server_connection::problem(std::string_view what) {
  if (core_.options.on_problem) static_cast<void>(guarded_call([&] { core_.options.on_problem(request_, what); }));
}

task<void> server_connection::serve() {
  try {
    for (;;) {
      if (co_await receive_head() == outcome::close) break;
      if (co_await answer_request() == outcome::close) break;
    }
  } catch (...) {  // of a response's content: its source is the application's code
    problem(current_exception_error().message());
    stream_->reset();
  }
}

task<server_connection::outcome> server_connection::receive_head() {
  // Should this head be refused before it is read, nothing of the last one may pass for it: those are views of bytes
  // that are gone.
  head_.verb = method::other;
  head_.method_name = head_.target = head_.host = {};
  idle_ = in_.unread().empty();
  if (idle_) in_.shrink();
  if (idle_ && out_.empty() && out_.capacity() > kept_answer_bytes) out_ = {};
  bool timed = false;  // the head's own deadline runs from its first byte
  for (;;) {
    const auto state = in_.unread().empty() ? progress::more : parser_.parse(in_.unread(), head_);
    if (state == progress::done) break;
    if (state == progress::bad) {
      ++core_.stats.malformed;
      co_return co_await refuse_head(parser_.problem().code, parser_.problem().what);
    }
    if (!out_.empty() && !co_await flush()) co_return outcome::close;
    idle_ = in_.unread().empty();
    if (half_closed_) co_return outcome::close;
    if (idle_) {
      // While the server drains: time for one more request, whose response tells the client to leave.
      deadline_.set(core_.draining ? std::min(core_.options.drain_grace, core_.options.idle_timeout)
                                   : core_.options.idle_timeout);
    } else if (!timed) {
      timed = true;
      deadline_.set(core_.options.head_timeout);
    }
    auto count = co_await stream_->read(in_.space(1024));
    if (!count) {
      if (count.error().code() != errc::deadline_exceeded) co_return outcome::close;
      if (idle_) {
        // A request that arrived while the time ran out is better answered than lost.
        const auto late = stream_->try_read(in_.space(1024));
        if (late.status != io_status::ok) co_return outcome::close;
        in_.filled(late.bytes);
        idle_ = false;
        continue;
      }
      ++core_.stats.timeouts;
      co_return co_await refuse_head(status::request_timeout, "the request's head did not arrive in time");
    }
    if (*count == 0) co_return outcome::close;
    in_.filled(*count);
    idle_ = false;
  }
  deadline_.clear();
  idle_ = false;
  in_.consume(parser_.head_size());
  in_.pin();
  parser_.reset();
  co_return outcome::next_request;
}

void server_connection::attach_content() {
  content_.start(head_, {.limits = core_.options.limits,
                         .max_bytes = core_.options.max_body_bytes,
                         .timeout = core_.options.body_timeout,
                         .min_bytes_per_second = core_.options.min_body_bytes_per_second});
  request_.content.set_limit(core_.options.max_body_bytes);
  if (content_.complete()) return;
  if (const auto all = content_.take_buffered()) {
    request_.content = body::view(*all);
    request_.content.set_limit(core_.options.max_body_bytes);
    continue_pending_ = false;
    return;
  }
  auto source = std::make_unique<streamed_content>(*this);
  streamed_ = source.get();
  request_.content = body::stream(std::move(source));
  request_.content.set_limit(core_.options.max_body_bytes);
}

task<server_connection::outcome> server_connection::answer_request() {
  ++core_.stats.requests;
  ++requests_;
  received_request::fill(request_, head_, stream_->info(), core_.home, context_);
  if (core_.proxies) request_.set_client(client_of(request_, *core_.proxies));
  keep_alive_ = head_.keep_alive;
  continue_pending_ = head_.expects_continue;
  if (head_.unknown_expectation)
    co_return co_await refuse(status::expectation_failed, "only 100-continue is known here");
  if (head_.content == http1::framing::length && head_.content_length > core_.options.max_body_bytes)
    co_return co_await refuse(status::content_too_large, "the content is larger than allowed");
  if (core_.options.max_requests != 0 && core_.stats.requests_active >= core_.options.max_requests)
    co_return co_await refuse(status::service_unavailable, "too many requests are being answered; try again later");
  std::optional<address_count> of_client;
  if (core_.options.max_requests_per_client != 0) {
    const auto client = request_.client().host();
    if (core_.clients.of(client) >= core_.options.max_requests_per_client)
      co_return co_await refuse(status::too_many_requests, "too many requests of this client are being answered");
    of_client.emplace(core_.clients, client);
  }
  attach_content();

  result<response> answer = fail(errc::internal);
  {
    struct active {
      explicit active(std::size_t& n) : count{n} { ++count; }
      ~active() { --count; }
      std::size_t& count;
    } const counted{core_.stats.requests_active};
    flusher flush_if_waiting{*this};
    if (content_.complete()) watcher_.start();
    try {
      answer = co_await core_.answer(request_);
    } catch (const std::exception& e) {
      problem(e.what());
      answer = fail(errc::internal, e.what());
    } catch (...) {
      problem("an exception that is not a std::exception");
      answer = fail(errc::internal);
    }
  }
  of_client.reset();
  // What the peer did wrong while sending the content decides, whatever the handler made of it.
  if (content_.failed()) {
    if (content_.problem() == status::ok) co_return outcome::close;
    if (content_.problem() == status::request_timeout) ++core_.stats.timeouts;
    keep_alive_ = false;
    if (!answer) {
      // The handler may have moved the content away, and with it what response::from() would ask.
      auto refused = refusal(content_.problem(), answer.error().message());
      co_return co_await send(refused);
    }
  }
  if (!answer) {
    answer = response::from(answer.error(), request_);
    if (request_.content.exceeded_limit()) keep_alive_ = false;  // the handler's own limit was smaller than ours
  }
  const auto sent = co_await send(*answer);
  watcher_.stop();
  if (streamed_ != nullptr) streamed_->detach();
  streamed_ = nullptr;
  if (sent == outcome::close) co_return outcome::close;
  received_request::reset(request_);
  content_.finish();
  in_.unpin();
  co_return outcome::next_request;
}

}  // namespace weft::http
