// How long and how much memory: waits for, holds and lets go.
#include <weft/messaging/memory_broker.hpp>
#include <weft/testkit/run.hpp>

#include <gtest/gtest.h>

namespace weft::messaging {
namespace {

using namespace std::chrono_literals;

std::vector<outgoing> batch_of(std::size_t count, std::string_view key = {}) {
  std::vector<outgoing> batch(count);
  for (std::size_t i = 0; i < count; ++i)
    batch[i].what = {.id = std::to_string(i), .topic = "x", .key = std::string{key}};
  return batch;
}

task<std::unique_ptr<consumer>> subscribe(broker& bus) {
  co_return (co_await bus.subscribe({}, {.group = "g", .patterns = {"x"}})).value();
}

TEST(MemoryBounds, ACallWaitsForRoomOnceHoweverManyItsMessages) {
  const auto body = [](loop& l) -> task<void> {
    memory_broker bus{l, std::make_shared<memory_hub>(memory_options{.max_messages = 2, .publish_wait = 10s})};
    const auto c = co_await subscribe(bus);
    const auto began = l.now();
    const auto results = co_await bus.publish({}, batch_of(5));
    EXPECT_EQ(l.now() - began, 10s);
    EXPECT_TRUE(results[0] && results[1]);
    for (std::size_t i = 2; i < results.size(); ++i) {
      EXPECT_FALSE(results[i]) << i;
      if (!results[i]) EXPECT_EQ(results[i].error().code(), errc::resource_exhausted);
    }
  };
  testkit::run(body);
}

TEST(MemoryBounds, ClearingAGroupDropsWhatWaitsBehindAMessageInFlight) {
  const auto body = [](loop& l) -> task<void> {
    memory_broker bus{l, std::make_shared<memory_hub>()};
    const auto c = co_await subscribe(bus);
    co_await bus.publish({}, batch_of(3, "k"));
    co_await bus.publish({}, batch_of(2));
    const auto out = c->try_next();
    EXPECT_EQ(out->what->id, "0");
    EXPECT_EQ((co_await bus.admin()->clear({}, "g")).value(), 4u);
    const auto left = (co_await bus.admin()->depths({})).value().at(0);
    EXPECT_EQ(left.ready, 0u);
    EXPECT_EQ(left.in_flight, 1u);
    EXPECT_TRUE(co_await c->settle({}, out->tag, settlement::ack()));
    co_await bus.publish({}, batch_of(1, "k"));
    EXPECT_EQ(c->try_next()->what->id, "0") << "the key goes on";
  };
  testkit::run(body);
}

}  // namespace
}  // namespace weft::messaging
