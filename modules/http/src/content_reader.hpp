#pragma once
// Reads a message's content from its connection, however it is framed. Server and client share it.
#include <weft/http/http1.hpp>
#include <weft/runtime/stream.hpp>

#include "connection_deadline.hpp"
#include "read_buffer.hpp"

#include <optional>

namespace weft::http {

class content_reader {
 public:
  content_reader(stream& s, read_buffer& in, connection_deadline& deadline) noexcept
      : stream_{s}, in_{in}, deadline_{deadline} {}

  static constexpr double slack_timeouts = 10;
  struct options {
    http1::limits limits;
    std::uint64_t max_bytes = ~std::uint64_t{0};
    duration timeout{};  // between two pieces; zero: no limit
    // Of all the time that is spent waiting, so many must have come for each second beyond slack_timeouts times the
    // timeout. 0: no limit.
    std::uint64_t min_bytes_per_second = 0;
    errc malformed = errc::invalid_argument;  // whose fault it is: a client's caller did not write the response
  };
  void start(const http1::message_head& head, const options& o);

  // The next piece, valid until the next call; empty at the end. Waits until `until` at most. What went wrong is also
  // in problem().
  task<result<std::string_view>> next(steady_time until = context::no_deadline);
  // The last piece is no longer needed: without this its bytes would stand before the next message.
  void finish() noexcept { release_piece(); }
  // All of it, when it has arrived already and is framed by its length; used up then.
  [[nodiscard]] std::optional<std::string_view> take_buffered() noexcept;

  [[nodiscard]] bool complete() const noexcept { return complete_; }
  [[nodiscard]] bool failed() const noexcept { return failed_; }
  // 400, 408, 413 or 431 once reading has failed by the peer's fault; ok when the peer is gone.
  [[nodiscard]] status problem() const noexcept { return problem_; }
  [[nodiscard]] std::optional<std::uint64_t> length() const noexcept;
  [[nodiscard]] const headers* trailers() const noexcept { return chunks_ ? &chunks_->trailers() : nullptr; }

 private:
  std::unexpected<error> broken(status s, errc code, std::string_view what);
  void release_piece() noexcept;
  [[nodiscard]] duration time_left(steady_time until) const;

  stream& stream_;
  read_buffer& in_;
  connection_deadline& deadline_;
  options options_;
  http1::framing framing_ = http1::framing::none;
  std::uint64_t length_ = 0, left_ = 0, received_ = 0;
  duration waited_{};
  std::optional<http1::chunked_decoder> chunks_;
  std::size_t piece_ = 0;  // bytes of the buffer that the last piece still refers to
  bool complete_ = true, failed_ = false;
  status problem_ = status::ok;
};

}  // namespace weft::http
