#pragma once
// The envelope of events: CloudEvents 1.0 (https://github.com/cloudevents/spec, v1.0.2), with the extensions that weft
// gives a meaning to.
//
//     event e{.id = "018f...", .source = "/users", .type = "user.created", .data = R"({"id":7})"};
//     e.set(extension::aggregateid, "7");
//     WEFT_TRY(auto m, to_message(e, "user.created", event_mode::binary));         // cloud_events.hpp
#include <weft/base/error.hpp>
#include <weft/base/time.hpp>
#include <weft/messaging/message.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace weft::messaging {

namespace extension {
inline constexpr std::string_view aggregateid = "aggregateid";
inline constexpr std::string_view aggregatetype = "aggregatetype";
inline constexpr std::string_view correlationid = "correlationid";  // one for all that a request set in motion
inline constexpr std::string_view causationid = "causationid";      // the id of the event that led to this one
inline constexpr std::string_view tenant = "tenant";
inline constexpr std::string_view schemaversion = "schemaversion";  // of the data: 1, 2, ...
inline constexpr std::string_view partitionkey = "partitionkey";    // the message's key
inline constexpr std::string_view traceparent = "traceparent";
inline constexpr std::string_view tracestate = "tracestate";
}  // namespace extension

inline constexpr std::string_view json_content_type = "application/json";

struct event {
  std::string id;      // unique within the source
  std::string source;  // a URI reference: who says so
  std::string type;    // what happened
  std::string subject;
  std::optional<wall_time> time;
  std::string data_content_type;  // of data; empty counts as JSON
  std::string data_schema;        // a URI
  std::string data;               // as it is: JSON text, or any bytes
  headers extensions;             // by their names, values as text

  [[nodiscard]] std::string_view get(std::string_view name) const noexcept { return extensions.get(name); }
  void set(std::string_view name, std::string_view value) { extensions.set(name, value); }
  // The extension schemaversion, or 1.
  [[nodiscard]] std::uint32_t schema_version() const noexcept;
  [[nodiscard]] bool data_is_json() const noexcept;

  // errc::invalid_argument names the attribute: one that is required and empty, no URI, no media type, a name that is
  // not lower-case letters and digits or that is one of the specification's own, control characters, invalid UTF-8.
  [[nodiscard]] result<> validate() const;
  friend bool operator==(const event&, const event&) = default;
};

// application/json, text/json, anything/something+json, with or without parameters.
[[nodiscard]] bool is_json_type(std::string_view content_type) noexcept;

}  // namespace weft::messaging
