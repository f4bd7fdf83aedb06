// One hub, used by loops on several threads.
#include <weft/messaging/memory_broker.hpp>
#include <weft/runtime/cores.hpp>

#include <gtest/gtest.h>

namespace weft::messaging {
namespace {

constexpr int count = 20'000;

task<void> publish_all(loop& l, std::shared_ptr<memory_hub> hub) {
  memory_broker bus{l, std::move(hub)};
  for (int i = 0; i < count; ++i) {
    const auto sent = co_await publish_one(
        bus, {}, {.what = {.id = std::to_string(i), .topic = "x", .key = i % 2 == 0 ? "even" : "odd"}});
    EXPECT_TRUE(sent) << sent.error().describe();
  }
}

task<void> consume_all(loop& l, std::shared_ptr<memory_hub> hub, std::unique_ptr<consumer> c) {
  int last[2] = {-2, -1};
  for (int taken = 0; taken < count; ++taken) {
    const auto d = (co_await c->next(context{}.with_timeout(l, std::chrono::seconds{60}))).value();
    const auto id = std::stoi(d->what->id);
    EXPECT_EQ(id, last[id % 2] + 2);
    last[id % 2] = id;
    EXPECT_TRUE(co_await c->settle({}, d->tag, settlement::ack()));
  }
}

task<void> consume_first(loop& l, std::shared_ptr<memory_hub> hub, std::shared_ptr<memory_broker>& bus) {
  bus = std::make_shared<memory_broker>(l, hub);
  auto c = (co_await bus->subscribe({}, {.group = "g", .patterns = {"x"}})).value();
  co_await consume_all(l, std::move(hub), std::move(c));
}

TEST(MemoryBroker, CarriesMessagesBetweenThreads) {
  const auto hub = std::make_shared<memory_hub>(memory_options{.max_messages = 100});
  {
    epoll_loop l;  // so that the group is there before anything is published
    memory_broker bus{l, hub};
    EXPECT_TRUE(l.run(bus.subscribe({}, {.group = "g", .patterns = {"x"}})));
  }
  std::shared_ptr<memory_broker> bus;
  cores all{{.count = 2}};
  all.run([&](loop& l, unsigned core) { return core == 0 ? publish_all(l, hub) : consume_first(l, hub, bus); });
}

}  // namespace
}  // namespace weft::messaging
