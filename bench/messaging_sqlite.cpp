// Durable messages through sqlite:, beside bare SQLite that writes rows of the same size, as many in each commit.
//
//     build/release/bench/messaging_sqlite [seconds of each round] [rounds]
//     build/release/bench/messaging_sqlite open [messages]        how long it takes to open a file in which so many
//     wait
//
// Files are made in the working directory; in /dev/shm, where a sync costs nothing, the figures tell the CPU alone.
// Each round measures every line once, so that a disk which is slower for a while is slower for all. A message has a
// body of 256 bytes, and counts once it is synced.
//
// insert: bare SQLite, one loop, `batch` rows a commit; insert+delete: and deletes those of the commit before.
// publish: one caller, `batch` messages a call, nobody consumes. callers: as many callers as `batch`, one message each.
// handled: callers, and a consumer that acknowledges each; it counts what was handled, with everything settled.
#include <weft/messaging_sqlite/sqlite_broker.hpp>
#include <weft/runtime/epoll_loop.hpp>
#include <weft/runtime/task_group.hpp>

#include <chrono>
#include <ctime>
#include <functional>
#include <string>
#include <vector>

#include "durable.hpp"

namespace {

using namespace weft;
using namespace weft::bench;
using namespace weft::messaging;
using clock_type = std::chrono::steady_clock;

double cpu_seconds() {
  timespec t{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) * 1e-9;
}

struct figures {
  double rate = 0, cpu_microseconds = 0;  // messages a second; of the whole process, for each
};

class stopwatch {
 public:
  explicit stopwatch(duration time) : end_{begun_ + time} {}
  [[nodiscard]] bool over() const { return clock_type::now() >= end_; }
  [[nodiscard]] figures result(std::size_t count) const {
    const std::chrono::duration<double> took = clock_type::now() - begun_;
    const auto n = static_cast<double>(count);
    return {.rate = n / took.count(), .cpu_microseconds = (cpu_seconds() - cpu_) * 1e6 / n};
  }

 private:
  clock_type::time_point begun_ = clock_type::now(), end_;
  double cpu_ = cpu_seconds();
};

enum class deleting : std::uint8_t { no, yes };

figures bare(const std::string& file, std::size_t batch, duration time, deleting with_deletes) {
  bare_database db{file, "CREATE TABLE IF NOT EXISTS t (id INTEGER PRIMARY KEY, s BLOB)"};
  auto* insert = db.prepare("INSERT INTO t (s) VALUES (?)");
  auto* erase = db.prepare("DELETE FROM t WHERE id = ?");
  const std::string payload(300, 'x');  // what a message with a body of 256 bytes comes to
  std::size_t count = 0;
  sqlite3_int64 oldest = 0;
  const stopwatch watch{time};
  while (!watch.over()) {
    db.run("BEGIN IMMEDIATE");
    for (std::size_t i = 0; i < batch; ++i) {
      sqlite3_bind_blob(insert, 1, payload.data(), static_cast<int>(payload.size()), SQLITE_STATIC);
      db.step(insert);
    }
    const auto newest = db.last_row();
    if (oldest == 0) oldest = newest - static_cast<sqlite3_int64>(batch) + 1;
    while (with_deletes == deleting::yes && oldest <= newest - static_cast<sqlite3_int64>(batch)) {
      sqlite3_bind_int64(erase, 1, oldest++);
      db.step(erase);
    }
    db.run("COMMIT");
    count += batch;
  }
  return watch.result(count);
}

std::vector<outgoing> batch_of(std::size_t size, std::size_t first) {
  std::vector<outgoing> batch(size);
  for (std::size_t i = 0; i < size; ++i) {
    auto& m = batch[i].what;
    m.id = std::to_string(first + i);
    m.topic = "readings.v1";
    m.body.assign(256, 'x');
  }
  return batch;
}

struct progress {
  std::size_t published = 0, handled = 0;
  bool over = false;
};

task<void> publish(broker& bus, std::size_t size, const stopwatch& watch, progress& p) {
  while (!watch.over()) {
    for (const auto& each : co_await bus.publish({}, batch_of(size, p.published)))
      require(each.has_value(), each ? "" : each.error().describe());
    p.published += size;
  }
}

task<void> handle(loop& l, consumer& c, progress& p) {
  while (!p.over || p.handled < p.published) {
    const auto d = co_await c.next(context{}.with_timeout(l, std::chrono::milliseconds{20}));
    if (!d || !*d) continue;
    require((co_await c.settle({}, (**d).tag, settlement::ack())).has_value(), "settle");
    ++p.handled;
  }
}

task<void> publish_all(loop& l, broker& bus, std::size_t callers, std::size_t size, const stopwatch& watch,
                       progress& p) {
  task_group all{l};
  for (std::size_t i = 0; i < callers; ++i) all.spawn(publish(bus, size, watch, p));
  co_await all.join();
  p.over = true;
}

enum class handling : std::uint8_t { no, yes };

task<figures> through_broker(loop& l, std::string file, std::size_t callers, std::size_t size, duration time,
                             handling handled) {
  auto hub = co_await open_sqlite_hub(l, {.path = std::move(file), .max_messages = 10'000'000, .max_bytes = 1UL << 32});
  require(hub.has_value(), hub ? "" : hub.error().describe());
  sqlite_broker bus{l, *hub};
  auto c = (co_await bus.subscribe({}, {.group = "g", .patterns = {"readings.v1"}, .prefetch = 1000})).value();
  if (handled == handling::no) c.reset();
  progress p;
  const stopwatch watch{time};
  task_group both{l};
  both.spawn(publish_all(l, bus, callers, size, watch, p));
  if (c) both.spawn(handle(l, *c, p));
  co_await both.join();
  if (c) static_cast<void>(co_await bus.admin()->clear({}, "g"));  // waits until what was settled is written
  const auto measured = watch.result(p.published);
  c.reset();
  static_cast<void>(co_await bus.admin()->clear({}, "g"));
  hub->reset();
  co_await bus.close({});
  co_return measured;
}

struct line {
  std::string name;
  std::function<figures(std::size_t batch, duration time)> run;
};

struct measured {
  std::vector<double> rates, cpu;
};

task<void> fill(loop& l, std::string file, std::size_t messages) {
  auto hub = co_await open_sqlite_hub(l, {.path = std::move(file)});
  require(hub.has_value(), hub ? "" : hub.error().describe());
  sqlite_broker bus{l, *std::move(hub)};
  (co_await bus.subscribe({}, {.group = "g", .patterns = {"readings.v1"}})).value().reset();
  for (std::size_t sent = 0; sent < messages; sent += 1000) {
    auto batch = batch_of(1000, sent);
    for (std::size_t i = 0; i < batch.size(); ++i) batch[i].what.key = "sensor-" + std::to_string(i);
    for (const auto& each : co_await bus.publish({}, std::move(batch)))
      require(each.has_value(), each ? "" : each.error().describe());
  }
  co_await bus.close({});
}

task<figures> open_file(loop& l, std::string file, std::size_t messages) {
  const stopwatch watch{duration{}};
  auto hub = co_await open_sqlite_hub(l, {.path = std::move(file)});
  require(hub.has_value(), hub ? "" : hub.error().describe());
  const auto measured = watch.result(messages);
  sqlite_broker bus{l, *std::move(hub)};
  co_await bus.close({});
  co_return measured;
}

int measure_opening(std::size_t messages) {
  const folder in;
  const auto file = in.path + "/broker.db";
  epoll_loop l;
  l.run(fill(l, file, messages));
  const auto opened = l.run(open_file(l, file, messages));
  std::printf("opening with %zu messages: %.2f s, %.2f s of CPU\n", messages,
              static_cast<double>(messages) / opened.rate,
              opened.cpu_microseconds * static_cast<double>(messages) / 1e6);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc > 1 && std::string_view{argv[1]} == "open")
    return measure_opening(argc > 2 ? std::strtoul(argv[2], nullptr, 10) : 300'000);
  const duration time = std::chrono::milliseconds{static_cast<long>(1000 * (argc > 1 ? std::atof(argv[1]) : 0.5))};
  const int rounds = argc > 2 ? std::atoi(argv[2]) : 9;
  const folder in;
  const auto broker_line = [&in](std::size_t callers, std::size_t size, duration t, handling handled,
                                 const char* name) {
    epoll_loop l;
    return l.run(through_broker(l, in.path + "/" + name + std::to_string(callers * size), callers, size, t, handled));
  };
  const std::vector<line> lines = {
      {"insert",
       [&](std::size_t b, duration t) { return bare(in.path + "/i" + std::to_string(b), b, t, deleting::no); }},
      {"publish", [&](std::size_t b, duration t) { return broker_line(1, b, t, handling::no, "p"); }},
      {"callers", [&](std::size_t b, duration t) { return broker_line(b, 1, t, handling::no, "c"); }},
      {"insert+delete",
       [&](std::size_t b, duration t) { return bare(in.path + "/d" + std::to_string(b), b, t, deleting::yes); }},
      {"handled", [&](std::size_t b, duration t) { return broker_line(b, 1, t, handling::yes, "h"); }},
  };
  const std::size_t batches[] = {1, 16, 64, 256, 1000};
  std::printf("%-8s %-14s %12s %10s %12s\n", "batch", "", "messages/s", "of bare", "CPU us each");
  for (const auto batch : batches) {
    std::vector<measured> all(lines.size());
    for (int round = 0; round < rounds; ++round)
      for (std::size_t i = 0; i < lines.size(); ++i) {
        const auto f = lines[i].run(batch, time);
        all[i].rates.push_back(f.rate);
        all[i].cpu.push_back(f.cpu_microseconds);
      }
    double bare_rate = 0;
    for (std::size_t i = 0; i < lines.size(); ++i) {
      const auto rate = median(all[i].rates);
      if (lines[i].name.starts_with("insert")) bare_rate = rate;
      std::printf("%-8zu %-14s %12.0f %9.0f%% %12.1f\n", batch, lines[i].name.c_str(), rate, 100 * rate / bare_rate,
                  median(all[i].cpu));
    }
    std::fflush(stdout);
  }
}
