#pragma once
// Points in time as text. RFC 3339 for JSON and logs, IMF-fixdate (RFC 9110 5.6.7) for HTTP.
#include <weft/base/error.hpp>

#include <chrono>
#include <string>
#include <string_view>

namespace weft {

using wall_time = std::chrono::system_clock::time_point;

// "2026-02-01T09:30:00Z", with a fraction of 3, 6 or 9 digits when there is one ("...:00.250Z"). Always UTC.
// wall_time::min() and max(), which mean "always" and "never", are "0001-01-01T00:00:00Z" and "9999-12-31T23:59:59Z".
[[nodiscard]] std::string format_rfc3339(wall_time at);
// Any offset, any number of fraction digits (kept to nanoseconds), upper or lower case T and Z, a leap second as the
// second after it. Anything else, an impossible date included, is errc::invalid_argument. So is a time that a wall_time
// cannot hold (before 1677-09-21, after 2262-04-11), but for those of the years 0001 and 9999, in which programs write
// "always" and "never": they are wall_time::min() and max().
[[nodiscard]] result<wall_time> parse_rfc3339(std::string_view text);

// "Sun, 06 Nov 1994 08:49:37 GMT".
[[nodiscard]] std::string format_http_date(wall_time at);
// IMF-fixdate, and the two obsolete forms (RFC 850, asctime) that recipients must accept. `now` decides the century of
// a two-digit year: more than 50 years ahead means the past one.
[[nodiscard]] result<wall_time> parse_http_date(std::string_view text, wall_time now);

}  // namespace weft
