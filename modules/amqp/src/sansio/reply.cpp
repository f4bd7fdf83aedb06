#include "reply.hpp"

#include <weft/base/utf8.hpp>

namespace weft::amqp {

namespace {

errc code_of(reply_code code) {
  switch (code) {
    case reply_code::content_too_large:
    case reply_code::resource_error:
      return errc::resource_exhausted;
    case reply_code::no_route:
    case reply_code::invalid_path:
    case reply_code::not_found:
      return errc::not_found;
    case reply_code::access_refused:
    case reply_code::not_allowed:
      return errc::permission_denied;
    case reply_code::resource_locked:
    case reply_code::precondition_failed:
      return errc::failed_precondition;
    case reply_code::not_implemented:
      return errc::unimplemented;
    case reply_code::no_consumers:
    case reply_code::connection_forced:
    case reply_code::internal_error:
      return errc::unavailable;
    case reply_code::success:
    case reply_code::frame_error:
    case reply_code::syntax_error:
    case reply_code::command_invalid:
    case reply_code::channel_error:
    case reply_code::unexpected_frame:
      break;
  }
  return errc::internal;
}

}  // namespace

error error_of_reply(std::uint16_t code, std::string_view text, method_id about) {
  error e{code_of(static_cast<reply_code>(code)), clean_text(text, 4 * max_reply_text)};
  if (static_cast<reply_code>(code) == reply_code::content_too_large) e = e.with_limit(limit_kind::size);
  return about == method_id{} ? e : e.with_operation(name_of(about));
}

error error_of_refused_publication(const error& why) {
  const auto as = [&](errc code) { return error{code, why.message()}.with_operation(basic_publish::name); };
  if (why.code() == errc::not_found) return as(errc::failed_precondition).with_remedy("declare the exchange");
  return why.code() == errc::failed_precondition ? as(errc::invalid_argument) : why;
}

}  // namespace weft::amqp
