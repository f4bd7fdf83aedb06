// memory: as a program sees it first.
#include <weft/messaging/memory_broker.hpp>
#include <weft/testkit/run.hpp>

#include <gtest/gtest.h>

namespace weft::messaging {
namespace {

outgoing make(std::string id, std::string topic, std::string key = {}) {
  return {.what = {.id = std::move(id), .topic = std::move(topic), .key = std::move(key), .body = "{}"}};
}

TEST(MemoryBroker, DeliversToEveryGroup) {
  testkit::run([](loop& l) -> task<void> {
    memory_broker bus{l, std::make_shared<memory_hub>()};
    auto a = (co_await bus.subscribe({}, {.group = "a", .patterns = {"user.*"}})).value();
    auto b = (co_await bus.subscribe({}, {.group = "b", .patterns = {"#"}})).value();
    EXPECT_TRUE(co_await publish_one(bus, {}, make("1", "user.created")));
    const auto at_a = (co_await a->next({})).value();
    const auto at_b = (co_await b->next({})).value();
    EXPECT_EQ(at_a->what->id, "1");
    EXPECT_EQ(at_a->what, at_b->what);
    EXPECT_TRUE(co_await a->settle({}, at_a->tag, settlement::ack()));
    EXPECT_EQ((co_await a->settle({}, at_a->tag, settlement::ack())).error().code(), errc::aborted);
  });
}

}  // namespace
}  // namespace weft::messaging
