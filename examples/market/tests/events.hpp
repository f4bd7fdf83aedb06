#pragma once
// The events of one service in a test: its broker, on a hub that several may share, and what it tells.
#include <weft/messaging/memory_broker.hpp>
#include <weft/messaging/publish_queue.hpp>
#include <weft/messaging/publisher.hpp>

namespace market {

struct test_events {
  test_events(weft::loop& l, std::string source,
              std::shared_ptr<weft::messaging::memory_hub> hub = std::make_shared<weft::messaging::memory_hub>())
      : bus{l, std::move(hub)}, publisher{l, bus, {.source = std::move(source)}}, queue{l, publisher} {}

  weft::messaging::memory_broker bus;
  weft::messaging::publisher publisher;
  weft::messaging::publish_queue queue;
};

}  // namespace market
