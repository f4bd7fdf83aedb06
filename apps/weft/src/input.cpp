#include "input.hpp"

#include <poll.h>
#include <unistd.h>
#include <weft/runtime/cancellation.hpp>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

namespace weft::cli {

namespace {

constexpr std::size_t piece_bytes = 64 * 1024;

bool readable(int descriptor) {
  pollfd one{.fd = descriptor, .events = POLLIN, .revents = 0};
  return ::poll(&one, 1, 0) > 0;
}

// Wakes whoever waits for the descriptor when the context is cancelled.
class waker final : cancel_callback {
 public:
  waker(watched_descriptor& descriptor, const context& ctx) : descriptor_{descriptor} { watch(ctx.cancellation()); }

 private:
  void cancelled(errc reason) override { descriptor_.cancel(io_direction::read, reason); }

  watched_descriptor& descriptor_;
};

}  // namespace

task<result<std::string>> descriptor_source::read(context ctx) {
  if (!asked_) {
    asked_ = true;
    if (auto watched = loop_.watch(descriptor_)) watched_ = *std::move(watched);
  }
  // A read that finds something does not block, so the descriptor may stay a blocking one.
  WEFT_CO_TRY_VOID(ctx.check(loop_.now()));
  if (watched_) {
    const waker wake{*watched_, ctx};
    while (!readable(descriptor_)) WEFT_CO_TRY_VOID(co_await watched_->ready(io_direction::read));
  }
  std::string piece(piece_bytes, '\0');
  ssize_t got = 0;
  do got = ::read(descriptor_, piece.data(), piece.size());
  while (got < 0 && errno == EINTR);
  if (got < 0) co_return fail(errc::unavailable, "standard input: " + std::string{std::strerror(errno)});
  piece.resize(static_cast<std::size_t>(got));
  co_return piece;
}

task<result<std::string>> text_source::read(context) {
  auto piece = text_.substr(0, piece_);
  text_.erase(0, piece.size());
  co_return piece;
}

task<result<std::string>> read_all(byte_source& from, context ctx, std::size_t max_bytes) {
  std::string all;
  for (;;) {
    WEFT_CO_TRY(const auto piece, co_await from.read(ctx));
    if (piece.empty()) co_return all;
    all += piece;
    if (all.size() > max_bytes)
      co_return fail(errc::resource_exhausted, "standard input is longer than " + std::to_string(max_bytes) + " bytes");
  }
}

result<> line_splitter::feed(std::string_view piece) {
  text_.erase(0, std::exchange(at_, 0));
  text_ += piece;
  if (text_.size() <= max_line_bytes_ || text_.find('\n') <= max_line_bytes_) return {};
  return fail(errc::resource_exhausted,
              "line " + std::to_string(number_ + 1) + " is longer than " + std::to_string(max_line_bytes_) + " bytes");
}

std::optional<std::string> line_splitter::next() {
  const auto newline = text_.find('\n', at_);
  if (newline == text_.npos && (!ended_ || at_ == text_.size())) return std::nullopt;
  const auto end = std::min(newline, text_.size());
  auto line = text_.substr(at_, end - at_);
  at_ = newline == text_.npos ? end : end + 1;
  ++number_;
  if (line.ends_with('\r')) line.pop_back();
  return line;
}

}  // namespace weft::cli
