#include <weft/http/status.hpp>

namespace weft::http {

std::string_view reason_phrase(status s) noexcept {
  switch (s) {
    case status::continue_:
      return "Continue";
    case status::switching_protocols:
      return "Switching Protocols";
    case status::early_hints:
      return "Early Hints";
    case status::ok:
      return "OK";
    case status::created:
      return "Created";
    case status::accepted:
      return "Accepted";
    case status::no_content:
      return "No Content";
    case status::partial_content:
      return "Partial Content";
    case status::moved_permanently:
      return "Moved Permanently";
    case status::found:
      return "Found";
    case status::see_other:
      return "See Other";
    case status::not_modified:
      return "Not Modified";
    case status::temporary_redirect:
      return "Temporary Redirect";
    case status::permanent_redirect:
      return "Permanent Redirect";
    case status::bad_request:
      return "Bad Request";
    case status::unauthorized:
      return "Unauthorized";
    case status::forbidden:
      return "Forbidden";
    case status::not_found:
      return "Not Found";
    case status::method_not_allowed:
      return "Method Not Allowed";
    case status::not_acceptable:
      return "Not Acceptable";
    case status::request_timeout:
      return "Request Timeout";
    case status::conflict:
      return "Conflict";
    case status::gone:
      return "Gone";
    case status::length_required:
      return "Length Required";
    case status::precondition_failed:
      return "Precondition Failed";
    case status::content_too_large:
      return "Content Too Large";
    case status::uri_too_long:
      return "URI Too Long";
    case status::unsupported_media_type:
      return "Unsupported Media Type";
    case status::range_not_satisfiable:
      return "Range Not Satisfiable";
    case status::expectation_failed:
      return "Expectation Failed";
    case status::misdirected_request:
      return "Misdirected Request";
    case status::unprocessable_content:
      return "Unprocessable Content";
    case status::too_many_requests:
      return "Too Many Requests";
    case status::request_header_fields_too_large:
      return "Request Header Fields Too Large";
    case status::client_closed_request:
      return "Client Closed Request";
    case status::internal_server_error:
      return "Internal Server Error";
    case status::not_implemented:
      return "Not Implemented";
    case status::bad_gateway:
      return "Bad Gateway";
    case status::service_unavailable:
      return "Service Unavailable";
    case status::gateway_timeout:
      return "Gateway Timeout";
    case status::http_version_not_supported:
      return "HTTP Version Not Supported";
    case status::insufficient_storage:
      return "Insufficient Storage";
  }
  return "";
}

namespace {
limit_kind limit_of(status s) noexcept {
  switch (s) {
    case status::content_too_large:
      return limit_kind::size;
    case status::insufficient_storage:
      return limit_kind::space;
    default:
      return limit_kind::quota;
  }
}
}  // namespace

status status_of(const error& e) noexcept {
  // Data of ours that is lost is a failure of ours; bytes of a peer that make no sense are its own.
  if (e.code() == errc::data_loss && !e.peer().empty()) return status::bad_gateway;
  if (e.code() != errc::resource_exhausted) return status_of(e.code());
  switch (e.limit()) {
    case limit_kind::size:
      return status::content_too_large;
    case limit_kind::space:
      return status::insufficient_storage;
    case limit_kind::quota:
      break;
  }
  return status::too_many_requests;
}

error error_of(status s, std::string_view message) { return error{code_of(s), message}.with_limit(limit_of(s)); }

status status_of(errc code) noexcept {
  switch (code) {
    case errc::cancelled:
      return status::client_closed_request;
    case errc::invalid_argument:
    case errc::failed_precondition:
    case errc::out_of_range:
      return status::bad_request;
    case errc::deadline_exceeded:
      return status::gateway_timeout;
    case errc::not_found:
      return status::not_found;
    case errc::already_exists:
    case errc::aborted:
      return status::conflict;
    case errc::permission_denied:
      return status::forbidden;
    case errc::resource_exhausted:
      return status::too_many_requests;
    case errc::unimplemented:
      return status::not_implemented;
    case errc::unavailable:
      return status::service_unavailable;
    case errc::unauthenticated:
      return status::unauthorized;
    case errc::unknown:
    case errc::internal:
    case errc::data_loss:
      return status::internal_server_error;
  }
  return status::internal_server_error;
}

errc code_of(status s) noexcept {
  switch (s) {
    case status::client_closed_request:
      return errc::cancelled;
    case status::unauthorized:
      return errc::unauthenticated;
    case status::forbidden:
      return errc::permission_denied;
    case status::not_found:
    case status::gone:
      return errc::not_found;
    case status::conflict:
      return errc::aborted;
    case status::precondition_failed:
      return errc::failed_precondition;
    case status::range_not_satisfiable:
      return errc::out_of_range;
    case status::content_too_large:
    case status::insufficient_storage:
    case status::too_many_requests:
      return errc::resource_exhausted;
    case status::request_timeout:
    case status::gateway_timeout:
      return errc::deadline_exceeded;
    case status::not_implemented:
      return errc::unimplemented;
    case status::bad_gateway:
    case status::service_unavailable:
      return errc::unavailable;
    default:
      break;
  }
  const auto number = to_int(s);
  if (number >= 500) return errc::internal;
  return number >= 400 ? errc::invalid_argument : errc::unknown;
}

std::string_view to_string(method m) noexcept {
  switch (m) {
    case method::get:
      return "GET";
    case method::head:
      return "HEAD";
    case method::post:
      return "POST";
    case method::put:
      return "PUT";
    case method::patch:
      return "PATCH";
    case method::delete_:
      return "DELETE";
    case method::options:
      return "OPTIONS";
    case method::connect:
      return "CONNECT";
    case method::trace:
      return "TRACE";
    case method::other:
      break;
  }
  return "";
}

method method_of(std::string_view name) noexcept {
  for (const auto m : {method::get, method::head, method::post, method::put, method::patch, method::delete_,
                       method::options, method::connect, method::trace})
    if (to_string(m) == name) return m;
  return method::other;
}

}  // namespace weft::http
