#include <weft/amqp/frame.hpp>

#include "method_fields.hpp"
#include "wire.hpp"

#include <algorithm>

namespace weft::amqp {

namespace {

constexpr char frame_end = '\xce';

// Ends the frame that began at `begin` in `out`, or takes it back.
result<> close_frame(std::string& out, std::size_t begin, std::uint32_t frame_max, std::string_view what) {
  const auto size = out.size() - begin - (frame_overhead - 1);
  if (size + frame_overhead > frame_max) {
    out.resize(begin);
    return fail(errc::invalid_argument, std::string{what} + " takes " + std::to_string(size + frame_overhead) +
                                            " bytes, more than a frame of " + std::to_string(frame_max) + " may have");
  }
  for (std::size_t i = 0; i < 4; ++i) out[begin + 3 + i] = static_cast<char>(size >> (8 * (3 - i)) & 0xff);
  out += frame_end;
  return {};
}

void open_frame(std::string& out, frame_type type, std::uint16_t channel) {
  const char bytes[] = {
      static_cast<char>(type), static_cast<char>(channel >> 8), static_cast<char>(channel & 0xff), 0, 0, 0, 0};
  out.append(bytes, sizeof bytes);
}

template <class Write>
result<> append_frame(std::string& out, frame_type type, std::uint16_t channel, std::uint32_t frame_max,
                      std::string_view what, Write write) {
  const auto begin = out.size();
  open_frame(out, type, channel);
  wire_writer w{out};
  write(w);
  if (auto written = w.outcome(); !written) {
    out.resize(begin);
    return fail(error{written.error().code(), std::string{what} + ": " + std::string{written.error().message()}});
  }
  return close_frame(out, begin, frame_max, what);
}

// The property flags, from the highest bit: 4.2.6.1.
enum property_flag : std::uint16_t {
  has_content_type = 1U << 15,
  has_content_encoding = 1U << 14,
  has_headers = 1U << 13,
  has_delivery_mode = 1U << 12,
  has_priority = 1U << 11,
  has_correlation_id = 1U << 10,
  has_reply_to = 1U << 9,
  has_expiration = 1U << 8,
  has_message_id = 1U << 7,
  has_timestamp = 1U << 6,
  has_type = 1U << 5,
  has_user_id = 1U << 4,
  has_app_id = 1U << 3,
  has_cluster_id = 1U << 2,
};

constexpr std::uint16_t basic_class = 60;

std::uint16_t flags_of(const properties& p) {
  unsigned flags = 0;
  const auto flag = [&flags](bool present, property_flag f) {
    if (present) flags |= f;
  };
  flag(!p.content_type.empty(), has_content_type);
  flag(!p.content_encoding.empty(), has_content_encoding);
  flag(!p.headers.empty(), has_headers);
  flag(p.delivery_mode.has_value(), has_delivery_mode);
  flag(p.priority.has_value(), has_priority);
  flag(!p.correlation_id.empty(), has_correlation_id);
  flag(!p.reply_to.empty(), has_reply_to);
  flag(!p.expiration.empty(), has_expiration);
  flag(!p.message_id.empty(), has_message_id);
  flag(p.timestamp.has_value(), has_timestamp);
  flag(!p.type.empty(), has_type);
  flag(!p.user_id.empty(), has_user_id);
  flag(!p.app_id.empty(), has_app_id);
  flag(!p.cluster_id.empty(), has_cluster_id);
  return static_cast<std::uint16_t>(flags);
}

void write_properties(wire_writer& w, const properties& p) {
  const auto flags = flags_of(p);
  w.short_uint(flags);
  const auto text = [&](property_flag f, const std::string& v) {
    if ((flags & f) != 0) w.short_string(v);
  };
  text(has_content_type, p.content_type);
  text(has_content_encoding, p.content_encoding);
  if ((flags & has_headers) != 0) w.table(p.headers);
  if (p.delivery_mode) w.octet(static_cast<std::uint8_t>(*p.delivery_mode));
  if (p.priority) w.octet(*p.priority);
  text(has_correlation_id, p.correlation_id);
  text(has_reply_to, p.reply_to);
  text(has_expiration, p.expiration);
  text(has_message_id, p.message_id);
  if (p.timestamp) w.long_long_uint(p.timestamp->seconds);
  text(has_type, p.type);
  text(has_user_id, p.user_id);
  text(has_app_id, p.app_id);
  text(has_cluster_id, p.cluster_id);
}

// Also clears what is absent.
void read_properties(wire_reader& r, properties& p) {
  const auto flags = r.integer<std::uint16_t>();
  const auto text = [&](property_flag f, std::string& v) {
    if ((flags & f) != 0)
      r.short_string(v);
    else
      v.clear();
  };
  text(has_content_type, p.content_type);
  text(has_content_encoding, p.content_encoding);
  if (!p.headers.empty()) p.headers = {};
  if ((flags & has_headers) != 0) r.table(p.headers);
  p.delivery_mode.reset();
  if ((flags & has_delivery_mode) != 0) p.delivery_mode = static_cast<delivery_mode>(r.integer<std::uint8_t>());
  p.priority.reset();
  if ((flags & has_priority) != 0) p.priority = r.integer<std::uint8_t>();
  text(has_correlation_id, p.correlation_id);
  text(has_reply_to, p.reply_to);
  text(has_expiration, p.expiration);
  text(has_message_id, p.message_id);
  p.timestamp.reset();
  if ((flags & has_timestamp) != 0) p.timestamp = timestamp{r.integer<std::uint64_t>()};
  text(has_type, p.type);
  text(has_user_id, p.user_id);
  text(has_app_id, p.app_id);
  text(has_cluster_id, p.cluster_id);
}

error not_a_frame(std::string text) { return error{errc::data_loss, text}; }

}  // namespace

result<std::optional<frame>> parse_frame(std::string_view bytes, std::uint32_t frame_max) {
  if (bytes.empty()) return std::nullopt;
  const auto type = static_cast<frame_type>(bytes[0]);
  if (type != frame_type::method && type != frame_type::header && type != frame_type::body &&
      type != frame_type::heartbeat) {
    if (bytes.starts_with("AMQP") || protocol_header.starts_with(bytes.substr(0, 4)))
      return bytes.size() < protocol_header.size()
                 ? result<std::optional<frame>>{std::nullopt}
                 : fail(errc::failed_precondition, "the server does not speak AMQP 0-9-1");
    return fail(not_a_frame("a frame of unknown type " + std::to_string(static_cast<unsigned char>(bytes[0])) +
                            "; is this an AMQP server?"));
  }
  if (bytes.size() < frame_overhead - 1) return std::nullopt;
  wire_reader r{bytes.substr(1, 6)};
  const auto channel = r.integer<std::uint16_t>();
  const std::size_t size = r.integer<std::uint32_t>();
  if (size + frame_overhead > frame_max)
    return fail(not_a_frame("a frame of " + std::to_string(size + frame_overhead) + " bytes on channel " +
                            std::to_string(channel) + ", more than the " + std::to_string(frame_max) + " agreed on"));
  if (type == frame_type::heartbeat && (channel != 0 || size != 0))
    return fail(not_a_frame("a heartbeat with a channel or content"));
  if (bytes.size() < size + frame_overhead) return std::nullopt;
  if (bytes[size + frame_overhead - 1] != frame_end)
    return fail(not_a_frame("a frame on channel " + std::to_string(channel) + " that does not end with 0xCE"));
  return frame{type, channel, bytes.substr(frame_overhead - 1, size)};
}

result<method> parse_method(std::string_view payload) {
  wire_reader r{payload};
  const auto class_number = r.integer<std::uint16_t>();
  const method_id wanted{class_number, r.integer<std::uint16_t>()};
  if (r.failed()) return fail(errc::data_loss, "a method frame of " + std::to_string(payload.size()) + " bytes");
  return read_method(r, wanted);
}

result<content_header> parse_content_header(std::string_view payload) {
  content_header header;
  WEFT_TRY(header.body_size, parse_content_header(payload, header.properties));
  return header;
}

result<std::uint64_t> parse_content_header(std::string_view payload, properties& into) {
  wire_reader r{payload};
  const auto class_number = r.integer<std::uint16_t>();
  const auto weight = r.integer<std::uint16_t>();
  if (!r.failed() && (class_number != basic_class || weight != 0))
    return fail(errc::data_loss, "a content header of class " + std::to_string(class_number) + ", weight " +
                                     std::to_string(weight) + "; only class 60, weight 0 has content");
  const auto body_size = r.integer<std::uint64_t>();
  read_properties(r, into);
  WEFT_TRY_VOID(r.outcome("a content header"));
  return body_size;
}

result<> append_method(std::string& out, std::uint16_t channel, const method& m, std::uint32_t frame_max) {
  return append_frame(out, frame_type::method, channel, frame_max, name_of(m),
                      [&](wire_writer& w) { write_method(w, m); });
}

result<> append_content(std::string& out, std::uint16_t channel, const properties& p, std::string_view body,
                        std::uint32_t frame_max) {
  WEFT_TRY_VOID(
      append_frame(out, frame_type::header, channel, frame_max, "the message's properties", [&](wire_writer& w) {
        w.short_uint(basic_class);
        w.short_uint(0);
        w.long_long_uint(body.size());
        write_properties(w, p);
      }));
  const std::size_t most = frame_max - frame_overhead;
  while (!body.empty()) {
    const auto begin = out.size();
    open_frame(out, frame_type::body, channel);
    out += body.substr(0, most);
    body.remove_prefix(std::min(most, body.size()));
    WEFT_TRY_VOID(close_frame(out, begin, frame_max, "a message's body"));
  }
  return {};
}

result<> append_message(std::string& out, std::uint16_t channel, const message& m, std::uint32_t frame_max) {
  const auto begin = out.size();
  WEFT_TRY_VOID(append_frame(out, frame_type::method, channel, frame_max, basic_publish::name, [&](wire_writer& w) {
    w.short_uint(basic_publish::id.class_number);
    w.short_uint(basic_publish::id.method_number);
    w.short_uint(0);
    w.short_string(m.exchange);
    w.short_string(m.routing_key);
    w.bit(m.unroutable == unroutable::is_an_error);
    w.bit(false);
  }));
  auto content = append_content(out, channel, m.properties, m.body, frame_max);
  if (!content) out.resize(begin);
  return content;
}

void append_heartbeat(std::string& out) {
  open_frame(out, frame_type::heartbeat, 0);
  out += frame_end;
}

result<std::string> encode_table(const table& t) {
  std::string out;
  wire_writer w{out};
  w.table(t);
  WEFT_TRY_VOID(w.outcome());
  return out;
}

result<table> parse_table(std::string_view bytes) {
  table t;
  wire_reader r{bytes};
  r.table(t);
  WEFT_TRY_VOID(r.outcome("a table"));
  return t;
}

}  // namespace weft::amqp
