// Events out of messages: CloudEvents in binary and structured mode, and the plain envelope. Properties: nothing
// crashes, what was read is valid, and survives being written and read again, in both modes.
//
// The first byte chooses the mode. Binary: lines "name: value" until an empty one, then the data; else the body alone.
#include <weft/messaging/cloud_events.hpp>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

namespace {

using namespace weft::messaging;

void require(bool holds) {
  if (!holds) std::abort();
}

message binary_message(std::string_view text) {
  message m{.id = "outer", .topic = "fuzz", .key = {}, .fields = {}, .body = {}, .content_type = {}};
  while (!text.empty()) {
    const auto end = text.find('\n');
    const auto line = text.substr(0, end);
    text.remove_prefix(end == text.npos ? text.size() : end + 1);
    if (line.empty()) break;
    const auto colon = line.find(": ");
    if (colon == line.npos) continue;
    const auto name = line.substr(0, colon);
    const std::string value{line.substr(colon + 2)};
    if (name == "content-type")
      m.content_type = value;
    else if (name == "key")
      m.key = value;
    else
      m.fields.set(name, value);
  }
  m.body = text;
  return m;
}

message message_of(std::uint8_t mode, std::string_view rest) {
  if (mode % 4 == 0) return binary_message(rest);
  message m{.id = "outer", .topic = "fuzz", .key = {}, .fields = {}, .body = std::string{rest}, .content_type = {}};
  if (mode % 4 == 1) m.content_type = cloud_events_json;
  if (mode % 4 == 2) m.content_type = json_content_type;
  return m;
}

void check_event(const event& e) {
  require(e.validate().has_value());
  const auto binary = to_message(e, "again", event_mode::binary);
  require(binary.has_value());
  const auto read = to_event(*binary);
  require(read.has_value() && *read == e);
  // Data that calls itself JSON and is none cannot stand in a structured event.
  const auto structured = to_message(e, "again", event_mode::structured);
  if (!structured) return;
  const auto again = to_event(*structured);
  require(again.has_value());
  const auto twice = to_message(*again, "again", event_mode::structured);
  require(twice.has_value() && twice->body == structured->body);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view rest{reinterpret_cast<const char*>(data) + 1, size - 1};
  if (const auto e = to_event(message_of(data[0], rest)))
    check_event(*e);
  else
    require(!e.error().message().empty());
  return 0;
}
