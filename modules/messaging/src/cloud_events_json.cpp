// The JSON format of CloudEvents 1.0, and the plain envelope.
#include <weft/json/value.hpp>
#include <weft/json/writer.hpp>
#include <weft/messaging/cloud_events.hpp>
#include <weft/messaging/text_encoding.hpp>

#include <algorithm>
#include <boost/json/object.hpp>
#include <boost/json/string.hpp>
#include <charconv>

#include "json_members.hpp"

namespace weft::messaging {

namespace {

std::string_view text_of(const boost::json::string& s) { return {s.data(), s.size()}; }
std::string_view text_of(boost::json::string_view s) { return {s.data(), s.size()}; }

std::unexpected<error> wrong(std::string_view name, std::string_view why) {
  return fail(errc::invalid_argument, "$." + std::string{name} + ": " + std::string{why});
}

// The specification's types in JSON: Boolean, Integer (32 bits), and everything else as a string.
result<std::string> plain_value(std::string_view name, const json::value& v) {
  if (v.is_string()) return std::string{text_of(v.get_string())};
  if (v.is_bool()) return std::string{v.get_bool() ? "true" : "false"};
  if (v.is_int64() && v.get_int64() == static_cast<std::int32_t>(v.get_int64())) return std::to_string(v.get_int64());
  return wrong(name, "an attribute is a string, a boolean or a whole number of 32 bits");
}

result<wall_time> read_time(std::string_view name, std::string_view text) {
  auto at = parse_rfc3339(text);
  if (!at) return wrong(name, "'" + std::string{text} + "' is no RFC 3339 time");
  return at;
}

result<> take_attribute(event& e, std::string_view name, std::string value) {
  if (name == "id") {
    e.id = std::move(value);
  } else if (name == "source") {
    e.source = std::move(value);
  } else if (name == "type") {
    e.type = std::move(value);
  } else if (name == "subject") {
    if (value.empty()) return wrong(name, "must not be empty when it is there");
    e.subject = std::move(value);
  } else if (name == "datacontenttype") {
    e.data_content_type = std::move(value);
  } else if (name == "dataschema") {
    e.data_schema = std::move(value);
  } else if (name == "time") {
    WEFT_TRY(e.time, read_time(name, value));
  } else if (name == "specversion") {
    if (value != "1.0") return wrong(name, "'" + value + "' is not supported, only 1.0 is");
  } else {
    e.extensions.append(name, value);
  }
  return {};
}

// Section 3.1 of the JSON format: JSON as it is, the very text; else a string holds it, or data_base64.
result<> take_data(event& e, const json_members& o) {
  const auto* data = o.find("data");
  const auto* base64 = o.find("data_base64");
  if (data != nullptr && base64 != nullptr) return wrong("data_base64", "there is data as well");
  if (base64 != nullptr) {
    WEFT_TRY(const auto v, json::parse(*base64));
    if (!v.is_string()) return wrong("data_base64", "expected a string");
    auto bytes = base64_decode(text_of(v.get_string()));
    if (!bytes) return wrong("data_base64", bytes.error().message());
    e.data = *std::move(bytes);
  } else if (data != nullptr && e.data_is_json()) {
    e.data = *data;
  } else if (data != nullptr) {
    WEFT_TRY(const auto v, json::parse(*data));
    if (!v.is_string())
      return wrong("data", "expected a string, since datacontenttype '" + e.data_content_type + "' is not JSON");
    e.data = text_of(v.get_string());
  }
  return {};
}

void write(json::writer& w, std::string_view name, std::string_view value) {
  w.member(name);
  w.string(value);
}

bool is_text(const event& e) {
  const auto same = [](char x, char y) { return (x >= 'A' && x <= 'Z' ? x + 32 : x) == y; };
  const auto kind = std::string_view{e.data_content_type}.substr(0, 5);
  return std::ranges::equal(kind, std::string_view{"text/"}, same) && valid_utf8(e.data);
}

}  // namespace

result<std::string> to_structured_json(const event& e) {
  WEFT_TRY_VOID(e.validate());
  json::writer w;
  w.begin_object();
  write(w, "specversion", "1.0");
  write(w, "id", e.id);
  write(w, "source", e.source);
  write(w, "type", e.type);
  if (e.time) write(w, "time", format_rfc3339(*e.time));
  if (!e.subject.empty()) write(w, "subject", e.subject);
  if (!e.data_content_type.empty()) write(w, "datacontenttype", e.data_content_type);
  if (!e.data_schema.empty()) write(w, "dataschema", e.data_schema);
  for (const auto& x : e.extensions) write(w, x.name, x.value);
  if (e.data.empty()) {
  } else if (e.data_is_json()) {
    if (const auto valid = json_members::check(e.data); !valid) return wrong("data", valid.error().message());
    w.member("data");
    w.raw(e.data);
  } else {
    const bool text = is_text(e);
    write(w, text ? "data" : "data_base64", text ? e.data : base64_encode(e.data));
  }
  w.end_object();
  return std::move(w).take();
}

result<event> from_structured_json(std::string_view text) {
  WEFT_TRY(const auto o, json_members::of(text));
  if (o.find("specversion") == nullptr) return wrong("specversion", "is required");
  event e;
  for (const auto& [name, raw] : o) {
    if (name == "data" || name == "data_base64" || raw == "null") continue;
    WEFT_TRY(const auto v, json::parse(raw));
    WEFT_TRY(auto value, plain_value(name, v));
    WEFT_TRY_VOID(take_attribute(e, name, std::move(value)));
  }
  WEFT_TRY_VOID(take_data(e, o));
  WEFT_TRY_VOID(e.validate());
  return e;
}

namespace {

// The text of an optional member; a whole number counts as text.
result<std::string> member_text(const json_members& o, std::string_view name) {
  const auto* raw = o.find(name);
  if (raw == nullptr || *raw == "null") return std::string{};
  WEFT_TRY(const auto v, json::parse(*raw));
  if (v.is_string()) return std::string{text_of(v.get_string())};
  const bool whole = raw->find_first_not_of("-0123456789") == raw->npos;
  if (v.is_number() && whole) return std::string{*raw};
  return wrong(name, "expected a string");
}

// "users" stays; "user service" becomes "user%20service", since a source is a URI reference.
std::string as_uri(std::string_view text) {
  static constexpr std::string_view digits = "0123456789ABCDEF";
  std::string uri;
  for (const char c : text) {
    if (c > ' ' && c <= '~' && !std::string_view{"\"<>\\^`{|}"}.contains(c)) {
      uri += c;
    } else {
      uri += '%';
      uri += digits[static_cast<unsigned char>(c) >> 4];
      uri += digits[static_cast<unsigned char>(c) & 15];
    }
  }
  return uri;
}

// Metadata that nothing else knows: kept where its name makes one that CloudEvents allows.
void keep_as_extension(event& e, std::string_view name, std::string value) {
  std::string lower;
  for (const char c : name) lower += c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  event probe{.id = "1", .source = "/", .type = "x"};
  probe.set(lower, value);
  if (!e.extensions.contains(lower) && probe.validate()) e.set(lower, value);
}

result<> take_metadata(event& e, const boost::json::object& o) {
  for (const auto& member : o) {
    const auto name = text_of(member.key());
    if (member.value().is_null()) continue;
    auto text = plain_value(name, member.value());
    if (name == "timestamp") {
      if (!text) return wrong("metadata.timestamp", "expected a string");
      WEFT_TRY(e.time, read_time("metadata.timestamp", *text));
    } else if (name == "version") {
      const auto version = text ? *text : json::serialize(member.value());
      std::uint32_t whole = 0;
      if (std::from_chars(version.data(), version.data() + version.size(), whole).ec != std::errc{} || whole == 0)
        return wrong("metadata.version", "'" + version + "' does not begin with a version number");
      e.set(extension::schemaversion, std::to_string(whole));
    } else if (name == "source") {
      if (!text) return wrong("metadata.source", "expected a string");
      e.source = as_uri(*text);
    } else if (text) {
      keep_as_extension(e, name, *std::move(text));
    }
  }
  return {};
}

}  // namespace

result<event> from_plain_envelope(std::string_view text, std::string_view otherwise_id) {
  const auto members = json_members::of(text);
  if (!members) return fail(members.error());
  const auto& o = *members;
  if (o.find("eventType") == nullptr)
    return fail(errc::invalid_argument, "$.eventType: is required, in JSON that is no CloudEvent");
  event e;
  WEFT_TRY(e.type, member_text(o, "eventType"));
  WEFT_TRY(e.id, member_text(o, "eventId"));
  WEFT_TRY(e.subject, member_text(o, "aggregateId"));
  WEFT_TRY(auto aggregate, member_text(o, "aggregateType"));
  if (e.id.empty()) e.id = otherwise_id;
  e.source = "unknown";
  e.data_content_type = json_content_type;
  if (!e.subject.empty()) {
    e.set(extension::aggregateid, e.subject);
    e.set(extension::partitionkey, e.subject);
  }
  if (!aggregate.empty()) e.set(extension::aggregatetype, aggregate);
  if (const auto* data = o.find("eventData")) e.data = *data;
  if (const auto* metadata = o.find("metadata"); metadata != nullptr && *metadata != "null") {
    WEFT_TRY(const auto v, json::parse(*metadata));
    if (!v.is_object()) return wrong("metadata", "expected an object");
    WEFT_TRY_VOID(take_metadata(e, v.get_object()));
  }
  WEFT_TRY_VOID(e.validate());
  return e;
}

}  // namespace weft::messaging
