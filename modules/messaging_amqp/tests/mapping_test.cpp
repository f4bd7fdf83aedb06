// Messages as AMQP's content, ours and others'.
#include <weft/amqp/frame.hpp>
#include <weft/messaging/cloud_events.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "message_mapping.hpp"

namespace weft::messaging {
namespace {
using namespace std::chrono_literals;
using testing::HasSubstr;

constexpr wall_time noon{1'700'000'000s};

message full() {
  message m{.id = "id-1", .topic = "orders.placed", .key = "order-7", .body = "{}", .content_type = "application/json"};
  m.fields = {{"ce-type", "placed"}, {"x-empty", ""}};
  m.priority = 7;
  return m;
}

TEST(MessageMapping, GoesThereAndBack) {
  auto m = full();
  m.time_to_live = 1500ms;
  auto sent = to_amqp(m, partitioned::no, noon).value();
  EXPECT_EQ(sent.routing_key, "orders.placed");
  EXPECT_EQ(sent.properties.expiration, "1500");
  const auto got = from_amqp(std::move(sent));
  EXPECT_EQ(*got.what, m);
  EXPECT_EQ(got.attempt, 1u);
  EXPECT_EQ(got.expires, noon + 1500ms);
}

TEST(MessageMapping, ACopyKeepsTopicAttemptsAndFailures) {
  const std::vector<failure> failures{{errc::unavailable, "no connection", 1, noon},
                                      {errc::internal, "it broke", 2, noon + 1s}};
  auto copy = to_amqp_copy(full(), {.attempt = 3, .failures = &failures, .expires = noon + 5s}, partitioned::yes);
  copy.routing_key = "weft.billing";
  EXPECT_EQ(copy.properties.headers.find("weft-partition")->as<std::string>()->c_str(), std::string{"order-7"});
  const auto got = from_amqp(std::move(copy));
  EXPECT_EQ(*got.what, full());
  EXPECT_EQ(got.attempt, 3u);
  EXPECT_EQ(got.failures, failures);
  EXPECT_EQ(got.expires, noon + 5s);
}

TEST(MessageMapping, WithoutAKeyThePartitionIsChosenByTheId) {
  auto m = full();
  m.key.clear();
  const auto sent = to_amqp(m, partitioned::yes, noon).value();
  EXPECT_EQ(*sent.properties.headers.find("weft-partition")->as<std::string>(), "id-1");
  EXPECT_EQ(from_amqp(amqp::message{sent}).what->key, "");
}

TEST(MessageMapping, AHeaderOfTheBrokersOwnNamesIsRefused) {
  auto m = full();
  m.fields.set("weft-attempt", "9");
  const auto refused = to_amqp(m, partitioned::no, noon);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), errc::invalid_argument);
  EXPECT_THAT(refused.error().describe(), HasSubstr("weft-attempt"));
}

TEST(MessageMapping, WhatOthersPublishGetsSensibleValues) {
  amqp::message m{.routing_key = "user.created",
                  .body = R"({"eventType":"user.created","eventId":"e1","eventData":{}})"};
  m.properties.headers = {{"tenant", "a"},
                          {"count", 7},
                          {"flag", true},
                          {"ratio", 0.5},
                          {"deep", amqp::table{{"x", 1}}},
                          {"x-death", amqp::array{}},
                          {"weft-attempt", "many"}};
  m.properties.correlation_id = "c-1";
  m.properties.app_id = "shop";
  m.properties.priority = 200;
  const auto got = from_amqp(std::move(m));
  EXPECT_EQ(got.what->topic, "user.created");
  EXPECT_EQ(got.what->id, "");
  EXPECT_EQ(got.what->priority, max_priority);
  EXPECT_EQ(got.what->fields, (headers{{"tenant", "a"},
                                       {"count", "7"},
                                       {"flag", "true"},
                                       {"ratio", "0.5"},
                                       {"correlation-id", "c-1"},
                                       {"app-id", "shop"}}));
  EXPECT_EQ(got.attempt, 1u);
  EXPECT_EQ(to_event(*got.what).value().type, "user.created");
}

TEST(MessageMapping, CloudEventsOfTheAmqpBindingAreRead) {
  amqp::message m{.routing_key = "user.created", .body = R"({"id":7})"};
  m.properties.content_type = "application/json";
  m.properties.headers = {{"cloudEvents:specversion", "1.0"},
                          {"cloudEvents:id", "1"},
                          {"cloudEvents:source", "/users"},
                          {"cloudEvents:type", "user.created"}};
  const auto e = to_event(*from_amqp(std::move(m)).what);
  ASSERT_TRUE(e) << e.error().describe();
  EXPECT_EQ(e->source, "/users");
}

TEST(MessageMapping, ADeadLetterOfTheBrokersSaysWhereItDied) {
  amqp::message m{.routing_key = "weft.billing.dead", .body = "x"};
  m.properties.message_id = "id-9";
  m.properties.headers = {{"x-death", amqp::array{amqp::table{{"reason", "delivery_limit"},
                                                              {"queue", "weft.billing"},
                                                              {"time", amqp::timestamp{1'700'000'000}},
                                                              {"routing-keys", amqp::array{"orders.placed"}}}}}};
  const auto d = dead_letter_from_amqp(amqp::message{m}, "billing");
  EXPECT_THAT(d.reason, HasSubstr("delivery_limit in weft.billing"));
  EXPECT_EQ(d.what->topic, "orders.placed");
  EXPECT_EQ(d.at, noon);
  EXPECT_EQ(d.number, dead_letter_from_amqp(std::move(m), "billing").number);
}

// A10, A11: others write any number, and programs ask for times that never come.
TEST(MessageMapping, TimesBeyondTheRangeAreItsEnds) {
  constexpr auto most = std::numeric_limits<std::int64_t>::max();
  amqp::message m{.routing_key = "x", .body = "{}"};
  m.properties.headers = {{"weft-expires", most}, {"weft-attempt", most}, {"at", amqp::timestamp{~0ULL}}};
  m.properties.timestamp = amqp::timestamp{~0ULL};
  const auto far = from_amqp(std::move(m));
  EXPECT_EQ(far.expires, wall_time::max());
  EXPECT_EQ(far.attempt, 1'000'000u);
  EXPECT_FALSE(far.what->fields.get("timestamp").starts_with("1"));
  amqp::message before{.routing_key = "x", .body = "{}"};
  before.properties.headers = {{"weft-expires", -most}};
  EXPECT_LT(*from_amqp(std::move(before)).expires, noon);

  message never{.id = "1", .topic = "x", .body = "{}"};
  never.time_to_live = duration::max();
  const auto sent = to_amqp(never, partitioned::no, noon).value();
  EXPECT_EQ(sent.properties.expiration, "");  // the broker takes less than 2^32 ms
  EXPECT_GT(sent.properties.headers.find("weft-expires")->integer().value(), milliseconds_of(noon));
  never.time_to_live = std::chrono::milliseconds{0xffff'ffffLL};
  EXPECT_EQ(to_amqp(never, partitioned::no, noon).value().properties.expiration, "4294967295");
}

// F8: what was read from others fits as well.
TEST(MessageMapping, NotesFitIntoTheFrame) {
  amqp::message m{.routing_key = "x", .body = "{}"};
  std::string failures;
  for (int i = 1; i <= 10; ++i)
    failures += "2026-02-01T09:30:00Z attempt " + std::to_string(i) + " internal: " + std::string(14'000, 'x') + "\n";
  m.properties.headers = {{"weft-failures", failures}, {"weft-reason", std::string(140'000, 'y')}};
  const auto read = from_amqp(amqp::message{m});
  EXPECT_EQ(read.failures.size(), 10u);
  for (const auto& f : read.failures) EXPECT_LE(f.what.size(), max_note_text);
  for (const std::uint32_t frame_max : {4096U, 131'072U}) {
    auto p = m.properties;
    fit_notes(p, frame_max);
    std::string encoded;
    EXPECT_TRUE(amqp::append_content(encoded, 1, p, {}, frame_max));
    const auto kept = parse_failures(*p.headers.find("weft-failures")->as<std::string>());
    ASSERT_EQ(kept.size(), 2u);  // the first and the latest
    EXPECT_EQ(kept[0].attempt, 1u);
    EXPECT_EQ(kept[1].attempt, 10u);
  }
  EXPECT_LE(dead_letter_from_amqp(std::move(m), "g").reason.size(), max_note_text);
}

}  // namespace
}  // namespace weft::messaging
