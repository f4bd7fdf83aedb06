// The connection's state machine: scripted conversations, and what happens when each step goes wrong.
#include "sansio/session.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace weft::amqp::sansio {
namespace {
using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;

struct recorder final : session_events {
  std::vector<std::string> log;
  std::vector<method> methods;
  std::vector<content> contents;
  void opened() override { log.emplace_back("opened"); }
  void arrived(std::uint16_t channel, method m) override {
    log.push_back(std::to_string(channel) + " " + std::string{name_of(m)});
    methods.push_back(std::move(m));
  }
  void arrived(std::uint16_t channel, content&& c) override {
    log.push_back(std::to_string(channel) + " " + std::string{name_of(c.how)} + " " + c.body);
    contents.push_back(std::move(c));
  }
  void blocked(std::string reason) override { log.push_back("blocked " + reason); }
  void unblocked() override { log.emplace_back("unblocked"); }
  void secret_updated() override { log.emplace_back("secret updated"); }
};

// The other side, by hand.
class Session : public testing::Test {
 protected:
  void begin(session_options o = {}) {
    s.emplace(std::move(o));
    s->start(now);
    ASSERT_EQ(s->output(), protocol_header);
    s->output().clear();
  }
  result<std::size_t> say(std::uint16_t channel, const method& m) {
    std::string bytes;
    EXPECT_TRUE(append_method(bytes, channel, m, 131'072));
    return s->receive(bytes, now, events);
  }
  // What the client said since the last call.
  std::vector<method> heard() {
    std::vector<method> all;
    std::string_view rest{s->output()};
    while (!rest.empty()) {
      const auto f = parse_frame(rest, 131'072).value().value();
      if (f.type == frame_type::method) all.push_back(parse_method(f.payload).value());
      rest.remove_prefix(f.size());
    }
    s->output().clear();
    return all;
  }
  static connection_start greeting() {
    return {.version_major = 0, .version_minor = 9, .mechanisms = "AMQPLAIN PLAIN", .locales = "en_US"};
  }
  void open(session_options o = {}) {
    begin(std::move(o));
    ASSERT_TRUE(say(0, greeting()));
    ASSERT_TRUE(say(0, connection_tune{.channel_max = 10, .frame_max = 8192, .heartbeat = 20}));
    ASSERT_TRUE(say(0, connection_open_ok{}));
    ASSERT_EQ(s->current(), session::state::open);
    events.log.clear();
    s->output().clear();
  }
  std::string problem(const result<std::size_t>& r) { return r ? "none" : std::string{r.error().message()}; }
  // What the client told the server when it gave up.
  std::uint16_t close_code() {
    const auto said = heard();
    const auto* close = said.empty() ? nullptr : std::get_if<connection_close>(&said.back());
    return close == nullptr ? std::uint16_t{0} : close->reply_code;
  }

  steady_time now{1h};
  std::optional<session> s;
  recorder events;
};

TEST_F(Session, OpensByTheBook) {
  begin({.user = "anna", .password = "secret", .virtual_host = "orders"});
  ASSERT_TRUE(say(0, greeting()));
  auto said = heard();
  ASSERT_EQ(said.size(), 1u);
  const auto& start_ok = std::get<connection_start_ok>(said[0]);
  EXPECT_EQ(start_ok.mechanism, "PLAIN");
  EXPECT_EQ(start_ok.response, std::string("\0anna\0secret", 12));
  const auto* capabilities = start_ok.client_properties.find("capabilities")->as<table>();
  for (const auto* each : {"publisher_confirms", "exchange_exchange_bindings", "basic.nack", "consumer_cancel_notify",
                           "connection.blocked", "authentication_failure_close"})
    EXPECT_EQ(*capabilities->find(each), value{true}) << each;
  ASSERT_TRUE(say(0, connection_tune{.channel_max = 100, .frame_max = 8192, .heartbeat = 10}));
  said = heard();
  ASSERT_EQ(said.size(), 2u);
  EXPECT_EQ(said[0], (method{connection_tune_ok{.channel_max = 100, .frame_max = 8192, .heartbeat = 10}}));
  EXPECT_EQ(said[1], method{connection_open{.virtual_host = "orders"}});
  ASSERT_TRUE(say(0, connection_open_ok{}));
  EXPECT_THAT(events.log, ElementsAre("opened"));
}

TEST_F(Session, LimitsAreTheSmallerOnesAndZeroIsNone) {
  begin({.channel_max = 0, .frame_max = 5000, .heartbeat = 0s});
  ASSERT_TRUE(say(0, greeting()));
  ASSERT_TRUE(say(0, connection_tune{.channel_max = 0, .frame_max = 0, .heartbeat = 10}));
  EXPECT_EQ(s->tuned().channel_max, 65'535);
  EXPECT_EQ(s->tuned().frame_max, 5000u);
  EXPECT_EQ(s->tuned().heartbeat, 0s);
  EXPECT_EQ(s->deadline(), steady_time::max());
}

TEST_F(Session, EachStepOfTheOpeningCanFail) {
  begin();
  EXPECT_THAT(problem(s->receive(std::string("AMQP\0\1\0\0", 8), now, events)), HasSubstr("does not speak"));
  begin();
  auto old = greeting();
  old.version_minor = 8;
  EXPECT_THAT(problem(say(0, old)), HasSubstr("0-8"));
  begin({.mechanism = mechanism::external});
  EXPECT_THAT(problem(say(0, greeting())), HasSubstr("EXTERNAL"));
  begin();
  EXPECT_THAT(problem(say(0, connection_tune{})), HasSubstr("not expected"));
  begin();
  ASSERT_TRUE(say(0, greeting()));
  EXPECT_THAT(problem(say(0, connection_secure{})), HasSubstr("connection.secure"));
  begin();
  ASSERT_TRUE(say(0, greeting()));
  const auto refused = say(0, connection_close{.reply_code = 403, .reply_text = "ACCESS_REFUSED"});
  EXPECT_EQ(refused.error().code(), errc::unauthenticated);
  EXPECT_EQ(heard().back(), method{connection_close_ok{}});
  begin();
  ASSERT_TRUE(say(0, greeting()));
  EXPECT_THAT(problem(say(0, connection_tune{.frame_max = 100})), HasSubstr("frame_max of 100"));
  begin();
  ASSERT_TRUE(say(0, greeting()));
  ASSERT_TRUE(say(0, connection_tune{.frame_max = 8192}));
  EXPECT_EQ(say(0, connection_close{.reply_code = 530, .reply_text = "no vhost"}).error().code(), errc::not_found);
  begin();
  EXPECT_THAT(problem(say(1, channel_open_ok{})), HasSubstr("before the connection is open"));
}

TEST_F(Session, BytesMayComeOneByOne) {
  begin();
  std::string bytes;
  ASSERT_TRUE(append_method(bytes, 0, greeting(), 4096));
  std::string held;
  for (const char c : bytes) {
    held += c;
    const auto used = s->receive(held, now, events);
    ASSERT_TRUE(used);
    held.erase(0, *used);
  }
  EXPECT_TRUE(held.empty());
  EXPECT_EQ(s->current(), session::state::authenticating);
}

TEST_F(Session, ContentIsPutTogetherPerChannel) {
  open();
  const auto a = s->take_channel().value(), b = s->take_channel().value();
  std::string bytes;
  const auto deliver = [&](std::uint16_t channel, std::uint64_t tag) {
    ASSERT_TRUE(append_method(bytes, channel, basic_deliver{.consumer_tag = "c", .delivery_tag = tag}, 8192));
  };
  std::string first, second;
  ASSERT_TRUE(append_content(first, a, {}, "hello", 8192));
  ASSERT_TRUE(append_content(second, b, {}, std::string(9000, 'y'), 8192));
  deliver(a, 1);
  deliver(b, 1);
  bytes += second.substr(0, 22 + 8192) + first + second.substr(22 + 8192);
  deliver(a, 2);
  ASSERT_TRUE(append_content(bytes, a, {}, "", 8192));
  ASSERT_EQ(s->receive(bytes, now, events).value(), bytes.size());
  EXPECT_THAT(events.log,
              ElementsAre("1 basic.deliver hello", "2 basic.deliver " + std::string(9000, 'y'), "1 basic.deliver "));
}

TEST_F(Session, AMessageHoldsNothingOfTheOneBefore) {
  open();
  const auto a = s->take_channel().value();
  properties full{.content_type = "text/plain", .content_encoding = "gzip", .headers = {{"n", 1}}};
  full.delivery_mode = delivery_mode::persistent;
  full.priority = 7;
  full.correlation_id = full.reply_to = full.expiration = full.message_id = full.type = full.user_id = "of the first";
  full.app_id = full.cluster_id = "of the first";
  full.timestamp = timestamp{17};
  std::string bytes;
  ASSERT_TRUE(append_method(bytes, a, basic_deliver{"a", 1, true, "exchange of the first", "key of the first"}, 8192));
  ASSERT_TRUE(append_content(bytes, a, full, "body of the first", 8192));
  ASSERT_TRUE(append_method(bytes, a, basic_deliver{.consumer_tag = "a", .delivery_tag = 2}, 8192));
  ASSERT_TRUE(append_content(bytes, a, {}, "", 8192));
  ASSERT_TRUE(append_method(bytes, a, basic_get_ok{.delivery_tag = 3}, 8192));
  ASSERT_TRUE(append_content(bytes, a, {}, "third", 8192));
  ASSERT_TRUE(s->receive(bytes, now, events));
  ASSERT_EQ(events.contents.size(), 3u);
  EXPECT_EQ(events.contents[0].properties, full);
  EXPECT_EQ(events.contents[1].properties, properties{});
  EXPECT_EQ(events.contents[1].how, (method{basic_deliver{.consumer_tag = "a", .delivery_tag = 2}}));
  EXPECT_EQ(events.contents[1].body, "");
  EXPECT_EQ(events.contents[2].how, method{basic_get_ok{.delivery_tag = 3}});
  EXPECT_EQ(events.contents[2].body, "third");
}

TEST_F(Session, HostileTablesEndTheConnectionWithAReason) {
  const auto header_with = [](const std::string& headers) {
    std::string payload{"\0\x3c\0\0\0\0\0\0\0\0\0\0\x20\0", 14};
    payload += headers;
    std::string bytes{"\2\0\1", 3};
    for (int shift = 24; shift >= 0; shift -= 8) bytes += static_cast<char>(payload.size() >> shift & 0xff);
    return bytes + payload + '\xce';
  };
  const auto sized = [](std::string inside) {
    std::string out;
    for (int shift = 24; shift >= 0; shift -= 8) out += static_cast<char>(inside.size() >> shift & 0xff);
    return out + inside;
  };
  const auto expect = [&](const std::string& headers, std::string_view why) {
    open();
    ASSERT_TRUE(s->take_channel());
    ASSERT_TRUE(say(1, basic_deliver{.consumer_tag = "c", .delivery_tag = 1}));
    EXPECT_THAT(problem(s->receive(header_with(headers), now, events)), HasSubstr(why));
    EXPECT_EQ(close_code(), 502);
    EXPECT_EQ(s->current(), session::state::closed);
  };
  std::string tables = sized({}), arrays = sized({});
  for (int depth = 0; depth < 40; ++depth) {
    tables = sized("\1nF" + tables);
    arrays = sized("A" + arrays);
  }
  expect(tables, "nested more than 32 deep");
  expect(sized("\1nA" + arrays), "nested more than 32 deep");
  expect(std::string("\x7f\xff\xff\xff", 4), "a table is cut short");
  expect(sized("\1nS\xff\xff\xff\xff"), "a string is cut short");
  expect(sized("\1nA\xff\xff\xff\xff"), "an array is cut short");
  expect(sized("\1n?"), "unknown type");
  expect(sized("\1nF" + sized("\x20n")), "cut short");
  expect(sized({}) + "x", "1 bytes too many");
}

TEST_F(Session, HostileFramesEndTheConnectionWithTheirCode) {
  const auto deliver = basic_deliver{.consumer_tag = "c", .delivery_tag = 1};
  const auto header = [&](std::uint64_t size) {
    std::string bytes;
    EXPECT_TRUE(append_content(bytes, 1, {}, "", 4096));
    for (int i = 0; i < 8; ++i)
      bytes[static_cast<std::size_t>(11 + i)] = static_cast<char>(size >> (8 * (7 - i)) & 0xff);
    return bytes;
  };
  const auto body = [](std::string text) {
    std::string bytes{"\3\0\1\0\0\0", 6};
    bytes += static_cast<char>(text.size());
    return bytes + text + '\xce';
  };
  const auto expect = [&](const std::string& bytes, std::string_view why, std::uint16_t code) {
    EXPECT_THAT(problem(s->receive(bytes, now, events)), HasSubstr(why));
    EXPECT_EQ(close_code(), code);
    EXPECT_EQ(s->current(), session::state::closed);
    EXPECT_EQ(s->receive(bytes, now, events).value(), 0u);  // deaf
  };
  const auto start = [&] {
    open({.message_max = 1000});
    ASSERT_TRUE(s->take_channel());
  };
  start();
  expect(std::string("\1\0\1\0\1\0\0", 7), "65544 bytes", 501);
  start();
  expect(std::string("\1\0\1\0\0\0\0\0", 8), "0xCE", 501);
  start();
  expect(std::string("\1\0\1\0\0\0\4\0\x3c\0\1\xce", 12), "class 60 method 1", 502);
  start();
  expect(std::string("\1\0\2\0\0\0\4\0\x14\0\x0b\xce", 12), "channel 2, which is not open", 504);
  start();
  expect(std::string("\3\0\0\0\0\0\0\xce", 8), "channel 0", 505);
  start();
  expect(header(5), "without its method", 505);
  start();
  expect(body("x"), "without its header", 505);
  start();
  ASSERT_TRUE(say(1, deliver));
  EXPECT_THAT(problem(say(1, basic_ack{})), HasSubstr("content was expected"));
  start();
  ASSERT_TRUE(say(1, deliver));
  EXPECT_THAT(problem(say(1, deliver)), HasSubstr("basic.deliver where a message's content was expected"));
  start();
  expect(std::string("\1\0\1\0\0\0\4\0\x3c\0\x3c\xce", 12), "basic.deliver", 502);
  start();
  expect(std::string("\7\0\1\0\0\0\0\xce", 8), "unknown type 7", 501);
  start();
  expect(std::string("\x08\0\1\0\0\0\0\xce", 8), "a heartbeat with a channel", 501);
  start();
  ASSERT_TRUE(say(1, deliver));
  ASSERT_TRUE(s->receive(header(1), now, events));
  ASSERT_TRUE(s->receive(body("x"), now, events));
  expect(body("y"), "without its header", 505);
  start();
  ASSERT_TRUE(say(1, deliver));
  ASSERT_TRUE(s->receive(header(3), now, events));
  expect(header(3), "without its method", 505);
  start();
  ASSERT_TRUE(say(1, deliver));
  expect(header(1001), "1001 bytes", 501 - 190);
  start();
  ASSERT_TRUE(say(1, deliver));
  ASSERT_TRUE(s->receive(header(3), now, events));
  expect(body("four"), "longer than its header", 501);
  start();
  EXPECT_THAT(problem(say(1, connection_tune{})), HasSubstr("connection.tune on channel 1"));
  start();
  EXPECT_THAT(problem(say(0, basic_ack{})), HasSubstr("basic.ack was not expected on channel 0"));
}

TEST_F(Session, AChannelThatEndsBetweenFramesForgetsItsContent) {
  open();
  ASSERT_TRUE(s->take_channel());
  ASSERT_TRUE(say(1, basic_deliver{.consumer_tag = "c", .delivery_tag = 1}));
  ASSERT_TRUE(say(1, channel_close{.reply_code = 404}));
  EXPECT_THAT(events.log, ElementsAre("1 channel.close"));
  s->release_channel(1);
  EXPECT_EQ(s->take_channel().value(), 1);
  ASSERT_TRUE(say(1, channel_open_ok{}));
}

TEST_F(Session, ChannelNumbersAreBounded) {
  open();
  for (int i = 1; i <= 10; ++i) EXPECT_EQ(s->take_channel().value(), i);
  EXPECT_EQ(s->take_channel().error().code(), errc::resource_exhausted);
  s->release_channel(4);
  EXPECT_EQ(s->take_channel().value(), 4);
}

TEST_F(Session, HeartbeatsGoOutHalfWayAndTwoMissedMeanDead) {
  open();  // 20 s agreed on
  EXPECT_EQ(s->tuned().heartbeat, 20s);
  EXPECT_EQ(s->deadline(), now + 10s);
  now += 10s;
  ASSERT_TRUE(s->tick(now));
  EXPECT_EQ(s->output(), std::string("\x08\0\0\0\0\0\0\xce", 8));
  s->output().clear();
  now += 5s;
  s->wrote(now);
  EXPECT_EQ(s->deadline(), now + 10s);
  ASSERT_TRUE(s->receive(std::string("\x08\0\0\0\0\0\0\xce", 8), now, events));
  now += 39s;
  ASSERT_TRUE(s->tick(now));
  now += 1s;
  const auto dead = s->tick(now);
  ASSERT_FALSE(dead);
  EXPECT_EQ(dead.error().code(), errc::unavailable);
  EXPECT_THAT(std::string{dead.error().message()}, HasSubstr("two heartbeats of 20 s"));
}

TEST_F(Session, SilenceOnPurposeIsExcused) {
  open();
  now += 39s;
  s->excuse_silence(now);
  now += 39s;
  EXPECT_TRUE(s->tick(now));
}

TEST_F(Session, BlockedAndSecretsAreReported) {
  open();
  ASSERT_TRUE(say(0, connection_blocked{.reason = "low on memory"}));
  ASSERT_TRUE(say(0, connection_unblocked{}));
  s->update_secret("new", "it expired");
  EXPECT_EQ(heard().back(), (method{connection_update_secret{.new_secret = "new", .reason = "it expired"}}));
  ASSERT_TRUE(say(0, connection_update_secret_ok{}));
  EXPECT_THAT(events.log, ElementsAre("blocked low on memory", "unblocked", "secret updated"));
}

TEST_F(Session, EitherSideMayClose) {
  open();
  s->close(reply_code::success, "done");
  EXPECT_EQ(close_code(), 200);
  ASSERT_TRUE(say(1, basic_ack{}));  // on its way
  ASSERT_TRUE(say(0, connection_close_ok{}));
  EXPECT_EQ(s->current(), session::state::closed);
  open();
  const auto forced = say(0, connection_close{.reply_code = 320, .reply_text = "CONNECTION_FORCED - bye"});
  EXPECT_EQ(forced.error().code(), errc::unavailable);
  EXPECT_EQ(heard().back(), method{connection_close_ok{}});
  open();
  s->close(reply_code::success, "done");  // both at once
  EXPECT_TRUE(say(0, connection_close{.reply_code = 320}));
  EXPECT_EQ(s->current(), session::state::closed);
}

}  // namespace
}  // namespace weft::amqp::sansio
