#include "server_connection.hpp"

#include <weft/runtime/sleep.hpp>

namespace weft::http {

using http1::progress;

namespace {
constexpr std::size_t initial_buffer_bytes = 4096;
constexpr std::size_t drained_content_bytes = 64 * 1024;  // unread content that is worth reading to keep a connection
constexpr std::size_t lingering_bytes = 256 * 1024;
constexpr auto lingering_time = std::chrono::seconds{2};
constexpr std::size_t kept_answer_bytes = copied_content_bytes + 4096;  // of memory, while a connection is idle
constexpr std::size_t unflushed_bytes = 64 * 1024;                      // of answers to pipelined requests
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

// The content of a request that has not wholly arrived. It may be moved into another message, so the connection tells
// it when the request has ended.
class server_connection::streamed_content final : public body_source {
 public:
  explicit streamed_content(server_connection& c) noexcept : connection_{&c} {}
  ~streamed_content() override {
    if (connection_ != nullptr) connection_->streamed_ = nullptr;
  }
  void detach() noexcept { connection_ = nullptr; }

  task<result<std::string_view>> next() override {
    if (connection_ == nullptr) co_return fail(errc::failed_precondition, "the request has ended; its content is gone");
    if (connection_->continue_pending_) {
      connection_->continue_pending_ = false;
      connection_->out_.append("HTTP/1.1 100 Continue\r\n\r\n");
      WEFT_CO_TRY_VOID(co_await connection_->flush());
    }
    auto piece = co_await connection_->content_.next();
    if (connection_ == nullptr) co_return fail(errc::failed_precondition, "the request has ended; its content is gone");
    // A peer that is gone is seen by who reads, and as long as nobody does, by the watcher.
    if (!piece && connection_->content_.problem() == status::ok) connection_->gone_.cancel(errc::cancelled);
    if (piece && piece->empty()) connection_->watcher_.start();
    co_return piece;
  }
  std::optional<std::uint64_t> length() const override {
    return connection_ != nullptr ? connection_->content_.length() : std::nullopt;
  }
  const headers* trailers() const override {
    return connection_ != nullptr ? connection_->content_.trailers() : nullptr;
  }

 private:
  server_connection* connection_;
};

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
      context_{context{}.with_cancellation(gone_.token())} {
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

void server_connection::end_if_idle() {
  if (idle_) stream_->cancel(io_direction::read, errc::cancelled);
}

void server_connection::cut_off() {
  gone_.cancel(errc::cancelled);
  stream_->reset();
}

void server_connection::problem(std::string_view what) {
  if (core_.options.on_problem) core_.options.on_problem(request_, what);
}

// The usual case: the kernel takes the whole answer, and nothing waits. Else flush() goes on with what is left.
bool server_connection::flush_at_once() {
  const const_buffer all[] = {out_};
  const auto put = stream_->try_write(all);
  if (put.status != io_status::ok) return false;
  const bool whole = put.bytes == out_.size();  // what the stream still holds it passes on by itself while it lives
  if (whole)
    out_.clear();
  else
    out_.erase(0, put.bytes);
  return whole;
}

task<result<>> server_connection::flush() {
  const_buffer all[] = {out_};
  flushing_ = true;
  auto written = co_await write_timed(*stream_, all, deadline_, core_.options.write_timeout);
  flushing_ = false;
  out_.clear();
  co_return written;
}

task<void> server_connection::serve() {
  for (;;) {
    if (co_await receive_head() == outcome::close) break;
    if (co_await answer_request() == outcome::close) break;
  }
}

task<server_connection::outcome> server_connection::receive_head() {
  idle_ = in_.unread().empty();
  if (idle_) in_.shrink();
  if (idle_ && out_.empty() && out_.capacity() > kept_answer_bytes) out_ = {};
  bool timed = false;  // the head's own deadline runs from its first byte
  for (;;) {
    const auto state = in_.unread().empty() ? progress::more : parser_.parse(in_.unread(), head_);
    if (state == progress::done) break;
    if (state == progress::bad) {
      ++core_.stats.malformed;
      head_.verb = method::other;  // perhaps half read
      co_return co_await refuse(parser_.problem().code, parser_.problem().what);
    }
    if (!out_.empty() && !co_await flush()) co_return outcome::close;
    idle_ = in_.unread().empty();
    if (half_closed_ || (idle_ && core_.draining)) co_return outcome::close;
    if (idle_) {
      deadline_.set(core_.options.idle_timeout);
    } else if (!timed) {
      timed = true;
      deadline_.set(core_.options.head_timeout);
    }
    auto count = co_await stream_->read(in_.space(1024));
    if (!count) {
      if (count.error().code() != errc::deadline_exceeded || idle_) co_return outcome::close;
      ++core_.stats.timeouts;
      head_.verb = method::other;
      co_return co_await refuse(status::request_timeout, "the request's head did not arrive in time");
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
                         .timeout = core_.options.body_timeout});
  if (content_.complete()) return;
  if (const auto all = content_.take_buffered()) {
    request_.content = body::view(*all);
    continue_pending_ = false;
    return;
  }
  auto source = std::make_unique<streamed_content>(*this);
  streamed_ = source.get();
  request_.content = body::stream(std::move(source));
}

task<server_connection::outcome> server_connection::answer_request() {
  ++core_.stats.requests;
  received_request::fill(request_, head_, stream_->info(), core_.home, context_);
  keep_alive_ = head_.keep_alive;
  continue_pending_ = head_.expects_continue;
  if (head_.unknown_expectation)
    co_return co_await refuse(status::expectation_failed, "only 100-continue is known here");
  if (head_.content == http1::framing::length && head_.content_length > core_.options.max_body_bytes)
    co_return co_await refuse(status::content_too_large, "the content is larger than allowed");
  if (core_.options.max_requests != 0 && core_.stats.requests_active >= core_.options.max_requests)
    co_return co_await refuse(status::service_unavailable, "too many requests are being answered; try again later");
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
  // What the peer did wrong while sending the content decides, whatever the handler made of it.
  if (content_.failed()) {
    if (content_.problem() == status::ok) co_return outcome::close;
    if (content_.problem() == status::request_timeout) ++core_.stats.timeouts;
    if (!answer) co_return co_await refuse(content_.problem(), answer.error().message());
    keep_alive_ = false;
  }
  // The handler's own limit was smaller than ours.
  if (!answer && request_.content.exceeded_limit())
    co_return co_await refuse(status::content_too_large, answer.error().message());
  if (!answer) answer = response::from(answer.error());
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

content_coding server_connection::coding_for(const response& r) const {
  if (forbids_content(r.status) || head_.verb == method::head) return content_coding::none;
  if (r.content.length()) return content_coding::length;
  return head_.minor_version >= 1 ? content_coding::chunked : content_coding::until_close;
}

result<> server_connection::append_head(const response& r, content_coding coding) {
  http1::append_status_line(out_, r.status);
  WEFT_TRY_VOID(append_fields(out_, r.headers));
  out_.append(core_.date());
  if (coding == content_coding::chunked) {
    out_.append("Transfer-Encoding: chunked\r\n");
  } else if (coding == content_coding::length) {
    out_.append("Content-Length: ");
    http1::append_number(out_, *r.content.length());
    out_.append("\r\n");
  } else if (coding == content_coding::none && to_int(r.status) >= 200 && r.status != status::no_content) {
    // HEAD and 304: what a GET would have said, when the handler knows it.
    const auto stated = r.headers.get("content-length");
    if (stated && http1::valid_field("Content-Length", *stated))
      http1::append_field(out_, "Content-Length", *stated);
    else if (r.status != status::not_modified && r.content.length())
      http1::append_field(out_, "Content-Length", std::to_string(*r.content.length()));
    else if (r.status != status::not_modified && head_.minor_version >= 1)
      out_.append("Transfer-Encoding: chunked\r\n");
  }
  if (!keep_alive_)
    out_.append("Connection: close\r\n");
  else if (head_.minor_version == 0)
    out_.append("Connection: keep-alive\r\n");
  out_.append("\r\n", 2);
  return {};
}

task<server_connection::outcome> server_connection::send(response& r) {
  // Content that the client still holds back, and that the answer is going to read.
  if (continue_pending_ && streamed_ != nullptr && r.content.streamed() && request_.content.source() != streamed_) {
    continue_pending_ = false;
    out_.append("HTTP/1.1 100 Continue\r\n\r\n");
    if (!co_await flush()) co_return outcome::close;
  }
  // Without it, nobody could tell the client's next request from that content.
  if (core_.draining || continue_pending_) keep_alive_ = false;
  if (half_closed_ && in_.unread().empty()) keep_alive_ = false;
  if (to_int(r.status) < 200) r = response::from(error{errc::internal});
  auto coding = coding_for(r);
  if (coding == content_coding::until_close) keep_alive_ = false;
  const auto before = out_.size();
  if (auto written = append_head(r, coding); !written) {
    problem(written.error().message());
    out_.resize(before);
    r = response::from(error{errc::internal});
    coding = coding_for(r);
    static_cast<void>(append_head(r, coding));
  }
  const bool whole =
      coding == content_coding::none || (!r.content.streamed() && r.content.buffered().size() <= copied_content_bytes);
  if (whole) {
    if (coding != content_coding::none) out_.append(r.content.buffered());
    // More requests wait in the buffer: their answers leave with this one.
    const bool now = !keep_alive_ || in_.unread().empty() || out_.size() > unflushed_bytes || !content_.complete();
    const bool sent = now && keep_alive_ && flush_at_once();
    if (now && !sent && !co_await flush()) co_return outcome::close;
  } else if (auto written =
                 co_await write_content(*stream_, out_, r.content, coding, deadline_, core_.options.write_timeout);
             !written) {
    if (written.error().code() == errc::data_loss) {
      problem(written.error().message());
      stream_->reset();  // an orderly end would pass for a whole answer
    }
    co_return outcome::close;
  }
  // Content that nobody read stands before the next request.
  watcher_.stop();
  std::size_t drained = 0;
  while (keep_alive_ && !content_.complete()) {
    const auto piece = co_await content_.next();
    drained += piece ? piece->size() : 0;
    if (!piece || drained > drained_content_bytes) keep_alive_ = false;
  }
  if (keep_alive_) co_return outcome::next_request;
  co_await linger();
  co_return outcome::close;
}

task<server_connection::outcome> server_connection::refuse(status code, std::string_view what) {
  keep_alive_ = false;
  continue_pending_ = false;
  auto r = response::failure(code, "", what);
  std::string name{reason_phrase(code)};
  for (auto& c : name) c = c == ' ' || c == '-' ? '_' : c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c;
  r = response::failure(code, name, what);
  if (code == status::service_unavailable) r.headers.add_view("Retry-After", "1");
  static_cast<void>(append_head(r, content_coding::length));
  if (head_.verb != method::head) out_.append(r.content.buffered());
  if (co_await flush()) co_await linger();
  co_return outcome::close;
}

// Closing with bytes unread makes the kernel send a reset, which can overtake the answer: read on for a moment.
task<void> server_connection::linger() {
  watcher_.stop();
  stream_->shutdown_write();
  if (half_closed_) co_return;
  in_.unpin();
  in_.consume(in_.unread().size());
  std::size_t read = 0;
  deadline_.set(lingering_time);
  while (read < lingering_bytes) {
    const auto count = co_await stream_->read(in_.space(1024));
    if (!count || *count == 0) co_return;
    read += *count;
  }
}

}  // namespace weft::http
