#pragma once
// AMQP's reply codes (1.2 and 1.8 of the specification), and the errors they become.
#include <weft/amqp/method.hpp>
#include <weft/base/error.hpp>

namespace weft::amqp {

enum class reply_code : std::uint16_t {
  success = 200,
  content_too_large = 311,
  no_route = 312,
  no_consumers = 313,
  connection_forced = 320,
  invalid_path = 402,
  access_refused = 403,
  not_found = 404,
  resource_locked = 405,
  precondition_failed = 406,
  frame_error = 501,
  syntax_error = 502,
  command_invalid = 503,
  channel_error = 504,
  unexpected_frame = 505,
  resource_error = 506,
  not_allowed = 530,
  not_implemented = 540,
  internal_error = 541,
};

// What the server said when it closed a channel or the connection, or returned a message.
// The text is made UTF-8: it may quote, and cut, whatever anybody asked for.
[[nodiscard]] error error_of_reply(std::uint16_t code, std::string_view text, method_id about);
// Of the publication over which it closed the channel: errc::not_found is for messages that no queue takes, so that
// here is errc::failed_precondition (there is no such exchange), and what stands in the way of this message for ever is
// errc::invalid_argument (it is larger than the server allows, or has a property that it does not allow).
[[nodiscard]] error error_of_refused_publication(const error& why);

// The longest text of a reply, as text of ours and as a short string of AMQP's.
inline constexpr std::size_t max_reply_text = 255;

}  // namespace weft::amqp
