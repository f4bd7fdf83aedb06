#include "content_reader.hpp"

#include <algorithm>

namespace weft::http {

using http1::framing;
using http1::progress;

void content_reader::start(const http1::message_head& head, const options& o) {
  options_ = o;
  framing_ = head.content;
  length_ = left_ = head.content_length;
  received_ = 0;
  waited_ = duration::zero();
  piece_ = 0;
  complete_ = framing_ == framing::none;
  failed_ = false;
  problem_ = status::ok;
  chunks_.reset();
  if (framing_ == framing::chunked) chunks_.emplace(o.limits);
}

std::optional<std::uint64_t> content_reader::length() const noexcept {
  if (framing_ == framing::length) return length_;
  return framing_ == framing::none ? std::optional<std::uint64_t>{0} : std::nullopt;
}

std::optional<std::string_view> content_reader::take_buffered() noexcept {
  if (framing_ != framing::length || in_.unread().size() < length_) return std::nullopt;
  complete_ = true;
  left_ = 0;
  const auto all = in_.unread().substr(0, static_cast<std::size_t>(length_));
  in_.consume(all.size());
  in_.pin();  // it is read as long as the message, whatever arrives behind it
  return all;
}

std::unexpected<error> content_reader::broken(status s, errc code, std::string_view what) {
  failed_ = true;
  problem_ = s;
  return fail(error{code, what}.with_limit(s == status::content_too_large ? limit_kind::size : limit_kind::quota));
}

void content_reader::release_piece() noexcept { in_.consume(std::exchange(piece_, 0)); }

// A peer that sends a byte now and then keeps each wait short, and would keep the message for ever.
duration content_reader::time_left(steady_time until) const {
  auto left = time_between(deadline_.now(), until);
  if (options_.timeout <= duration::zero()) return left;
  left = std::min(left, options_.timeout);
  if (options_.min_bytes_per_second == 0) return left;
  const auto earned =
      saturating_multiply(duration{std::chrono::seconds{1}},
                          static_cast<double>(received_) / static_cast<double>(options_.min_bytes_per_second));
  return std::min(left, saturating_add(saturating_add(saturating_multiply(options_.timeout, slack_timeouts), earned), -waited_));
}

task<result<std::string_view>> content_reader::next(steady_time until) {
  release_piece();
  if (failed_) co_return fail(errc::failed_precondition, "reading the content has failed before");
  while (!complete_) {
    const auto unread = in_.unread();
    if (!unread.empty()) {
      std::string_view data;
      if (framing_ == framing::chunked) {
        const auto step = chunks_->decode(unread);
        if (step.state == progress::bad)
          co_return broken(chunks_->problem().code, options_.malformed, chunks_->problem().what);
        complete_ = step.state == progress::done;
        data = step.data;
        if (data.empty()) {
          in_.consume(step.consumed);
          if (step.consumed > 0) continue;
        } else {
          piece_ = step.consumed;
        }
      } else {
        const auto size = framing_ == framing::length ? std::min<std::uint64_t>(left_, unread.size()) : unread.size();
        data = unread.substr(0, static_cast<std::size_t>(size));
        piece_ = data.size();
        if (framing_ == framing::length) {
          left_ -= size;
          complete_ = left_ == 0;
        }
      }
      if (!data.empty()) {
        received_ += data.size();
        if (received_ > options_.max_bytes)
          co_return broken(status::content_too_large, errc::resource_exhausted, "the content is larger than allowed");
        co_return data;
      }
    }
    const auto left = time_left(until);
    const auto begin = deadline_.now();
    if (left != duration::max()) deadline_.set(std::max(left, duration::zero()));
    auto count = co_await stream_.read(in_.space(4096));
    if (left != duration::max()) deadline_.clear();
    waited_ += deadline_.now() - begin;
    if (!count) {
      const auto code = count.error().code();
      co_return broken(code == errc::deadline_exceeded ? status::request_timeout : status::ok, code,
                       code == errc::deadline_exceeded ? "the content did not arrive in time"
                                                       : "the connection broke off within the content");
    }
    if (*count == 0) {
      if (framing_ == framing::until_close) {
        complete_ = true;
        break;
      }
      co_return broken(status::ok, errc::unavailable, "the connection ended within the content");
    }
    in_.filled(*count);
  }
  co_return std::string_view{};
}

}  // namespace weft::http
