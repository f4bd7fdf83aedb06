#pragma once
// The codec: AMQP 0-9-1 frames to values and back, without I/O.
//
//     WEFT_TRY(const auto f, amqp::parse_frame(received, frame_max));
//     if (f && f->type == amqp::frame_type::method) { WEFT_TRY(auto m, amqp::parse_method(f->payload)); ... }
//     WEFT_TRY_VOID(amqp::append_method(out, channel, amqp::queue_declare{.queue = "mails"}, frame_max));
//
// Parsing fails with errc::data_loss and names what is wrong and where; such a connection cannot go on. What it builds
// is bounded: a frame by `frame_max`, tables by a depth of 32 and 16,384 values in a frame. Appending fails with
// errc::invalid_argument when a value does not fit its field, and leaves `out` as it was.
// Source: AMQP 0-9-1, 2.3.5 and 4.2.
#include <weft/amqp/message.hpp>
#include <weft/amqp/method.hpp>
#include <weft/base/error.hpp>

#include <cstddef>

namespace weft::amqp {

inline constexpr std::string_view protocol_header{"AMQP\0\0\x09\x01", 8};
inline constexpr std::uint32_t least_frame_max = 4096;  // what both sides accept before tuning
inline constexpr std::size_t frame_overhead = 8;        // type, channel, size; end

enum class frame_type : std::uint8_t { method = 1, header = 2, body = 3, heartbeat = 8 };

struct frame {
  frame_type type = frame_type::heartbeat;
  std::uint16_t channel = 0;
  std::string_view payload;  // within the bytes that were parsed
  [[nodiscard]] std::size_t size() const noexcept { return payload.size() + frame_overhead; }
};

// The frame at the front of `bytes`; nullopt when more bytes are needed, of which at most `frame_max` are.
[[nodiscard]] result<std::optional<frame>> parse_frame(std::string_view bytes, std::uint32_t frame_max);

[[nodiscard]] result<method> parse_method(std::string_view payload);

// The frame that follows a method with content (publish, deliver, return, get-ok).
struct content_header {
  std::uint64_t body_size = 0;
  amqp::properties properties;
  friend bool operator==(const content_header&, const content_header&) = default;
};
[[nodiscard]] result<content_header> parse_content_header(std::string_view payload);
// The same into properties that held others before, whose room is used again. The body's size.
[[nodiscard]] result<std::uint64_t> parse_content_header(std::string_view payload, properties& into);

[[nodiscard]] result<> append_method(std::string& out, std::uint16_t channel, const method& m, std::uint32_t frame_max);
// The content header and the body, in as many frames as it takes.
[[nodiscard]] result<> append_content(std::string& out, std::uint16_t channel, const properties& p,
                                      std::string_view body, std::uint32_t frame_max);
// basic.publish with its content; `message::unroutable` decides on mandatory.
[[nodiscard]] result<> append_message(std::string& out, std::uint16_t channel, const message& m,
                                      std::uint32_t frame_max);
void append_heartbeat(std::string& out);

// One value or table, without a frame around it.
[[nodiscard]] result<std::string> encode_table(const table& t);
[[nodiscard]] result<table> parse_table(std::string_view bytes);

}  // namespace weft::amqp
