#include "sansio/channel_protocol.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sansio/topology.hpp"

namespace weft::amqp::sansio {
namespace {
using testing::HasSubstr;

struct ChannelProtocol : testing::Test {
  session s{{}};
  channel_protocol c;
  std::uint64_t opening = c.open(s, 3).value();

  template <class Event>
  Event expect(method m) {
    auto event = c.receive(s, std::move(m));
    EXPECT_TRUE(event) << event.error().describe();
    auto* held = std::get_if<Event>(&*event);
    EXPECT_NE(held, nullptr);
    return held == nullptr ? Event{} : std::move(*held);
  }
  method last_said() {
    std::string_view rest{s.output()};
    method last;
    while (!rest.empty()) {
      const auto f = parse_frame(rest, 131'072).value().value();
      last = parse_method(f.payload).value();
      EXPECT_EQ(f.channel, 3);
      rest.remove_prefix(f.size());
    }
    return last;
  }
};

TEST_F(ChannelProtocol, RepliesComeInTheOrderOfRequests) {
  EXPECT_EQ(expect<channel_reply>(channel_open_ok{}).request, opening);
  const auto declare = c.request(s, queue_declare{.queue = "q"}).value();
  const auto unbind = c.request(s, exchange_unbind{}).value();
  const auto get = c.request(s, basic_get{}).value();
  const auto again = c.request(s, basic_get{}).value();
  const auto declared = expect<channel_reply>(queue_declare_ok{.queue = "q", .message_count = 4});
  EXPECT_EQ(declared.request, declare);
  EXPECT_EQ(std::get<queue_declare_ok>(declared.answer).message_count, 4u);
  EXPECT_EQ(expect<channel_reply>(exchange_unbind_ok{}).request, unbind);
  const auto got = c.receive(content{basic_get_ok{.delivery_tag = 1}, {}, "body"}).value();
  EXPECT_EQ(std::get<channel_got>(got).request, get);
  EXPECT_EQ(expect<channel_reply>(basic_get_empty{}).request, again);
}

TEST_F(ChannelProtocol, AReplyToNothingBreaksTheProtocol) {
  expect<channel_reply>(channel_open_ok{});
  EXPECT_THAT(std::string{c.receive(s, queue_declare_ok{}).error().message()}, HasSubstr("channel 3"));
  EXPECT_TRUE(c.request(s, queue_purge{}));
  EXPECT_FALSE(c.receive(s, queue_bind_ok{}));
  EXPECT_FALSE(c.receive(content{basic_get_ok{}, {}, ""}));
}

TEST_F(ChannelProtocol, ConfirmsCancelsAndFlowArePassedOn) {
  expect<channel_reply>(channel_open_ok{});
  const auto ack = expect<channel_settled>(basic_ack{.delivery_tag = 7, .multiple = true});
  EXPECT_TRUE(ack.tag == 7 && ack.multiple && ack.positive);
  EXPECT_FALSE(expect<channel_settled>(basic_nack{.delivery_tag = 8}).positive);
  EXPECT_EQ(expect<channel_cancelled>(basic_cancel{.consumer_tag = "c", .no_wait = true}).consumer_tag, "c");
  EXPECT_EQ(expect<channel_cancelled>(basic_cancel{.consumer_tag = "d"}).consumer_tag, "d");
  EXPECT_EQ(last_said(), method{basic_cancel_ok{.consumer_tag = "d"}});
  EXPECT_FALSE(expect<sansio::channel_flow>(amqp::channel_flow{.active = false}).active);
  EXPECT_EQ(last_said(), method{channel_flow_ok{.active = false}});
}

TEST_F(ChannelProtocol, TheServersCloseIsAnsweredAndSaysWhatItIsAbout) {
  auto event = c.receive(
      s, channel_close{.reply_code = 404, .reply_text = "NOT_FOUND - no queue", .class_id = 60, .method_id = 40});
  auto& ended = std::get<channel_ended>(*event);
  EXPECT_EQ(ended.why.code(), errc::not_found);
  EXPECT_EQ(ended.about, basic_publish::id);
  EXPECT_THAT(ended.why.describe(), HasSubstr("basic.publish"));
  EXPECT_EQ(last_said(), method{channel_close_ok{}});
  EXPECT_EQ(c.current(), channel_protocol::state::closed);
}

TEST_F(ChannelProtocol, WhileItClosesWhatWasOnItsWayIsIgnored) {
  expect<channel_reply>(channel_open_ok{});
  EXPECT_TRUE(c.request(s, queue_purge{}));
  const auto closing = c.close(s).value();
  expect<std::monostate>(basic_ack{.delivery_tag = 1});
  expect<std::monostate>(queue_purge_ok{});
  EXPECT_TRUE(std::holds_alternative<std::monostate>(c.receive(content{basic_deliver{}, {}, "x"}).value()));
  expect<std::monostate>(channel_close{.reply_code = 406});  // both at once
  EXPECT_EQ(expect<channel_reply>(channel_close_ok{}).request, closing);
  EXPECT_EQ(c.current(), channel_protocol::state::closed);
}

TEST(Topology, ComesBackInTheOrderThatWorks) {
  topology t;
  t.record(queue_bind{.queue = "q", .exchange = "e", .routing_key = "#"});
  t.record(queue_declare{.queue = "q", .durable = true});
  t.record(queue_declare{.queue = "other"});
  t.record(queue_declare{.queue = "only looked at", .passive = true});
  t.record(exchange_bind{.destination = "e", .source = "f"});
  t.record(exchange_declare{.exchange = "e", .type = "topic"});
  t.record(exchange_declare{.exchange = "f", .type = "fanout"});
  t.record(queue_declare{.queue = "q", .durable = true, .arguments = {{"x-max-length", 1}}});
  std::vector<std::string> steps;
  for (const auto& each : t.steps()) steps.push_back(describe_step(each));
  EXPECT_THAT(steps, testing::ElementsAre("exchange e", "exchange f", "queue q", "queue other",
                                          "binding of exchange e to f", "binding of queue q to e"));
  // F9: with the exchanges that its bindings need, for these may be gone too.
  std::vector<std::string> of_queue;
  for (const auto& each : t.steps_of_queue("q")) of_queue.push_back(describe_step(each));
  EXPECT_THAT(of_queue, testing::ElementsAre("exchange e", "exchange f", "queue q", "binding of exchange e to f",
                                             "binding of queue q to e"));
  EXPECT_EQ(std::get<queue_declare>(t.steps_of_queue("q")[2]).arguments.size(), 1u);
  EXPECT_TRUE(t.steps_of_queue("unknown").empty());
  t.forget(exchange_delete{.exchange = "e"});
  EXPECT_EQ(t.steps().size(), 3u);
  t.forget(queue_delete{.queue = "q"});
  EXPECT_EQ(t.steps().size(), 2u);
}

}  // namespace
}  // namespace weft::amqp::sansio
