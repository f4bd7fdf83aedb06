#include "session.hpp"

#include <weft/base/assert.hpp>
#include <weft/base/saturating.hpp>
#include <weft/base/utf8.hpp>

#include <algorithm>

#include "method_fields.hpp"

namespace weft::amqp::sansio {

namespace {

template <class T>
T smaller_limit(T ours, T theirs) {  // 0 means no limit
  if (ours == T{0} || theirs == T{0}) return std::max(ours, theirs);
  return std::min(ours, theirs);
}

bool offers(std::string_view words, std::string_view wanted) {
  while (!words.empty()) {
    const auto word = words.substr(0, words.find(' '));
    if (word == wanted) return true;
    words.remove_prefix(std::min(words.size(), word.size() + 1));
  }
  return false;
}

std::string_view name_of_mechanism(mechanism m) { return m == mechanism::plain ? "PLAIN" : "EXTERNAL"; }

table describe_client(const table& more) {
  table t{{"product", "weft"},
          {"platform", "C++"},
          {"capabilities", table{{"publisher_confirms", true},
                                 {"exchange_exchange_bindings", true},
                                 {"basic.nack", true},
                                 {"consumer_cancel_notify", true},
                                 {"connection.blocked", true},
                                 {"authentication_failure_close", true}}}};
  for (const auto& each : more) t.set(each.name, each.content);
  return t;
}

}  // namespace

void session::start(steady_time now) {
  WEFT_ASSERT(state_ == state::idle, "a session starts once");
  state_ = state::starting;
  tuning_.frame_max = std::max(options_.frame_max, least_frame_max);
  last_sent_ = last_received_ = now;
  output_ += protocol_header;
}

error session::violation(reply_code code, std::string text) {
  const error e{code == reply_code::content_too_large ? errc::resource_exhausted : errc::data_loss,
                "the server broke the protocol: " + text};
  close(code, std::move(text));
  state_ = state::closed;
  return e;
}

result<std::size_t> session::receive(std::string_view bytes, steady_time now, session_events& events) {
  std::size_t used = 0;
  if (!bytes.empty()) last_received_ = now;
  while (state_ != state::closed) {
    auto next = parse_frame(bytes.substr(used), tuning_.frame_max);
    if (!next) {
      if (next.error().code() != errc::data_loss) return state_ = state::closed, fail(std::move(next).error());
      return fail(violation(reply_code::frame_error, std::string{next.error().message()}));
    }
    if (!*next) break;
    used += (*next)->size();
    WEFT_TRY_VOID(on_frame(**next, events));
  }
  return used;
}

result<> session::on_frame(const frame& f, session_events& events) {
  if (f.type == frame_type::heartbeat) return {};
  if (f.channel != 0) return on_channel_frame(f, events);
  if (f.type != frame_type::method) return fail(violation(reply_code::unexpected_frame, "content on channel 0"));
  auto m = parse_method(f.payload);
  if (!m) return fail(violation(reply_code::syntax_error, std::string{m.error().message()}));
  return on_connection_method(*std::move(m), events);
}

// ---- channel 0

result<> session::on_connection_method(method m, session_events& events) {
  if (const auto* close = std::get_if<connection_close>(&m)) return on_close(*close);
  if (state_ == state::closing) {
    if (std::holds_alternative<connection_close_ok>(m)) state_ = state::closed;
    return {};  // whatever else was on its way
  }
  if (const auto* start = std::get_if<connection_start>(&m); start != nullptr && state_ == state::starting)
    return on_start(*start);
  if (const auto* tune = std::get_if<connection_tune>(&m); tune != nullptr && state_ == state::authenticating)
    return on_tune(*tune);
  if (std::holds_alternative<connection_open_ok>(m) && state_ == state::opening) {
    state_ = state::open;
    events.opened();
    return {};
  }
  if (state_ == state::open) {
    if (auto* blocked = std::get_if<connection_blocked>(&m))
      return events.blocked(clean_text(blocked->reason, max_reply_text)), result<>{};
    if (std::holds_alternative<connection_unblocked>(m)) return events.unblocked(), result<>{};
    if (std::holds_alternative<connection_update_secret_ok>(m)) return events.secret_updated(), result<>{};
  }
  return fail(violation(reply_code::command_invalid, std::string{name_of(m)} + " was not expected on channel 0"));
}

result<> session::on_start(const connection_start& m) {
  if (m.version_major != 0 || m.version_minor != 9) {
    state_ = state::closed;
    return fail(errc::failed_precondition, "the server speaks AMQP " + std::to_string(m.version_major) + "-" +
                                               std::to_string(m.version_minor) + ", not 0-9-1");
  }
  const auto wanted = name_of_mechanism(options_.mechanism);
  if (!offers(m.mechanisms, wanted)) {
    state_ = state::closed;
    return fail(error{errc::failed_precondition, "the server does not offer the mechanism " + std::string{wanted} +
                                                     ", only " + clean_text(m.mechanisms, max_reply_text)}
                    .with_remedy("choose another auth_mechanism, or allow it in the server's configuration"));
  }
  server_properties_ = m.server_properties;
  connection_start_ok reply{.client_properties = describe_client(options_.client_properties),
                            .mechanism = std::string{wanted},
                            .locale = "en_US"};
  if (options_.mechanism == mechanism::plain)
    reply.response.append(1, '\0').append(options_.user).append(1, '\0').append(options_.password);
  state_ = state::authenticating;
  return send(0, reply);
}

result<> session::on_tune(const connection_tune& m) {
  const auto channels = smaller_limit(options_.channel_max, m.channel_max);
  tuning_.channel_max = channels == 0 ? std::uint16_t{65'535} : channels;
  // Both sides have a limit: without theirs, ours.
  tuning_.frame_max = smaller_limit(std::max(options_.frame_max, least_frame_max), m.frame_max);
  if (tuning_.frame_max < least_frame_max)
    return fail(violation(reply_code::not_allowed, "a frame_max of " + std::to_string(m.frame_max)));
  const auto theirs = std::chrono::seconds{m.heartbeat};
  tuning_.heartbeat = options_.heartbeat.count() == 0 ? options_.heartbeat : smaller_limit(options_.heartbeat, theirs);
  state_ = state::opening;
  send_or_assert(connection_tune_ok{.channel_max = tuning_.channel_max,
                                    .frame_max = tuning_.frame_max,
                                    .heartbeat = static_cast<std::uint16_t>(tuning_.heartbeat.count())});
  return send(0, connection_open{.virtual_host = options_.virtual_host});
}

result<> session::on_close(const connection_close& m) {
  auto why = error_of_reply(m.reply_code, m.reply_text, {m.class_id, m.method_id});
  const auto code = static_cast<reply_code>(m.reply_code);
  if (state_ == state::authenticating && code == reply_code::access_refused)
    why = error{errc::unauthenticated, why.message()}.with_remedy("check the user and the password");
  else if (state_ == state::opening)
    why = error{code == reply_code::not_allowed ? errc::not_found : why.code(), why.message()}.with_remedy(
        "check the virtual host and the user's permissions on it");
  const bool wanted = state_ == state::closing;
  send_or_assert(connection_close_ok{});
  state_ = state::closed;
  if (wanted) return {};
  return fail(std::move(why));
}

// ---- channels

result<> session::on_channel_frame(const frame& f, session_events& events) {
  if (state_ == state::closing) return {};
  if (state_ != state::open)
    return fail(violation(reply_code::channel_error,
                          "a frame on channel " + std::to_string(f.channel) + " before the connection is open"));
  if (f.channel >= channels_.size() || !channels_[f.channel].taken)
    return fail(violation(reply_code::channel_error,
                          "a frame on channel " + std::to_string(f.channel) + ", which is not open"));
  auto& parts = channels_[f.channel].parts;
  switch (f.type) {
    case frame_type::method:
      return on_channel_method(f, parts, events);
    case frame_type::header:
      return on_content_header(f, parts, events);
    case frame_type::body:
    case frame_type::heartbeat:
      break;
  }
  return on_content_body(f, parts, events);
}

result<> session::on_deliver(const frame& f, assembly& parts) {
  auto* how = std::get_if<basic_deliver>(&parts.so_far.how);
  if (how == nullptr) how = &parts.so_far.how.emplace<basic_deliver>();
  if (auto read = read_deliver(f.payload, *how); !read)
    return fail(violation(reply_code::syntax_error, std::string{read.error().message()}));
  parts.next = assembly::awaiting::header;
  return {};
}

result<> session::on_channel_method(const frame& f, assembly& parts, session_events& events) {
  if (parts.next == assembly::awaiting::nothing && is_deliver(f.payload)) return on_deliver(f, parts);
  auto m = parse_method(f.payload);
  if (!m) return fail(violation(reply_code::syntax_error, std::string{m.error().message()}));
  if (id_of(*m).class_number == connection_start::id.class_number)
    return fail(
        violation(reply_code::command_invalid, std::string{name_of(*m)} + " on channel " + std::to_string(f.channel)));
  if (parts.next != assembly::awaiting::nothing) {
    // Only the end of the channel may come between a method and its content.
    if (!std::holds_alternative<channel_close>(*m))
      return fail(violation(reply_code::unexpected_frame,
                            std::string{name_of(*m)} + " where a message's content was expected"));
    parts = {};
  }
  if (std::holds_alternative<basic_deliver>(*m) || std::holds_alternative<basic_return>(*m) ||
      std::holds_alternative<basic_get_ok>(*m)) {
    parts.so_far.how = *std::move(m);
    parts.next = assembly::awaiting::header;
    return {};
  }
  events.arrived(f.channel, *std::move(m));
  return {};
}

result<> session::on_content_header(const frame& f, assembly& parts, session_events& events) {
  if (parts.next != assembly::awaiting::header)
    return fail(violation(reply_code::unexpected_frame, "a content header without its method"));
  const auto size = parse_content_header(f.payload, parts.so_far.properties);
  if (!size) return fail(violation(reply_code::syntax_error, std::string{size.error().message()}));
  if (*size > options_.message_max)
    return fail(violation(reply_code::content_too_large, "a message of " + std::to_string(*size) +
                                                             " bytes, more than the " +
                                                             std::to_string(options_.message_max) + " allowed"));
  parts.so_far.body.clear();
  parts.missing = *size;
  parts.next = assembly::awaiting::body;
  if (parts.missing > 0) return {};
  parts.next = assembly::awaiting::nothing;
  events.arrived(f.channel, std::move(parts.so_far));
  return {};
}

result<> session::on_content_body(const frame& f, assembly& parts, session_events& events) {
  if (parts.next != assembly::awaiting::body)
    return fail(violation(reply_code::unexpected_frame, "a message's body without its header"));
  if (f.payload.size() > parts.missing)
    return fail(violation(reply_code::frame_error, "a message's body is longer than its header says"));
  parts.so_far.body += f.payload;
  parts.missing -= f.payload.size();
  if (parts.missing > 0) return {};
  parts.next = assembly::awaiting::nothing;
  events.arrived(f.channel, std::move(parts.so_far));
  return {};
}

result<std::uint16_t> session::take_channel() {
  for (std::size_t number = 1; number < channels_.size(); ++number)
    if (!channels_[number].taken) {
      channels_[number] = {.taken = true, .parts = {}};
      return static_cast<std::uint16_t>(number);
    }
  if (channels_.size() > tuning_.channel_max)
    return fail(errc::resource_exhausted,
                "all " + std::to_string(tuning_.channel_max) + " channels of the connection are in use");
  channels_.push_back({.taken = true, .parts = {}});
  return static_cast<std::uint16_t>(channels_.size() - 1);
}

void session::release_channel(std::uint16_t number) { channels_.at(number) = {}; }

// ---- sending

result<> session::send(std::uint16_t channel, const method& m) {
  return append_method(output_, channel, m, tuning_.frame_max);
}

result<> session::send(std::uint16_t channel, const message& m) {
  return append_message(output_, channel, m, tuning_.frame_max);
}

void session::send_or_assert(const method& m) {
  const auto sent = send(0, m);
  WEFT_ASSERT(sent, "a method of the connection fits a frame");
}

void session::update_secret(std::string secret, std::string reason) {
  options_.password = secret;
  send_or_assert(connection_update_secret{.new_secret = std::move(secret),
                                          .reason = std::string{utf8_prefix(reason, max_reply_text)}});
}

void session::close(reply_code code, std::string text) {
  if (state_ == state::closing || state_ == state::closed) return;
  if (state_ == state::idle) {
    state_ = state::closed;
    return;
  }
  send_or_assert(connection_close{.reply_code = static_cast<std::uint16_t>(code),
                                  .reply_text = std::string{utf8_prefix(text, max_reply_text)}});
  state_ = state::closing;
}

// ---- time

steady_time session::deadline() const noexcept {
  if (tuning_.heartbeat.count() == 0 || state_ == state::closed) return steady_time::max();
  const duration interval = tuning_.heartbeat;
  return std::min(later(last_sent_, interval / 2), later(last_received_, 2 * interval));
}

result<> session::tick(steady_time now) {
  if (tuning_.heartbeat.count() == 0 || state_ == state::closed) return {};
  const duration interval = tuning_.heartbeat;
  if (now >= later(last_received_, 2 * interval)) {
    state_ = state::closed;
    return fail(errc::unavailable,
                "the server has been silent for two heartbeats of " + std::to_string(tuning_.heartbeat.count()) + " s");
  }
  if (now >= later(last_sent_, interval / 2)) {
    append_heartbeat(output_);
    last_sent_ = now;
  }
  return {};
}

}  // namespace weft::amqp::sansio
