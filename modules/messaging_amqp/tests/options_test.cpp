#include <weft/messaging_amqp/amqp_broker.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace weft::messaging {
namespace {
using testing::HasSubstr;

TEST(AmqpOptions, AreReadFromTheUrlBesideThoseOfTheConnection) {
  const auto o = amqp_options::parse(
      "amqp://anna:hush@h1,h2:5673/shop?queues=classic&heartbeat=7&partitions=8&exchange=domain_events&prefix=shop.");
  ASSERT_TRUE(o) << o.error().describe();
  EXPECT_EQ(o->queues, amqp_queues::classic);
  EXPECT_EQ(o->partitions, 8u);
  EXPECT_EQ(o->exchange, "domain_events");
  EXPECT_EQ(o->prefix, "shop.");
  EXPECT_EQ(o->connection.hosts.size(), 2u);
  EXPECT_EQ(o->connection.virtual_host, "shop");
  EXPECT_EQ(o->connection.heartbeat.count(), 7);
}

TEST(AmqpOptions, WhatIsWrongIsNamedWithoutThePassword) {
  const auto says = [](const std::string& query) {
    const auto o = amqp_options::parse("amqp://anna:hush@h1/" + query);
    EXPECT_FALSE(o) << query;
    if (o) return std::string{};
    EXPECT_EQ(o.error().code(), errc::invalid_argument);
    EXPECT_THAT(o.error().describe(), testing::Not(HasSubstr("hush")));
    return o.error().describe();
  };
  EXPECT_THAT(says("?partitions=0"), HasSubstr("partitions"));
  EXPECT_THAT(says("?partitions=many"), HasSubstr("partitions"));
  EXPECT_THAT(says("?queues=lazy"), HasSubstr("queues"));
  EXPECT_THAT(says("?confirm_window=0"), HasSubstr("confirm_window"));
  EXPECT_THAT(says("?exchange=amq.topic"), HasSubstr("exchange"));
  EXPECT_THAT(says("?no_such=1"), HasSubstr("no_such"));
  EXPECT_THAT(says("?max_message_bytes=99999999999"), HasSubstr("max_message_bytes"));
}

}  // namespace
}  // namespace weft::messaging
