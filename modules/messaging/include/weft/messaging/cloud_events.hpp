#pragma once
// Events as messages, and messages as events.
//
// binary mode: attributes in headers "ce-id", "ce-type" ..., the data as the body, its type as the content type. (What
// a protocol calls them on the wire, such as AMQP's "cloudEvents:id", is its backend's business.)
// structured mode: all of it as one JSON object, application/cloudevents+json.
//
// Read are both, and the envelope {eventType, eventId, aggregateId, aggregateType, eventData, metadata {timestamp,
// version, source, correlationId}} of JSON publishers that do not know CloudEvents:
//   eventType -> type, eventId -> id, aggregateId -> subject, aggregateid and partitionkey, aggregateType ->
//   aggregatetype, eventData -> data, timestamp -> time, the whole part of version -> schemaversion, source,
//   correlationId -> correlationid; other plain metadata -> an extension of the name in lower case, if it fits one.
#include <weft/messaging/event_view.hpp>
#include <weft/messaging/message.hpp>

#include <optional>
#include <string>
#include <string_view>

namespace weft::messaging {

enum class event_mode : std::uint8_t { binary, structured };

inline constexpr std::string_view cloud_events_json = "application/cloudevents+json";
inline constexpr std::string_view header_prefix = "ce-";

// The message's id is the event's, its key the extension partitionkey. Refuses what event::validate() refuses.
[[nodiscard]] result<message> to_message(event e, std::string topic, event_mode mode);
// errc::invalid_argument says what is wrong and where: "$.time: ...", "header ce-id: ...".
[[nodiscard]] result<event> to_event(const message& m);
// The same without a copy, where the message has it in binary mode; else it is unpacked into `room`. Lives as long as
// both.
[[nodiscard]] result<event_view> view_event(const message& m, std::optional<event>& room);

// The JSON format alone.
[[nodiscard]] result<std::string> to_structured_json(const event& e);
[[nodiscard]] result<event> from_structured_json(std::string_view text);
// The envelope above alone. Without an eventId, `otherwise_id` counts.
[[nodiscard]] result<event> from_plain_envelope(std::string_view text, std::string_view otherwise_id = {});

}  // namespace weft::messaging
