// Durable messages through sqlite:, beside bare SQLite that writes rows of the same size, as many in each commit.
//
//     build/release/bench/messaging_sqlite [seconds of each round] [rounds]
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

#include <sqlite3.h>
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

namespace {

using namespace weft;
using namespace weft::messaging;
using clock_type = std::chrono::steady_clock;

void require(bool ok, const std::string& what) {
  if (ok) return;
  std::fprintf(stderr, "%s\n", what.c_str());
  std::exit(1);
}

struct folder {
  folder() {
    auto pattern = (std::filesystem::current_path() / "weft-bench-XXXXXX").string();
    const char* made = ::mkdtemp(pattern.data());
    require(made != nullptr, "cannot make a folder here");
    path = made;
  }
  folder(const folder&) = delete;
  folder& operator=(const folder&) = delete;
  ~folder() { std::filesystem::remove_all(path); }
  std::string path;
};

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
  sqlite3* db = nullptr;
  sqlite3_stmt *insert = nullptr, *erase = nullptr;
  require(sqlite3_open(file.c_str(), &db) == SQLITE_OK, "sqlite3_open");
  const auto run = [db](const char* sql) {
    require(sqlite3_exec(db, sql, nullptr, nullptr, nullptr) == SQLITE_OK, sqlite3_errmsg(db));
  };
  run("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; CREATE TABLE IF NOT EXISTS t (id INTEGER PRIMARY KEY, s "
      "BLOB)");
  sqlite3_prepare_v2(db, "INSERT INTO t (s) VALUES (?)", -1, &insert, nullptr);
  sqlite3_prepare_v2(db, "DELETE FROM t WHERE id = ?", -1, &erase, nullptr);
  const std::string payload(300, 'x');  // what a message with a body of 256 bytes comes to
  std::size_t count = 0;
  sqlite3_int64 oldest = 0;
  const stopwatch watch{time};
  while (!watch.over()) {
    run("BEGIN IMMEDIATE");
    for (std::size_t i = 0; i < batch; ++i) {
      sqlite3_bind_blob(insert, 1, payload.data(), static_cast<int>(payload.size()), SQLITE_STATIC);
      require(sqlite3_step(insert) == SQLITE_DONE, sqlite3_errmsg(db));
      sqlite3_reset(insert);
    }
    const auto newest = sqlite3_last_insert_rowid(db);
    if (oldest == 0) oldest = newest - static_cast<sqlite3_int64>(batch) + 1;
    while (with_deletes == deleting::yes && oldest <= newest - static_cast<sqlite3_int64>(batch)) {
      sqlite3_bind_int64(erase, 1, oldest++);
      require(sqlite3_step(erase) == SQLITE_DONE, sqlite3_errmsg(db));
      sqlite3_reset(erase);
    }
    run("COMMIT");
    count += batch;
  }
  const auto measured = watch.result(count);
  sqlite3_finalize(insert);
  sqlite3_finalize(erase);
  sqlite3_close(db);
  return measured;
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
  if (c) static_cast<void>(co_await bus.clear({}, "g"));  // waits until what was settled is written
  const auto measured = watch.result(p.published);
  c.reset();
  static_cast<void>(co_await bus.clear({}, "g"));
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

double median(std::vector<double> all) {
  std::ranges::sort(all);
  return all[all.size() / 2];
}

}  // namespace

int main(int argc, char** argv) {
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
