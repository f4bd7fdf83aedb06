#pragma once
// Conditional and range requests (RFC 9110 13 and 14), for whatever has a validator and a size.
#include <weft/base/time.hpp>
#include <weft/http/headers.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace weft::http::detail {

struct validators {
  std::string etag;  // strong, with its quotes
  wall_time modified;
};

// Whether a condition of the client's does not hold, so that nothing must be done (412): If-Match by strong comparison,
// without it If-Unmodified-Since.
[[nodiscard]] bool precondition_failed(const headers& request, const validators& current, wall_time now);

// Whether the client has this version already: If-None-Match, without it If-Modified-Since.
[[nodiscard]] bool not_modified(const headers& request, const validators& current, wall_time now);

struct byte_range {
  enum class kind : std::uint8_t { whole, part, unsatisfiable };
  kind what = kind::whole;
  std::uint64_t first = 0, size = 0;
};
// What of `size` bytes is asked for. The whole for several ranges, other units, malformed ones, and an If-Range that
// names another version.
[[nodiscard]] byte_range range_of(const headers& request, const validators& current, std::uint64_t size, wall_time now);

}  // namespace weft::http::detail
