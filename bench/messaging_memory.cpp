// Messages per CPU second through memory:, publish to handler, 256-byte bodies, one core.
//
//     messaging_memory [messages] [max_messages] [plain|routed|typed]
//
// The publisher never waits but for room, so max_messages, the group's bound, is how many are under way: within 1000
// they stay in the caches, with 100000 (the default of memory:) they do not.
//
// plain: the broker's own interface, in batches of 64. routed: the same through a router's raw handler. typed:
// publisher, CloudEvents, JSON, router.
#include <weft/messaging/memory_broker.hpp>
#include <weft/messaging/publisher.hpp>
#include <weft/messaging/router.hpp>
#include <weft/runtime/epoll_loop.hpp>
#include <weft/runtime/sync.hpp>
#include <weft/runtime/when.hpp>

#include <boost/describe/class.hpp>
#include <cstdio>
#include <cstdlib>
#include <ctime>

namespace {

using namespace weft;
using namespace weft::messaging;

struct reading {
  std::string sensor, note;
  std::int64_t value = 0;
};
BOOST_DESCRIBE_STRUCT(reading, (), (sensor, note, value))
constexpr topic<reading> readings{"readings.v1"};

constexpr std::size_t batch_size = 64;

// CPU seconds of this process: it is one thread, and the machine may be shared.
double now() {
  timespec t{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) * 1e-9;
}

void report(const char* name, std::size_t count, double seconds) {
  std::printf("%-8s %9.0f messages/s  %6.0f ns each\n", name, static_cast<double>(count) / seconds,
              seconds / static_cast<double>(count) * 1e9);
}

task<bool> publish_plain(broker& bus, std::size_t count) {
  for (std::size_t sent = 0; sent < count; sent += batch_size) {
    std::vector<outgoing> batch;
    batch.reserve(batch_size);
    for (std::size_t i = 0; i < batch_size; ++i) {
      auto& m = batch.emplace_back().what;
      m.id = std::to_string(sent + i);
      m.topic = "readings.v1";
      m.body.assign(256, 'x');
    }
    for (const auto& each : co_await bus.publish({}, std::move(batch)))
      if (!each) std::abort();
  }
  co_return true;
}

task<bool> consume_plain(consumer& c, std::size_t count) {
  for (std::size_t taken = 0; taken < count; ++taken) {
    auto d = c.try_next();
    if (!d) d = *co_await c.next({});
    if (!co_await c.settle({}, d->tag, settlement::ack())) std::abort();
  }
  co_return true;
}

task<void> plain(loop& l, std::size_t count, memory_options options) {
  memory_broker bus{l, std::make_shared<memory_hub>(options)};
  const auto c = (co_await bus.subscribe({}, {.group = "g", .patterns = {"readings.v1"}, .prefetch = 1000})).value();
  const auto began = now();
  co_await when_all(l, publish_plain(bus, count), consume_plain(*c, count));
  report("plain", count, now() - began);
}

task<result<>> count_down(std::size_t& left, weft::event& done) {
  if (--left == 0) done.set();
  co_return result<>{};
}

task<void> routed(loop& l, std::size_t count, memory_options options) {
  memory_broker bus{l, std::make_shared<memory_hub>(options)};
  weft::event done{l};
  std::size_t left = count;
  router r{l, bus};
  r.on_raw("readings.v1", {.group = "g", .prefetch = 1000},
           [&](const context&, const raw_delivery&) { return count_down(left, done); });
  if (!co_await r.start({})) std::abort();
  const auto began = now();
  co_await publish_plain(bus, count);
  static_cast<void>(co_await done.wait({}));
  report("routed", count, now() - began);
  static_cast<void>(co_await r.stop({}));
}

task<void> typed(loop& l, std::size_t count, memory_options options) {
  memory_broker bus{l, std::make_shared<memory_hub>(options)};
  publisher out{l, bus, {.source = "/bench"}};
  weft::event done{l};
  std::size_t left = count;
  router r{l, bus};
  r.on(readings, {.group = "g", .prefetch = 1000},
       [&](const context&, const delivery<reading>&) { return count_down(left, done); });
  if (!co_await r.start({})) std::abort();
  const auto began = now();
  const reading what{"sensor-17", std::string(200, 'x'), 42};
  for (std::size_t sent = 0; sent < count; sent += batch_size) {
    publisher::batch batch;
    batch.reserve(batch_size);
    for (std::size_t i = 0; i < batch_size; ++i) batch.push_back(out.prepare({}, readings, what).value());
    for (const auto& each : co_await out.publish({}, std::move(batch)))
      if (!each) std::abort();
  }
  static_cast<void>(co_await done.wait({}));
  report("typed", count, now() - began);
  static_cast<void>(co_await r.stop({}));
}

}  // namespace

int main(int argc, char** argv) {
  const auto asked = argc > 1 ? std::strtoul(argv[1], nullptr, 10) : 2'000'000UL;
  const auto count = (asked + batch_size - 1) / batch_size * batch_size;
  memory_options options;
  if (argc > 2) options.max_messages = std::strtoul(argv[2], nullptr, 10);
  epoll_loop l;
  const std::string_view only = argc > 3 ? argv[3] : "";
  if (only.empty() || only == "plain") l.run(plain(l, count, options));
  if (only.empty() || only == "routed") l.run(routed(l, count, options));
  if (only.empty() || only == "typed") l.run(typed(l, count, options));
}
