#pragma once
// Limits on one request: how much it may send, and how long it may take.
//
//     routes.post("/upload", upload, {limit_content(64 << 20)});
//     routes.use(limit_time(loop, {.longest = 30s}));
//
// Deadlines travel as X-Request-Timeout-Ms: how many milliseconds the caller still waits, a duration rather than a time
// because clocks differ. Each hop cuts its context to it and sends on what is left.
#include <weft/http/message.hpp>
#include <weft/runtime/loop.hpp>

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace weft::http {

// Content that is longer, stated or read, is answered 413. The server's max_body_bytes holds as well.
[[nodiscard]] middleware limit_content(std::size_t max_bytes);
// The server's own limit. For router::check_order(), which then tells of a limit_content that never comes to bear
// because the server refuses less; it does nothing to requests.
[[nodiscard]] middleware served_within(std::size_t max_body_bytes);

inline constexpr std::string_view timeout_header = "X-Request-Timeout-Ms";

struct time_limits {
  std::string header{timeout_header};          // empty: callers do not decide
  std::optional<duration> unless_told;         // for callers that do not say
  duration longest = std::chrono::minutes{5};  // whatever callers say
};
// The request's context ends when the time is up, and with it what the handler awaits. A request that has no time left
// when it arrives is answered 504 without the handler; a malformed value 400. Also 504: a handler's error with
// errc::deadline_exceeded.
[[nodiscard]] middleware limit_time(loop& l, time_limits limits = {});

// For a request to send: what is left of the context's deadline, rounded up to milliseconds; nothing without a
// deadline. errc::deadline_exceeded when nothing is left: do not send it.
result<> send_timeout(request& r, const context& ctx, steady_time now, std::string_view header = timeout_header);

}  // namespace weft::http
