// From publishing to the handler at half load, through any broker: its two ends are in this process, on one loop.
//
//     messaging_latency [SECONDS ROUNDS URL...]    memory: sqlite:/path/to/file amqp://user:password@host/
//
// Each round measures every broker. First how many 256-byte messages a second get from publishers to a router's raw
// handler, with no more than 2,048 on their way; then half as many a second, whatever becomes of those before, in
// batches of what has become due within 50 us. A message's latency is counted from the moment it was due until its
// handler is called. Prints the medians of the rounds.
#include <weft/messaging/broker_factory.hpp>
#include <weft/messaging/memory_broker.hpp>
#include <weft/messaging/router.hpp>
#include <weft/messaging_amqp/amqp_broker.hpp>
#include <weft/messaging_sqlite/sqlite_broker.hpp>
#include <weft/runtime/epoll_loop.hpp>
#include <weft/runtime/sleep.hpp>
#include <weft/runtime/sync.hpp>
#include <weft/runtime/task_group.hpp>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

using namespace weft;
using namespace weft::messaging;
using namespace std::chrono_literals;
using clock_type = std::chrono::steady_clock;

constexpr std::size_t batch_size = 64, callers = 8, most_under_way = 2'048, body_size = 256;
constexpr auto tick = 50us;
constexpr auto topic_name = "bench.latency", group_name = "bench.latency";

[[noreturn]] void give_up(const error& why) { throw std::runtime_error{why.describe()}; }

struct traffic {
  traffic(loop& l, broker& b) : on{l}, bus{b}, arrived{l} {}
  [[nodiscard]] std::chrono::nanoseconds elapsed() const { return clock_type::now() - began; }
  [[nodiscard]] std::chrono::nanoseconds due(std::size_t number) const {
    return std::chrono::nanoseconds{static_cast<std::int64_t>(1e9 * static_cast<double>(number) / rate)};
  }
  loop& on;
  broker& bus;
  double rate = 0;  // of messages that become due; 0: as fast as it goes
  std::size_t published = 0, handled = 0;
  std::vector<std::int64_t> latencies;
  clock_type::time_point began = clock_type::now();
  weft::event arrived;
};

task<void> publish(traffic& t, std::size_t from, std::size_t to) {
  std::vector<outgoing> batch(to - from);
  for (std::size_t i = 0; i < batch.size(); ++i) {
    auto& m = batch[i].what;
    m.id = std::to_string(from + i);
    m.topic = topic_name;
    m.body.assign(body_size, 'x');
  }
  for (const auto& each : co_await t.bus.publish({}, std::move(batch)))
    if (!each) give_up(each.error());
}

task<result<>> take(traffic& t, const raw_delivery& d) {
  ++t.handled;
  if (t.rate > 0) {
    std::size_t number = 0;
    const auto& id = d.what->id;
    std::from_chars(id.data(), id.data() + id.size(), number);
    t.latencies.push_back((t.elapsed() - t.due(number)).count());
  }
  t.arrived.set();
  co_return result<>{};
}

task<void> publish_on_and_on(traffic& t, std::chrono::nanoseconds time) {
  while (t.elapsed() < time) {
    while (t.published - t.handled >= most_under_way) {
      t.arrived.reset();
      static_cast<void>(co_await t.arrived.wait({}));
    }
    const auto from = t.published;
    t.published += batch_size;
    co_await publish(t, from, t.published);
  }
}

task<void> publish_when_due(traffic& t, std::size_t count) {
  task_group under_way{t.on};
  while (t.published < count) {
    const auto passed = std::chrono::duration<double>{t.elapsed()}.count();
    const auto now_due = std::min(count, static_cast<std::size_t>(passed * t.rate));
    if (now_due > t.published) {
      under_way.spawn(publish(t, t.published, now_due));
      t.published = now_due;
    }
    static_cast<void>(co_await weft::sleep(t.on, {}, tick));
  }
  co_await under_way.join();
}

task<void> until_handled(traffic& t) {
  while (t.handled < t.published) {
    t.arrived.reset();
    static_cast<void>(co_await t.arrived.wait({}));
  }
}

struct figures {
  double rate = 0, median_ms = 0, p99_ms = 0;
};

double milliseconds_at(const std::vector<std::int64_t>& sorted, double part) {
  const auto last = static_cast<double>(sorted.size() - 1);
  return static_cast<double>(sorted[static_cast<std::size_t>(part * last)]) / 1e6;
}

task<figures> measure(loop& l, broker& bus, double seconds) {
  traffic full{l, bus}, half{l, bus};
  auto* now = &full;
  router r{l, bus};
  r.on_raw(topic_name, {.group = group_name, .concurrency = 64, .prefetch = 1000, .order = ordering::none},
           [&now](const context&, const raw_delivery& d) { return take(*now, d); });
  if (const auto started = co_await r.start({}); !started) give_up(started.error());

  full.began = clock_type::now();
  task_group work{l};
  for (std::size_t i = 0; i < callers; ++i)
    work.spawn(publish_on_and_on(full, std::chrono::nanoseconds{static_cast<std::int64_t>(1e9 * seconds)}));
  co_await work.join();
  co_await until_handled(full);
  figures f{.rate = static_cast<double>(full.handled) / std::chrono::duration<double>{full.elapsed()}.count()};

  now = &half;
  half.rate = f.rate / 2;
  half.began = clock_type::now();
  const auto count = std::max<std::size_t>(1'000, static_cast<std::size_t>(seconds * half.rate));
  half.latencies.reserve(count);
  co_await publish_when_due(half, count);
  co_await until_handled(half);
  static_cast<void>(co_await r.stop(context{}.with_timeout(l, 30s)));

  std::ranges::sort(half.latencies);
  f.median_ms = milliseconds_at(half.latencies, 0.5);
  f.p99_ms = milliseconds_at(half.latencies, 0.99);
  co_return f;
}

task<figures> through(loop& l, std::string url, double seconds) {
  broker_factory brokers;
  brokers.add("memory", memory_brokers());
  brokers.add("sqlite", sqlite_brokers());
  brokers.add("amqp", amqp_brokers());
  auto bus = co_await brokers.open(l, context{}.with_timeout(l, 60s), std::move(url));
  if (!bus) give_up(bus.error());
  // Of a run that was broken off.
  static_cast<void>(co_await (*bus)->admin()->remove_group({}, group_name));
  const auto f = co_await measure(l, **bus, seconds);
  static_cast<void>(co_await weft::sleep(l, {}, 100ms));  // its consumer is gone
  static_cast<void>(co_await (*bus)->admin()->remove_group({}, group_name));
  co_await (*bus)->close(context{}.with_timeout(l, 30s));
  co_return f;
}

double median_of(std::vector<figures>& all, double figures::* which) {
  std::ranges::sort(all, {}, which);
  return all[all.size() / 2].*which;
}

// Without the user, the password and the options.
std::string shown(const std::string& url) {
  const auto at = url.find('@');
  const auto name = at == url.npos ? url : url.substr(0, url.find(':') + 3) + url.substr(at + 1);
  const auto option = url.find("queues=");
  const auto queues = option == url.npos ? std::string{} : url.substr(option + 7);
  return name.substr(0, name.find('?')) + " " + queues.substr(0, queues.find('&'));
}

}  // namespace

int main(int argc, char** argv) try {
  const double seconds = argc > 1 ? std::stod(argv[1]) : 1;
  const int rounds = argc > 2 ? std::max(1, std::stoi(argv[2])) : 3;
  std::vector<std::string> urls{argv + std::min(argc, 3), argv + argc};
  if (urls.empty()) urls.emplace_back("memory:");
  std::vector<std::vector<figures>> found(urls.size());
  for (int round = 0; round < rounds; ++round)
    for (std::size_t i = 0; i < urls.size(); ++i) {
      epoll_loop l;
      found[i].push_back(l.run(through(l, urls[i], seconds)));
    }
  for (std::size_t i = 0; i < urls.size(); ++i)
    std::printf("%-44s %9.0f messages/s; at half of it median %8.3f ms, p99 %8.3f ms\n", shown(urls[i]).c_str(),
                median_of(found[i], &figures::rate), median_of(found[i], &figures::median_ms),
                median_of(found[i], &figures::p99_ms));
  return 0;
} catch (const std::exception& problem) {
  std::fprintf(stderr, "%s\n", problem.what());
  return 1;
}
