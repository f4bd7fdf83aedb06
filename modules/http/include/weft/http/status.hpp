#pragma once
// Status codes (RFC 9110 15) and methods (RFC 9110 9), and the one mapping between errors and statuses.
#include <weft/base/error.hpp>

#include <cstdint>
#include <string_view>

namespace weft::http {

enum class status : std::uint16_t {
  continue_ = 100,
  switching_protocols = 101,
  early_hints = 103,
  ok = 200,
  created = 201,
  accepted = 202,
  no_content = 204,
  partial_content = 206,
  moved_permanently = 301,
  found = 302,
  see_other = 303,
  not_modified = 304,
  temporary_redirect = 307,
  permanent_redirect = 308,
  bad_request = 400,
  unauthorized = 401,
  forbidden = 403,
  not_found = 404,
  method_not_allowed = 405,
  not_acceptable = 406,
  request_timeout = 408,
  conflict = 409,
  gone = 410,
  length_required = 411,
  precondition_failed = 412,
  content_too_large = 413,
  uri_too_long = 414,
  unsupported_media_type = 415,
  range_not_satisfiable = 416,
  expectation_failed = 417,
  misdirected_request = 421,
  unprocessable_content = 422,
  too_many_requests = 429,
  request_header_fields_too_large = 431,
  client_closed_request = 499,  // not registered; the field's habit for a caller that went away
  internal_server_error = 500,
  not_implemented = 501,
  bad_gateway = 502,
  service_unavailable = 503,
  gateway_timeout = 504,
  http_version_not_supported = 505,
  insufficient_storage = 507,
};

[[nodiscard]] constexpr int to_int(status s) noexcept { return static_cast<int>(s); }
// "Not Found"; "" for a code without a registered phrase.
[[nodiscard]] std::string_view reason_phrase(status s) noexcept;
// 204, 304 and every 1xx: the message ends with its head.
[[nodiscard]] constexpr bool forbids_content(status s) noexcept {
  return to_int(s) < 200 || s == status::no_content || s == status::not_modified;
}

// Errors to statuses as google.rpc.Code maps them: not_found is 404, unavailable 503, ... resource_exhausted is 429 for
// a quota, which passes; 413 for a limit of size, and 507 for one of space (error::limit()), which do not. data_loss
// with a peer is 502: what that peer sent makes no sense.
[[nodiscard]] status status_of(const error& e) noexcept;
[[nodiscard]] status status_of(errc code) noexcept;  // of the code alone
// The code that best says what a status of 400 or more means.
[[nodiscard]] errc code_of(status s) noexcept;
// The error that best says so: code_of(), and the kind of limit for 413 and 507.
[[nodiscard]] error error_of(status s, std::string_view message = {});

enum class method : std::uint8_t { get, head, post, put, patch, delete_, options, connect, trace, other };
[[nodiscard]] std::string_view to_string(method m) noexcept;  // "" for other
[[nodiscard]] method method_of(std::string_view name) noexcept;
// RFC 9110 9.2: safe (only reads) and idempotent (twice is as once).
[[nodiscard]] constexpr bool is_safe(method m) noexcept {
  return m == method::get || m == method::head || m == method::options || m == method::trace;
}
[[nodiscard]] constexpr bool is_idempotent(method m) noexcept {
  return is_safe(m) || m == method::put || m == method::delete_;
}

}  // namespace weft::http
