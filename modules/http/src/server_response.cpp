// What a connection of a server writes.
#include <weft/base/saturating.hpp>
#include <weft/runtime/guarded.hpp>

#include "server_connection_content.hpp"

#include <algorithm>

namespace weft::http {

namespace {
constexpr std::size_t drained_content_bytes = 64 * 1024;  // unread content that is worth reading to keep a connection
constexpr std::size_t unflushed_bytes = 64 * 1024;        // of answers to pipelined requests
constexpr std::size_t lingering_piece_bytes = 16 * 1024;
constexpr std::size_t reported_target_bytes = 256;  // of one that was refused
constexpr auto lingering_time = std::chrono::seconds{30};
constexpr auto lingering_pause = std::chrono::seconds{2};
}  // namespace

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

content_coding server_connection::coding_for(const response& r) const {
  if (forbids_content(r.status) || head_.verb == method::head) return content_coding::none;
  if (r.content.length()) return content_coding::length;
  return head_.minor_version >= 1 ? content_coding::chunked : content_coding::until_close;
}

result<> server_connection::append_head(const response& r, content_coding coding) {
  http1::append_status_line(out_, r.status);
  const auto date = r.headers.get("date");
  const bool forwarded = date && parse_http_date(*date, core_.home.wall_now()).has_value();
  WEFT_TRY_VOID(append_fields(out_, r.headers, forwarded ? date_field::kept : date_field::ours));
  if (!forwarded) out_.append(core_.date());
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
  if (continue_pending_ || r.headers.has_token("connection", "close")) keep_alive_ = false;
  // Requests that are here already are answered first; the last response says it. But who pipelines without a pause
  // would never hear of it, and lose what is under way when the drain's patience is over.
  if (core_.draining && (in_.unread().empty() || core_.home.now() >= core_.drain_grace_over)) keep_alive_ = false;
  const auto& options = core_.options;
  if (options.max_connection_requests != 0 && requests_ >= options.max_connection_requests) keep_alive_ = false;
  if (core_.home.now() >= later(opened_, options.max_connection_age)) keep_alive_ = false;
  if (half_closed_ && in_.unread().empty()) keep_alive_ = false;
  if (to_int(r.status) < 200 || to_int(r.status) > 599) {
    problem("a response with the status " + std::to_string(to_int(r.status)));
    r = response::from(error{errc::internal});
  }
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

response refusal(status code, std::string_view what) {
  std::string name{reason_phrase(code)};
  for (auto& c : name) c = c == ' ' || c == '-' ? '_' : c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c;
  auto r = response::failure(code, name, what);
  if (code == status::service_unavailable || code == status::too_many_requests) r.headers.add_view("Retry-After", "1");
  return r;
}

// Of a request whose head is not whole: what is known of it goes into request_, for whoever is told.
task<server_connection::outcome> server_connection::refuse_head(status code, std::string_view what) {
  const auto printable = [](std::string_view text) {
    return std::ranges::all_of(text, [](char c) { return c > ' ' && c < 0x7f; });
  };
  head_.target = printable(head_.target) ? head_.target.substr(0, reported_target_bytes) : std::string_view{};
  if (head_.verb != method::other || !http1::valid_token(head_.method_name)) head_.method_name = {};
  received_request::fill(request_, head_, stream_->info(), core_.home, context_);
  if (core_.proxies) request_.set_client(client_of(request_, *core_.proxies));
  return refuse(code, what);
}

// Before there was a handler that could say so.
task<server_connection::outcome> server_connection::refuse(status code, std::string_view what) {
  keep_alive_ = false;
  continue_pending_ = false;
  auto r = refusal(code, what);
  if (core_.options.on_refused) static_cast<void>(guarded_call([&] { core_.options.on_refused(request_, r, what); }));
  if (r.content.streamed()) r.content = refusal(code, what).content;  // fields may be added, and nothing else
  r.status = code;
  const auto before = out_.size();
  if (!append_head(r, content_coding::length)) {
    out_.resize(before);
    r.headers.clear();
    static_cast<void>(append_head(r, content_coding::length));
  }
  if (head_.verb != method::head) out_.append(r.content.buffered());
  if (co_await flush()) co_await linger();
  co_return outcome::close;
}

// Closing with bytes unread makes the kernel send a reset, which can overtake the response: read on until the client
// has said all it wanted to say, and so has read the response, or for as long as that may reasonably take.
task<void> server_connection::linger() {
  watcher_.stop();
  stream_->shutdown_write();
  if (half_closed_) co_return;
  in_.unpin();
  in_.consume(in_.unread().size());
  const auto end = later(core_.home.now(), lingering_time);
  for (;;) {
    const auto left = time_between(core_.home.now(), end);
    if (left <= duration::zero()) co_return;
    deadline_.set(std::min<duration>(left, lingering_pause));
    const auto count = co_await stream_->read(in_.space(lingering_piece_bytes));
    if (!count || *count == 0) co_return;
  }
}

}  // namespace weft::http
