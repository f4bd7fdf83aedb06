#include <weft/messaging/cloud_events.hpp>
#include <weft/messaging/text_encoding.hpp>

#include <algorithm>

namespace weft::messaging {

namespace {

constexpr std::string_view spec_version = "1.0";

std::string header_name(std::string_view attribute) { return std::string{header_prefix} + std::string{attribute}; }

message to_binary(event&& e, std::string topic) {
  message m;
  m.topic = std::move(topic);
  m.key = e.get(extension::partitionkey);
  m.content_type = std::move(e.data_content_type);
  m.body = std::move(e.data);
  m.fields.reserve(5 + e.extensions.size());
  m.fields.append("ce-specversion", std::string{spec_version});
  m.fields.append("ce-id", e.id);
  m.fields.append("ce-source", std::move(e.source));
  m.fields.append("ce-type", std::move(e.type));
  if (e.time) m.fields.append("ce-time", format_rfc3339(*e.time));
  if (!e.subject.empty()) m.fields.append("ce-subject", std::move(e.subject));
  if (!e.data_schema.empty()) m.fields.append("ce-dataschema", std::move(e.data_schema));
  for (const auto& x : e.extensions) m.fields.append(header_name(x.name), x.value);
  m.id = std::move(e.id);
  return m;
}

std::unexpected<error> wrong_header(std::string_view name, std::string_view why) {
  return fail(errc::invalid_argument, "header ce-" + std::string{name} + ": " + std::string{why});
}

result<> take_attribute(event& e, std::string_view name, const std::string& value) {
  if (name == "id") {
    e.id = value;
  } else if (name == "source") {
    e.source = value;
  } else if (name == "type") {
    e.type = value;
  } else if (name == "subject") {
    e.subject = value;
  } else if (name == "dataschema") {
    e.data_schema = value;
  } else if (name == "time") {
    const auto at = parse_rfc3339(value);
    if (!at) return wrong_header(name, "'" + value + "' is no RFC 3339 time");
    e.time = *at;
  } else if (name == "specversion") {
    if (value != spec_version) return wrong_header(name, "'" + value + "' is not supported, only 1.0 is");
  } else if (name == "datacontenttype") {
    return wrong_header(name, "in binary mode the content type of the message says it");
  } else {
    e.extensions.append(name, value);
  }
  return {};
}

result<event> from_binary(const message& m) {
  event e;
  e.extensions.reserve(m.fields.size());
  for (const auto& h : m.fields)
    if (h.name.starts_with(header_prefix))
      WEFT_TRY_VOID(take_attribute(e, std::string_view{h.name}.substr(header_prefix.size()), h.value));
  e.data_content_type = m.content_type;
  e.data = m.body;
  WEFT_TRY_VOID(e.validate());
  return e;
}

// A key may be any bytes, an attribute may not: the event stays one that can be published again.
bool fits_attribute(const std::string& text) {
  event probe{.id = "1", .source = "/", .type = "x"};
  probe.set(extension::partitionkey, text);
  return probe.validate().has_value();
}

bool is_cloud_events_type(std::string_view content_type) { return content_type.starts_with("application/cloudevents"); }

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

result<event> to_event(const message& m) {
  const auto unreadable = [&](const error& why) {
    return fail(why.with_operation("reading event " + (m.id.empty() ? "without id" : m.id) + " from " + m.topic));
  };
  result<event> e;
  if (is_cloud_events_type(m.content_type)) {
    if (!is_json_type(m.content_type) || m.content_type.starts_with("application/cloudevents-batch"))
      e = fail(errc::invalid_argument, "events as '" + m.content_type + "' are not read, only " +
                                           std::string{cloud_events_json} + " and binary mode");
    else
      e = from_structured_json(m.body);
  } else if (m.fields.find("ce-specversion") != nullptr) {
    e = from_binary(m);
  } else if (m.body.starts_with('{') || is_json_type(m.content_type)) {
    e = from_plain_envelope(m.body, m.id);
  } else {
    e = fail(errc::invalid_argument,
             "no event: neither ce- headers, nor " + std::string{cloud_events_json} + ", nor JSON with an eventType");
  }
  if (!e) return unreadable(e.error());
  if (!m.key.empty() && e->get(extension::partitionkey).empty() && fits_attribute(m.key))
    e->set(extension::partitionkey, m.key);
  return e;
}

}  // namespace weft::messaging
