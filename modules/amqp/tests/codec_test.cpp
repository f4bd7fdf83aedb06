#include <weft/amqp/frame.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace weft::amqp {
namespace {
using testing::HasSubstr;
using namespace std::string_literals;
using namespace std::string_view_literals;

constexpr std::uint32_t frame_max = 131'072;

std::string text_of(const error& e) { return std::string{e.message()}; }

// Bytes by hand, from the specification: octets, and strings as they are.
std::string bytes(std::initializer_list<int> octets) {
  std::string all;
  for (const int each : octets) all += static_cast<char>(each);
  return all;
}

std::string method_frame(std::uint16_t channel, const method& m) {
  std::string out;
  EXPECT_TRUE(append_method(out, channel, m, frame_max));
  return out;
}

// ---- against the specification's bytes

TEST(Codec, TuneIsAsTheSpecificationHasIt) {
  EXPECT_EQ(method_frame(0, connection_tune{.channel_max = 2047, .frame_max = 131'072, .heartbeat = 60}),
            bytes({1, 0, 0, 0, 0, 0, 12, 0, 10, 0, 30, 0x07, 0xff, 0, 2, 0, 0, 0, 60, 0xce}));
}

TEST(Codec, BitsShareAnOctetLowestFirst) {
  EXPECT_EQ(method_frame(1, queue_declare{.queue = "q", .durable = true, .auto_delete = true}),
            bytes({1, 0, 1, 0, 0, 0, 13, 0, 50, 0, 10, 0, 0, 1, 'q', 0b01010, 0, 0, 0, 0, 0xce}));
  EXPECT_EQ(method_frame(1, basic_nack{.delivery_tag = 0x0102030405060708, .multiple = true, .requeue = true}),
            bytes({1, 0, 1, 0, 0, 0, 13, 0, 60, 0, 120, 1, 2, 3, 4, 5, 6, 7, 8, 0b11, 0xce}));
}

TEST(Codec, OpenHasItsReservedFields) {
  EXPECT_EQ(method_frame(0, connection_open{.virtual_host = "/"}),
            bytes({1, 0, 0, 0, 0, 0, 8, 0, 10, 0, 40, 1, '/', 0, 0, 0xce}));
  EXPECT_EQ(method_frame(3, channel_open{}), bytes({1, 0, 3, 0, 0, 0, 5, 0, 20, 0, 10, 0, 0xce}));
}

TEST(Codec, EveryTypeOfATableHasItsLetterAndWidth) {
  const table all{{"t", true},
                  {"b", std::int8_t{-2}},
                  {"B", std::uint8_t{200}},
                  {"s", std::int16_t{-2}},
                  {"u", std::uint16_t{65'535}},
                  {"I", std::int32_t{-2}},
                  {"i", std::uint32_t{1}},
                  {"l", std::int64_t{-2}},
                  {"f", 1.5F},
                  {"d", 1.5},
                  {"D", decimal{2, 314}},
                  {"S", "hi"},
                  {"A", array{true, "x"}},
                  {"T", timestamp{1}},
                  {"F", table{{"k", "v"}}},
                  {"V", value{}},
                  {"x", binary{"\0\xff"s}}};
  const auto inside = bytes({1, 't', 't', 1})                                           //
                      + bytes({1, 'b', 'b', 0xfe})                                      //
                      + bytes({1, 'B', 'B', 200})                                       //
                      + bytes({1, 's', 's', 0xff, 0xfe})                                //
                      + bytes({1, 'u', 'u', 0xff, 0xff})                                //
                      + bytes({1, 'I', 'I', 0xff, 0xff, 0xff, 0xfe})                    //
                      + bytes({1, 'i', 'i', 0, 0, 0, 1})                                //
                      + bytes({1, 'l', 'l', 255, 255, 255, 255, 255, 255, 255, 254})    //
                      + bytes({1, 'f', 'f', 0x3f, 0xc0, 0, 0})                          //
                      + bytes({1, 'd', 'd', 0x3f, 0xf8, 0, 0, 0, 0, 0, 0})              //
                      + bytes({1, 'D', 'D', 2, 0, 0, 1, 0x3a})                          //
                      + bytes({1, 'S', 'S', 0, 0, 0, 2, 'h', 'i'})                      //
                      + bytes({1, 'A', 'A', 0, 0, 0, 8, 't', 1, 'S', 0, 0, 0, 1, 'x'})  //
                      + bytes({1, 'T', 'T', 0, 0, 0, 0, 0, 0, 0, 1})                    //
                      + bytes({1, 'F', 'F', 0, 0, 0, 8, 1, 'k', 'S', 0, 0, 0, 1, 'v'})  //
                      + bytes({1, 'V', 'V'})                                            //
                      + bytes({1, 'x', 'x', 0, 0, 0, 2, 0, 0xff});
  const auto encoded = encode_table(all);
  ASSERT_TRUE(encoded);
  EXPECT_EQ(encoded->substr(0, 4), bytes({0, 0, 0, static_cast<int>(inside.size())}));
  EXPECT_EQ(encoded->substr(4), inside);
  EXPECT_EQ(parse_table(*encoded).value(), all);
  for (std::size_t cut = 0; cut < encoded->size(); ++cut) EXPECT_FALSE(parse_table(encoded->substr(0, cut)));
}

properties every_property() {
  return {.content_type = "application/json",
          .content_encoding = "gzip",
          .headers = {{"x-try", 2}},
          .delivery_mode = delivery_mode::persistent,
          .priority = 4,
          .correlation_id = "c",
          .reply_to = "r",
          .expiration = "60000",
          .message_id = "m",
          .timestamp = timestamp{1'700'000'000},
          .type = "user.created",
          .user_id = "u",
          .app_id = "a",
          .cluster_id = "k"};
}

TEST(Codec, ContentIsAHeaderAndAsManyBodyFramesAsItTakes) {
  std::string out;
  ASSERT_TRUE(append_content(out, 2, {.delivery_mode = delivery_mode::persistent}, "hello", frame_max));
  EXPECT_EQ(out, bytes({2, 0, 2, 0, 0, 0, 15, 0, 60, 0, 0, 0, 0, 0, 0, 0, 0, 0, 5, 0x10, 0, 2, 0xce}) +
                     bytes({3, 0, 2, 0, 0, 0, 5}) + "hello" + bytes({0xce}));
  out.clear();
  const std::string body(10'000, 'b');
  ASSERT_TRUE(append_content(out, 2, every_property(), body, least_frame_max));
  std::string_view rest{out};
  const auto header = parse_frame(rest, least_frame_max).value().value();
  EXPECT_EQ(parse_content_header(header.payload).value(), (content_header{10'000, every_property()}));
  for (std::size_t cut = 0; cut < header.payload.size(); ++cut)
    EXPECT_FALSE(parse_content_header(header.payload.substr(0, cut)));
  rest.remove_prefix(header.size());
  std::string together;
  int frames = 0;
  for (; !rest.empty(); ++frames) {
    const auto part = parse_frame(rest, least_frame_max).value().value();
    EXPECT_EQ(part.type, frame_type::body);
    together += part.payload;
    rest.remove_prefix(part.size());
  }
  EXPECT_EQ(together, body);
  EXPECT_EQ(frames, 3);
}

TEST(Codec, AMessageIsAPublishThatIsMandatoryUnlessDropsAreWelcome) {
  std::string out;
  ASSERT_TRUE(append_message(out, 1, {.exchange = "e", .routing_key = "k"}, frame_max));
  const auto f = parse_frame(out, frame_max).value().value();
  EXPECT_EQ(parse_method(f.payload).value(),
            (method{basic_publish{.exchange = "e", .routing_key = "k", .mandatory = true}}));
  out.clear();
  ASSERT_TRUE(append_message(out, 1, {.unroutable = unroutable::is_dropped}, frame_max));
  EXPECT_EQ(parse_method(parse_frame(out, frame_max).value()->payload).value(), method{basic_publish{}});
}

TEST(Codec, AHeartbeatHasNoContent) {
  std::string out;
  append_heartbeat(out);
  EXPECT_EQ(out, bytes({8, 0, 0, 0, 0, 0, 0, 0xce}));
  EXPECT_EQ(parse_frame(out, frame_max).value()->type, frame_type::heartbeat);
}

// ---- what does not fit

TEST(Codec, WhatDoesNotFitIsRefusedByNameAndLeavesTheBuffer) {
  std::string out = "before";
  const auto refused = [&](const result<>& r, std::string_view why) {
    ASSERT_FALSE(r);
    EXPECT_EQ(r.error().code(), errc::invalid_argument);
    EXPECT_THAT(text_of(r.error()), HasSubstr(why));
    EXPECT_EQ(out, "before");
  };
  refused(append_method(out, 1, queue_declare{.queue = std::string(256, 'q')}, frame_max), "queue.declare");
  refused(append_message(out, 1, {.routing_key = std::string(256, 'k')}, frame_max), "has 256 bytes");
  message large;
  large.properties.headers.set("large", std::string(5000, 'h'));
  refused(append_message(out, 1, large, least_frame_max), "more than a frame of 4096");
  table nested;
  for (int i = 0; i < 40; ++i) nested = table{{"in", nested}};
  refused(append_method(out, 1, queue_declare{.arguments = nested}, frame_max), "nested");
  EXPECT_TRUE(append_method(out, 1, queue_declare{.queue = std::string(255, 'q')}, frame_max));
}

// ---- hostile input

TEST(Codec, HostileFramesAreRefusedBeforeTheyAreBuffered) {
  const auto problem = [](std::string_view input) {
    const auto f = parse_frame(input, 4096);
    return f ? *f ? "a frame"s : "more"s : text_of(f.error());
  };
  EXPECT_EQ(problem(""), "more");
  EXPECT_EQ(problem(bytes({1, 0, 5, 0, 0, 0x10})), "more");
  EXPECT_EQ(problem(bytes({1, 0, 5, 0, 0, 0x0f, 0xf8})), "more");
  EXPECT_THAT(problem(bytes({1, 0, 5, 0, 0, 0x0f, 0xf9})), HasSubstr("4097 bytes on channel 5"));
  EXPECT_THAT(problem(bytes({3, 0, 5, 255, 255, 255, 255})), HasSubstr("more than the 4096"));
  EXPECT_THAT(problem(bytes({4, 0})), HasSubstr("unknown type 4"));
  EXPECT_THAT(problem(bytes({8, 0, 1, 0, 0, 0, 0})), HasSubstr("heartbeat"));
  EXPECT_THAT(problem(bytes({8, 0, 0, 0, 0, 0, 1})), HasSubstr("heartbeat"));
  EXPECT_THAT(problem(bytes({8, 0, 0, 0, 0, 0, 0, 0})), HasSubstr("0xCE"));
  EXPECT_THAT(problem("HTTP/1.1 400"), HasSubstr("is this an AMQP server?"));
  EXPECT_THAT(problem("AMQP\0\1\0\0"sv), HasSubstr("does not speak AMQP 0-9-1"));
}

TEST(Codec, HostileTablesAreRefusedInBoundedMemory) {
  const auto problem = [](const std::string& input) {
    const auto t = parse_table(input);
    return t ? "a table"s : text_of(t.error());
  };
  EXPECT_THAT(problem(bytes({0, 0, 0, 9, 1, 'a', 't', 1})), HasSubstr("cut short"));
  EXPECT_THAT(problem(bytes({0, 0, 0, 3, 1, 'a', 'z'})), HasSubstr("unknown type"));
  EXPECT_THAT(problem(bytes({0, 0, 0, 8, 1, 'a', 'F', 0, 0, 0, 9, 1})), HasSubstr("cut short"));
  // An inner table may not reach beyond the outer one.
  EXPECT_THAT(problem(bytes({0, 0, 0, 7, 1, 'a', 'F', 0, 0, 0, 4, 1, 'b', 't', 1})), HasSubstr("cut short"));
  EXPECT_THAT(problem(bytes({0, 0, 0, 0, 1})), HasSubstr("1 bytes too many"));
  std::string many(4, '\0');
  for (int i = 0; i < 20'000; ++i) many += bytes({0, 'V'});
  for (std::size_t i = 0; i < 4; ++i) many[i] = static_cast<char>((many.size() - 4) >> (8 * (3 - i)) & 0xff);
  EXPECT_THAT(problem(many), HasSubstr("16384"));
  std::string deep;
  for (int i = 0; i < 40; ++i) {
    std::string outer(4, '\0');
    outer += bytes({0, 'F'});
    outer += deep.empty() ? bytes({0, 0, 0, 0}) : deep;
    for (std::size_t k = 0; k < 4; ++k) outer[k] = static_cast<char>((outer.size() - 4) >> (8 * (3 - k)) & 0xff);
    deep = outer;
  }
  EXPECT_THAT(problem(deep), HasSubstr("nested"));
}

TEST(Codec, UnknownMethodsAndContentClassesAreNamed) {
  EXPECT_THAT(text_of(parse_method(bytes({0, 60, 0, 1})).error()), HasSubstr("class 60 method 1"));
  EXPECT_THAT(text_of(parse_method(bytes({0, 60})).error()), HasSubstr("2 bytes"));
  EXPECT_THAT(text_of(parse_content_header(bytes({0, 50, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0})).error()),
              HasSubstr("class 50"));
}

}  // namespace
}  // namespace weft::amqp
