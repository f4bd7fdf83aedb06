// Events as messages and back: the rules of CloudEvents 1.0, and the plain envelope.
#include <weft/messaging/cloud_events.hpp>

#include <gtest/gtest.h>
#include <rapidcheck.h>

namespace weft::messaging {
namespace {

event made() {
  event e{.id = "1", .source = "/users", .type = "user.created", .subject = "7"};
  e.time = parse_rfc3339("2026-02-01T09:30:00.250Z").value();
  e.data_content_type = "application/json";
  e.data = R"({"name":"Ada"})";
  e.set(extension::correlationid, "c-1");
  e.set(extension::partitionkey, "7");
  return e;
}

std::string refusal(std::string_view json) {
  const auto e = from_structured_json(json);
  return e ? "" : std::string{e.error().message()};
}

TEST(CloudEvents, BinaryModePutsAttributesIntoHeaders) {
  const auto m = to_message(made(), "user.created", event_mode::binary).value();
  EXPECT_EQ(m.id, "1");
  EXPECT_EQ(m.key, "7");
  EXPECT_EQ(m.content_type, "application/json");
  EXPECT_EQ(m.body, R"({"name":"Ada"})");
  EXPECT_EQ(m.fields.get("ce-specversion"), "1.0");
  EXPECT_EQ(m.fields.get("ce-type"), "user.created");
  EXPECT_EQ(m.fields.get("ce-time"), "2026-02-01T09:30:00.250Z");
  EXPECT_EQ(m.fields.get("ce-correlationid"), "c-1");
  EXPECT_EQ(to_event(m).value(), made());
}

TEST(CloudEvents, StructuredModeIsOneJsonObject) {
  const auto m = to_message(made(), "user.created", event_mode::structured).value();
  EXPECT_EQ(m.content_type, "application/cloudevents+json");
  EXPECT_EQ(m.body, R"({"specversion":"1.0","id":"1","source":"/users","type":"user.created",)"
                    R"("time":"2026-02-01T09:30:00.250Z","subject":"7","datacontenttype":"application/json",)"
                    R"("correlationid":"c-1","partitionkey":"7","data":{"name":"Ada"}})");
  EXPECT_EQ(to_event(m).value(), made());
}

TEST(CloudEvents, BytesTravelInBase64AndTextAsString) {
  auto e = made();
  e.data_content_type = "application/octet-stream";
  e.data.assign("\0\xff\x01", 3);
  auto json = to_structured_json(e).value();
  EXPECT_NE(json.find(R"("data_base64":"AP8B")"), json.npos) << json;
  EXPECT_EQ(from_structured_json(json).value(), e);
  e.data_content_type = "text/plain";
  e.data = "plain \"text\"";
  json = to_structured_json(e).value();
  EXPECT_NE(json.find(R"("data":"plain \"text\"")"), json.npos) << json;
  EXPECT_EQ(from_structured_json(json).value(), e);
}

TEST(CloudEvents, RefusesWhatTheSpecificationForbids) {
  const std::string head = R"({"specversion":"1.0","id":"1","source":"/s","type":"t")";
  EXPECT_EQ(refusal(head + "}"), "");
  EXPECT_EQ(refusal(R"({"id":"1","source":"/s","type":"t"})"), "$.specversion: is required");
  EXPECT_EQ(refusal(R"({"specversion":"0.3","id":"1","source":"/s","type":"t"})"),
            "$.specversion: '0.3' is not supported, only 1.0 is");
  EXPECT_EQ(refusal(R"({"specversion":"1.0","source":"/s","type":"t"})"), "attribute id: is required");
  EXPECT_EQ(refusal(R"({"specversion":"1.0","id":"","source":"/s","type":"t"})"), "attribute id: is required");
  EXPECT_EQ(refusal(R"({"specversion":"1.0","id":"1","source":"a b","type":"t"})"),
            "attribute source: 'a b' is no URI");
  EXPECT_EQ(refusal(R"({"specversion":"1.0","id":"1","source":"/s"})"), "attribute type: is required");
  EXPECT_EQ(refusal(head + R"(,"subject":""})"), "$.subject: must not be empty when it is there");
  EXPECT_EQ(refusal(head + R"(,"time":"yesterday"})"), "$.time: 'yesterday' is no RFC 3339 time");
  EXPECT_EQ(refusal(head + R"(,"dataschema":"relative"})"), "attribute dataschema: 'relative' is no absolute URI");
  EXPECT_EQ(refusal(head + R"(,"datacontenttype":"json"})"), "attribute datacontenttype: 'json' is no media type");
  EXPECT_EQ(refusal(head + R"(,"Upper":"x"})"), "extension 'Upper': a name is 1 to 64 lower-case letters and digits");
  EXPECT_EQ(refusal(head + R"(,"ext":{}})"), "$.ext: an attribute is a string, a boolean or a whole number of 32 bits");
  EXPECT_EQ(refusal(head + R"(,"ext":"a\u0007"})"), "attribute ext: has a control character in it");
  EXPECT_EQ(refusal(head + R"(,"ext":"a\u0085"})"), "attribute ext: has a control character in it");
  EXPECT_EQ(refusal(head + R"(,"data":1,"data_base64":"AA=="})"), "$.data_base64: there is data as well");
  EXPECT_EQ(refusal(head + R"(,"data_base64":"AA"})"), "$.data_base64: not base 64");
  EXPECT_EQ(refusal(head + R"(,"datacontenttype":"text/plain","data":{}})"),
            "$.data: expected a string, since datacontenttype 'text/plain' is not JSON");
}

TEST(CloudEvents, ReadsExtensionsOfEveryType) {
  const auto e = from_structured_json(
      R"({"specversion":"1.0","id":"1","source":"/s","type":"t","flag":true,"count":-7,"gone":null,"schemaversion":3})");
  ASSERT_TRUE(e) << e.error().describe();
  EXPECT_EQ(e->get("flag"), "true");
  EXPECT_EQ(e->get("count"), "-7");
  EXPECT_FALSE(e->extensions.contains("gone"));
  EXPECT_EQ(e->schema_version(), 3u);
}

TEST(CloudEvents, SaysWhichMessageIsNoEvent) {
  const message m{.id = "9", .topic = "x.y", .body = "hello"};
  const auto e = to_event(m);
  ASSERT_FALSE(e);
  EXPECT_EQ(e.error().code(), errc::invalid_argument);
  EXPECT_NE(e.error().describe().find("event 9 from x.y"), std::string::npos) << e.error().describe();
}

TEST(CloudEvents, ReadsThePlainEnvelope) {
  const message m{.topic = "user.created", .body = R"({
    "eventType":"created","eventId":"f81d4fae-7dec-11d0-a765-00a0c91e6bf6","aggregateId":7,"aggregateType":"User",
    "eventData":{"id":7,"name":"Ada"},
    "metadata":{"timestamp":"2026-02-01T09:30:00.000Z","version":"1.0","source":"user-service","correlationId":"c-9",
                "requestPath":"/users"}})"};
  const auto e = to_event(m);
  ASSERT_TRUE(e) << e.error().describe();
  EXPECT_EQ(e->type, "created");
  EXPECT_EQ(e->id, "f81d4fae-7dec-11d0-a765-00a0c91e6bf6");
  EXPECT_EQ(e->source, "user-service");
  EXPECT_EQ(e->subject, "7");
  EXPECT_EQ(e->get(extension::aggregateid), "7");
  EXPECT_EQ(e->get(extension::aggregatetype), "User");
  EXPECT_EQ(e->get(extension::correlationid), "c-9");
  EXPECT_EQ(e->get("requestpath"), "/users");
  EXPECT_EQ(e->schema_version(), 1u);
  EXPECT_EQ(e->data, R"({"id":7,"name":"Ada"})");
  EXPECT_EQ(format_rfc3339(*e->time), "2026-02-01T09:30:00Z");
}

TEST(CloudEvents, ThePlainEnvelopeIsCheckedToo) {
  const auto why = [](std::string_view text) { return std::string{from_plain_envelope(text).error().message()}; };
  EXPECT_EQ(why("{}"), "$.eventType: is required, in JSON that is no CloudEvent");
  EXPECT_EQ(why(R"({"eventType":"x"})"), "attribute id: is required");
  EXPECT_EQ(why(R"({"eventType":"x","eventId":"1","metadata":[]})"), "$.metadata: expected an object");
  EXPECT_EQ(why(R"({"eventType":"x","eventId":"1","metadata":{"version":"new"}})"),
            "$.metadata.version: 'new' does not begin with a version number");
  EXPECT_EQ(why(R"({"eventType":"x","eventId":"1","metadata":{"timestamp":"now"}})"),
            "$.metadata.timestamp: 'now' is no RFC 3339 time");
}

TEST(CloudEvents, RoundTripsWhateverBytes) {
  rc::check([](const std::string& data, bool structured) {
    auto e = made();
    e.data_content_type = "application/octet-stream";
    e.data = data;
    const auto m = to_message(e, "x", structured ? event_mode::structured : event_mode::binary);
    RC_ASSERT(m.has_value());
    RC_ASSERT(to_event(*m).value() == e);
  });
}

// F4: what is only passed on arrives as it was written.
TEST(CloudEvents, TheDataOfAStructuredEventIsLeftAsItIs) {
  for (const std::string data : {"123456789012345678901234567890",
                                 "{\"id\": 18446744073709551616, \"pi\": 3.14159265358979323846264338327950288}",
                                 "[1.10, 1e2,\n 0.30000000000000004, -0.0]", "1e400", "{\"huge\": [-1E+9999, 1e-400]}",
                                 "\"caf\\u00e9\"", "{\"b\":1,\"a\":2}", "null"}) {
    message m{.id = "1", .topic = "t"};
    m.content_type = "application/cloudevents+json";
    m.body = R"({"specversion":"1.0","id":"1","source":"/s","type":"x", "data" :  )" + data + "  ,\"ext\":\"y\"}";
    const auto e = to_event(m);
    ASSERT_TRUE(e) << e.error().describe();
    EXPECT_EQ(e->data, data);
    EXPECT_EQ(e->get("ext"), "y");
    const auto again = to_message(*e, "t", event_mode::structured);
    ASSERT_TRUE(again);
    EXPECT_EQ(to_event(*again)->data, data) << again->body;
    m.content_type = "application/json";
    m.body = R"({"eventType":"x","eventId":12345678901234567890123,"eventData":)" + data + "}";
    const auto plain = to_event(m);
    ASSERT_TRUE(plain) << plain.error().describe();
    EXPECT_EQ(plain->data, data);
    EXPECT_EQ(plain->id, "12345678901234567890123");
  }
  EXPECT_FALSE(from_structured_json(R"({"specversion":"1.0","id":"1","source":"/s","type":"x","data":{"a":}})"));
  EXPECT_FALSE(from_structured_json(R"({"specversion":"1.0","id":"1","source":"/s","type":"x","data":1,"data":2})"));
}

// F16: media types are compared without regard to case.
TEST(CloudEvents, TheCaseOfAContentTypeDoesNotMatter) {
  message m{.id = "1", .topic = "t"};
  m.content_type = "Application/CloudEvents+JSON; charset=utf-8";
  m.body = R"({"specversion":"1.0","id":"1","source":"/s","type":"x","data":7})";
  const auto e = to_event(m);
  ASSERT_TRUE(e) << e.error().describe();
  EXPECT_EQ(e->data, "7");
  m.content_type = "APPLICATION/cloudevents-batch+json";
  EXPECT_FALSE(to_event(m));
}

}  // namespace
}  // namespace weft::messaging
