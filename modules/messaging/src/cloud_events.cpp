#include <weft/messaging/cloud_events.hpp>

#include <algorithm>

#include "binary_mode.hpp"
#include "event_rules.hpp"

namespace weft::messaging {

using namespace event_rules;

namespace {

constexpr std::string_view spec_version = "1.0";

message to_binary(event&& e, std::string topic) {
  message m;
  m.topic = std::move(topic);
  m.key = e.get(extension::partitionkey);
  m.content_type = std::move(e.data_content_type);
  m.body = std::move(e.data);
  m.fields.reserve(7 + e.extensions.size(), 128 + e.id.size() + e.source.size() + e.type.size() + e.subject.size() +
                                                e.data_schema.size() + e.extensions.text().size() +
                                                header_prefix.size() * e.extensions.size());
  m.fields.append("ce-specversion", spec_version);
  m.fields.append("ce-id", e.id);
  m.fields.append("ce-source", e.source);
  m.fields.append("ce-type", e.type);
  if (e.time) m.fields.append("ce-time", format_rfc3339(*e.time));
  if (!e.subject.empty()) m.fields.append("ce-subject", e.subject);
  if (!e.data_schema.empty()) m.fields.append("ce-dataschema", e.data_schema);
  for (const auto& x : e.extensions) m.fields.append(header_prefix, x.name, x.value);
  m.id = std::move(e.id);
  return m;
}

std::unexpected<error> wrong_header(std::string_view name, std::string_view why) {
  return fail(errc::invalid_argument, "header ce-" + std::string{name} + ": " + std::string{why});
}

// As most publishers write it, and of no day that a month may lack: nothing else has to be asked.
bool surely_a_time(std::string_view text) {
  constexpr std::string_view shape = "dddd-dd-ddTdd:dd:dd", highest = "9999-12-28T23:59:59";
  if (text.size() <= shape.size() || text.back() != 'Z') return false;
  const auto digit = [](char c) { return c >= '0' && c <= '9'; };
  for (std::size_t i = 0; i < shape.size(); ++i)
    if (shape[i] == 'd' ? !digit(text[i]) : text[i] != shape[i]) return false;
  for (const std::size_t two : {5, 8, 11, 14, 17})
    if (text.substr(two, 2) > highest.substr(two, 2)) return false;
  if (text.substr(5, 2) == "00" || text.substr(8, 2) == "00") return false;
  const auto rest = text.substr(shape.size());  // "Z", ".25Z"
  return rest.size() == 1 || (rest.size() > 2 && rest.size() <= 11 && rest.front() == '.' &&
                              std::ranges::all_of(rest.substr(1, rest.size() - 2), digit));
}

result<> take_time(event_view& e, std::string_view value) {
  if (!surely_a_time(value) && !parse_rfc3339(value))
    return wrong_header("time", "'" + std::string{value} + "' is no RFC 3339 time");
  e.set_time(value);
  return {};
}

// Where an attribute goes that is kept as it is; null for others.
std::string_view* place_of(event_view& e, std::string_view name) {
  switch (name.size()) {
    case 2:
      return name == "id" ? &e.id : nullptr;
    case 4:
      return name == "type" ? &e.type : nullptr;
    case 6:
      return name == "source" ? &e.source : nullptr;
    case 7:
      return name == "subject" ? &e.subject : nullptr;
    case 10:
      return name == "dataschema" ? &e.data_schema : nullptr;
    default:
      return nullptr;
  }
}

result<> take_attribute(event_view& e, std::string_view name, std::string_view value) {
  if (auto* place = place_of(e, name)) return *place = value, result<>{};
  if (name == "time") return take_time(e, value);
  if (name == "specversion") {
    if (value == spec_version) return {};
    return wrong_header(name, "'" + std::string{value} + "' is not supported, only 1.0 is");
  }
  if (name == "datacontenttype") return wrong_header(name, "in binary mode the content type of the message says it");
  return check_extension_name(name);
}

// The characters of all headers are looked at in one go; only if they are not plain, at each for itself.
result<> check_texts(const event_view& e, const headers& fields) {
  for (const auto& [name, value] : {std::pair{"id", e.id}, {"source", e.source}, {"type", e.type}})
    if (value.empty()) return wrong(name, "is required");
  if (fields.text().size() <= max_attribute_bytes && plain(fields.text())) return {};
  for (const auto& h : fields)
    if (h.name.starts_with(header_prefix)) WEFT_TRY_VOID(check_text(h.name.substr(header_prefix.size()), h.value));
  return {};
}

// A key may be any bytes, an attribute may not: the event stays one that can be published again.
std::string_view key_as_attribute(const message& m) {
  return check_text(extension::partitionkey, m.key) ? std::string_view{m.key} : std::string_view{};
}

// RFC 9110 8.3.1: types are compared without regard to case.
bool has_type_prefix(std::string_view content_type, std::string_view lower) {
  const auto same = [](char x, char y) { return (x >= 'A' && x <= 'Z' ? x + 32 : x) == y; };
  return content_type.size() >= lower.size() && std::ranges::equal(content_type.substr(0, lower.size()), lower, same);
}

bool is_cloud_events_type(std::string_view content_type) {
  return has_type_prefix(content_type, "application/cloudevents");
}

}  // namespace

result<message> to_message(event e, std::string topic, event_mode mode) {
  WEFT_TRY_VOID(e.validate());
  if (mode == event_mode::binary) return to_binary(std::move(e), std::move(topic));
  message m;
  WEFT_TRY(m.body, to_structured_json(e));
  m.id = e.id;
  m.topic = std::move(topic);
  m.key = e.get(extension::partitionkey);
  m.content_type = cloud_events_json;
  return m;
}

result<event_view> view_binary(const message& m) {
  event_view e{m.fields, header_prefix, key_as_attribute(m)};
  for (const auto& h : m.fields)
    if (h.name.starts_with(header_prefix))
      WEFT_TRY_VOID(take_attribute(e, h.name.substr(header_prefix.size()), h.value));
  WEFT_TRY_VOID(check_texts(e, m.fields));
  WEFT_TRY_VOID(check_uri("source", e.source));
  if (!e.data_schema.empty()) WEFT_TRY_VOID(check_schema(e.data_schema));
  if (!m.content_type.empty()) WEFT_TRY_VOID(check_media_type(m.content_type));
  e.data_content_type = m.content_type;
  e.data = m.body;
  return e;
}

namespace {

result<event> unpack(const message& m) {
  if (is_cloud_events_type(m.content_type)) {
    if (is_json_type(m.content_type) && !has_type_prefix(m.content_type, "application/cloudevents-batch"))
      return from_structured_json(m.body);
    return fail(errc::invalid_argument, "events as '" + m.content_type + "' are not read, only " +
                                            std::string{cloud_events_json} + " and binary mode");
  }
  if (m.body.starts_with('{') || is_json_type(m.content_type)) return from_plain_envelope(m.body, m.id);
  return fail(errc::invalid_argument,
              "no event: neither ce- headers, nor " + std::string{cloud_events_json} + ", nor JSON with an eventType");
}

std::unexpected<error> unreadable(const message& m, const error& why) {
  return fail(why.with_operation("reading event " + (m.id.empty() ? "without id" : m.id) + " from " + m.topic));
}

}  // namespace

result<event_view> view_event(const message& m, std::optional<event>& room) {
  if (!is_cloud_events_type(m.content_type) && m.fields.contains("ce-specversion")) {
    auto e = view_binary(m);
    if (!e) return unreadable(m, e.error());
    return e;
  }
  auto e = unpack(m);
  if (!e) return unreadable(m, e.error());
  if (const auto key = key_as_attribute(m); !key.empty() && e->get(extension::partitionkey).empty())
    e->set(extension::partitionkey, key);
  return room.emplace(*std::move(e));
}

result<event> to_event(const message& m) {
  std::optional<event> room;
  WEFT_TRY(const auto e, view_event(m, room));
  return room ? *std::move(room) : e.copy();
}

}  // namespace weft::messaging
