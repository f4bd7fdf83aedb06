#pragma once
// Messages as AMQP's content, and back.
//
// id -> message_id, content_type, priority, time_to_live -> expiration; headers are headers. The topic is the routing
// key; the key is the header weft-key. Copies that go straight to a queue carry the topic in weft-topic.
//
// What others publish arrives too: numbers and truth values in headers become text; correlation_id, reply_to, type,
// app_id and timestamp become headers of these names with dashes, unless there are such; CloudEvents attributes in the
// form of the AMQP binding ("cloudEvents:type", "cloudEvents_type") become "ce-type".
#include <weft/amqp/channel.hpp>
#include <weft/messaging/broker.hpp>
#include <weft/messaging/broker_admin.hpp>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace weft::messaging {

namespace amqp_header {
inline constexpr std::string_view key = "weft-key";
inline constexpr std::string_view partition = "weft-partition";  // what a partition is chosen by: the key, or the id
inline constexpr std::string_view topic = "weft-topic";
inline constexpr std::string_view attempt = "weft-attempt";
inline constexpr std::string_view failures = "weft-failures";
inline constexpr std::string_view expires = "weft-expires";  // milliseconds since 1970
inline constexpr std::string_view due = "weft-due";          // the same
inline constexpr std::string_view reason = "weft-reason";
inline constexpr std::string_view number = "weft-number";
}  // namespace amqp_header

enum class partitioned : std::uint8_t { no, yes };

// errc::invalid_argument for a header of the user's that has one of the names above.
[[nodiscard]] result<amqp::message> to_amqp(const message& m, partitioned how, wall_time now);
// Of a copy, for a queue: with the topic, the attempt and the failures.
struct copy_notes {
  std::uint32_t attempt = 1;
  const std::vector<failure>* failures = nullptr;
  std::optional<wall_time> expires;
};
// Longest text of a failure, and of the reason of a dead letter: errors quote whatever anybody said.
inline constexpr std::size_t max_note_text = 1024;
// Shortens failures and reason, and leaves them out in the end, until the properties fit into a frame.
void fit_notes(amqp::properties& p, std::uint32_t frame_max);
[[nodiscard]] amqp::message to_amqp_copy(const message& m, const copy_notes& notes, partitioned how);

struct received_message {
  message_ptr what;
  std::uint32_t attempt = 1;
  std::vector<failure> failures;
  std::optional<wall_time> expires;
};
[[nodiscard]] received_message from_amqp(amqp::message&& m);

// A dead letter, of ours or put there by the broker (x-death).
[[nodiscard]] dead_letter_entry dead_letter_from_amqp(amqp::message&& m, std::string group);

// What is beyond the range is its end: others write such numbers, too.
[[nodiscard]] std::int64_t milliseconds_of(wall_time at) noexcept;
[[nodiscard]] wall_time wall_time_of(std::int64_t milliseconds) noexcept;

}  // namespace weft::messaging
