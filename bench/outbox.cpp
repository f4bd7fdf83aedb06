// Messages a second through the relay of an outbox, beside what the same broker confirms without it. 256-byte bodies,
// 1000 keys; each round measures both, one after the other, so that a slow moment is slow for both.
//
//     build/release/bench/outbox [messages] [rounds] [engine] [broker] [same_key]
//
// engine: sqlite, postgres, or "" for each; broker: memory, sqlite, rabbitmq, or ""; same_key: relay_options::same_key.
//
// publish: batches of 256, eight calls at once, as the relay does it. relay: the messages are in the outbox when the
// clock starts, and it stops when every row has been marked. bare: the same rows are read and deleted by the same
// database in batches of 1024, without broker, order or leases; no relay can be faster. CPU: of this process, for a
// message. Brokers have a group, so that the messages are kept. Files are made in the working directory. Where
// WEFT_POSTGRES_URL or WEFT_AMQP_URL (or those of ./dev services) do not answer, they are left out.
#include <weft/messaging/memory_broker.hpp>
#include <weft/messaging_amqp/amqp_broker.hpp>
#include <weft/messaging_sqlite/sqlite_broker.hpp>
#include <weft/outbox.hpp>
#include <weft/runtime/epoll_loop.hpp>
#include <weft/runtime/sleep.hpp>
#include <weft/runtime/task_group.hpp>
#include <weft/storage/database.hpp>

#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

namespace {

using namespace weft;
using namespace weft::messaging;
using namespace std::chrono_literals;
using clock_type = std::chrono::steady_clock;

template <class T>
T need(result<T> r, const char* what) {
  if (!r) {
    std::fprintf(stderr, "%s: %s\n", what, r.error().describe().c_str());
    std::exit(1);
  }
  if constexpr (!std::is_void_v<T>) return *std::move(r);
}

std::string from_environment(const char* name, const char* otherwise) {
  const char* value = std::getenv(name);
  return value != nullptr ? value : otherwise;
}

struct folder {
  folder() {
    auto pattern = (std::filesystem::current_path() / "weft-bench-XXXXXX").string();
    if (::mkdtemp(pattern.data()) == nullptr) std::exit(1);
    path = pattern;
  }
  folder(const folder&) = delete;
  folder& operator=(const folder&) = delete;
  ~folder() { std::filesystem::remove_all(path); }
  std::string path;
};

outgoing message_of(std::size_t number) {
  return {.what = {.id = "message-" + std::to_string(number),
                   .topic = "bench.outbox",
                   .key = "key-" + std::to_string(number % 1000),
                   .fields = {{"ce-type", "bench"}, {"ce-source", "/bench"}},
                   .body = std::string(256, 'x'),
                   .content_type = "application/json"}};
}

double cpu_seconds() {
  rusage used{};
  ::getrusage(RUSAGE_SELF, &used);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
  };
  return seconds(used.ru_utime) + seconds(used.ru_stime);
}

struct measured {
  double rate = 0, cpu_microseconds = 0;
};

class stopwatch {
 public:
  [[nodiscard]] measured of(std::size_t count) const {
    const auto all = static_cast<double>(count);
    return {.rate = all / std::chrono::duration<double>(clock_type::now() - since_).count(),
            .cpu_microseconds = (cpu_seconds() - cpu_) * 1e6 / all};
  }

 private:
  clock_type::time_point since_ = clock_type::now();
  double cpu_ = cpu_seconds();
};

task<void> publish_some(broker& bus, std::size_t& next, std::size_t end) {
  while (next < end) {
    std::vector<outgoing> batch;
    for (; next < end && batch.size() < 256; ++next) batch.push_back(message_of(next));
    for (auto& r : co_await bus.publish({}, std::move(batch))) need(std::move(r), "publish");
  }
}

task<measured> publish_alone(loop& l, broker& bus, std::size_t count) {
  const stopwatch watch;
  std::size_t next = 0;
  task_group calls{l};
  for (int i = 0; i < 8; ++i) calls.spawn(publish_some(bus, next, count));
  co_await calls.join();
  co_return watch.of(count);
}

struct add_some {
  outbox& out;
  std::size_t from, to;
  task<result<>> operator()(storage::transaction& tx, context ctx) const {
    std::vector<outgoing> batch;
    for (auto i = from; i < to; ++i) batch.push_back(message_of(i));
    co_return co_await out.add(tx, std::move(ctx), std::move(batch));
  }
};

task<void> fill(outbox& out, std::size_t count) {
  for (std::size_t at = 0; at < count; at += 500)
    need(co_await out.transact({}, add_some{out, at, std::min(count, at + 500)}), "add");
}

task<measured> relay_all(loop& l, storage::database& db, broker& bus, std::size_t count, std::size_t same_key) {
  const auto out = need(co_await outbox::open(db, {}), "outbox");
  co_await fill(*out, count);
  outbox_relay relay{*out, bus, {.name = "bench", .same_key = same_key}};
  const stopwatch watch;
  need(co_await relay.start({}), "relay");
  while (relay.statistics().published < count || relay.statistics().in_memory > 0)
    static_cast<void>(co_await weft::sleep(l, {}, 1ms));
  const auto made = watch.of(count);
  need(co_await relay.stop({}), "stop");
  if (need(co_await out->depth({}), "depth").waiting != 0) std::exit(1);
  co_return made;
}

task<measured> read_and_delete_all(storage::database& db, std::size_t count) {
  const auto out = need(co_await outbox::open(db, {}), "outbox");
  co_await fill(*out, count);
  const stopwatch watch;
  for (;;) {
    const auto found = need(co_await db.query({},
                                              "SELECT seq, shard, id, topic, message_key, meta, body, added_at FROM "
                                              "weft_outbox WHERE state = 0 ORDER BY seq LIMIT 1024"),
                            "read");
    if (found.empty()) break;
    const auto first = need(found[0].get<std::int64_t>(0), "seq");
    const auto last = need(found[found.size() - 1].get<std::int64_t>(0), "seq");
    need(co_await db.execute({}, "DELETE FROM weft_outbox WHERE seq BETWEEN $1 AND $2", {first, last}), "delete");
  }
  co_return watch.of(count);
}

struct round_of {
  measured publish, relay, bare;
};

task<result<std::unique_ptr<broker>>> open_broker(loop& l, const std::string& url) {
  broker_factory brokers;
  brokers.add("memory", memory_brokers({.max_messages = 10'000'000, .max_bytes = 8UL << 30}))
      .add("sqlite", sqlite_brokers())
      .add("amqp", amqp_brokers());
  co_return co_await brokers.open(l, {}, url);
}

task<void> forget_messages(broker& bus) {
  need(co_await bus.admin()->clear({}, "bench-outbox"), "clear");
  need(co_await bus.admin()->remove_group({}, "bench-outbox"), "remove_group");
}

task<void> make_group(broker& bus) {
  auto c =
      need(co_await bus.subscribe({}, {.group = "bench-outbox", .patterns = {"bench.outbox"}, .prefetch = 1}), "group");
  need(co_await c->stop({}), "stop");
}

task<round_of> measure(loop& l, std::string database_url, std::string broker_url, std::size_t count,
                       std::size_t same_key) {
  const auto db = need(co_await storage::open(l, {}, database_url), "database");
  const auto bus = need(co_await open_broker(l, broker_url), "broker");
  round_of r;
  co_await make_group(*bus);
  r.publish = co_await publish_alone(l, *bus, count);
  co_await forget_messages(*bus);
  co_await make_group(*bus);
  r.relay = co_await relay_all(l, *db, *bus, count, same_key);
  r.bare = co_await read_and_delete_all(*db, count);
  co_await forget_messages(*bus);
  co_await bus->close({});
  need(co_await db->close(), "close");
  co_return r;
}

double median(std::vector<double> all) {
  std::ranges::sort(all);
  return all[all.size() / 2];
}

struct named {
  std::string name, url;
};

bool answers(const std::string& name, bool opened, const std::string& why) {
  if (!opened) std::printf("%s is left out: %s\n", name.c_str(), why.c_str());
  return opened;
}

}  // namespace

int main(int argc, char** argv) {
  const std::size_t count = argc > 1 ? std::strtoul(argv[1], nullptr, 10) : 50'000;
  const int rounds = argc > 2 ? std::atoi(argv[2]) : 5;
  const std::string only_engine = argc > 3 ? argv[3] : "", only_broker = argc > 4 ? argv[4] : "";
  const std::size_t same_key = argc > 5 ? std::strtoul(argv[5], nullptr, 10) : 0;
  const folder in;
  const auto postgres = from_environment("WEFT_POSTGRES_URL", "postgres://weft:weft@127.0.0.1:24432/weft");
  const auto rabbitmq = from_environment("WEFT_AMQP_URL", "amqp://weft:weft@127.0.0.1:24672/");
  std::vector<named> engines{{"sqlite", "sqlite:" + in.path + "/outbox.db"}};
  std::vector<named> brokers{{"memory", "memory:"}, {"sqlite", "sqlite:" + in.path + "/broker.db"}};
  {
    epoll_loop l;
    const auto opened = l.run(storage::open(l, {}, postgres));
    if (answers("PostgreSQL", opened.has_value(), opened ? "" : opened.error().describe())) {
      for (const auto* sql : {"DROP SCHEMA IF EXISTS weft_bench CASCADE", "CREATE SCHEMA weft_bench"})
        need(l.run((*opened)->execute({}, sql)), "schema");
      engines.push_back({"postgres", postgres + "?options=-csearch_path%3Dweft_bench"});
    }
    const auto bus = l.run(open_broker(l, rabbitmq));
    if (answers("RabbitMQ", bus.has_value(), bus ? "" : bus.error().describe()))
      brokers.push_back({"rabbitmq", rabbitmq});
  }
  std::printf("medians of %d rounds of %zu messages\n", rounds, count);
  std::printf("%-10s %-10s %12s %12s %8s %12s %8s %12s %12s\n", "engine", "broker", "publish/s", "relay/s", "relay",
              "bare/s", "relay", "relay CPU us", "bare CPU us");
  for (const auto& e : engines)
    for (const auto& b : brokers) {
      if ((!only_engine.empty() && only_engine != e.name) || (!only_broker.empty() && only_broker != b.name)) continue;
      std::vector<double> publish, relay, bare, of_publish, of_bare, cpu, bare_cpu;
      for (int i = 0; i < rounds; ++i) {
        epoll_loop l;
        const auto r = l.run(measure(l, e.url, b.url, count, same_key));
        publish.push_back(r.publish.rate);
        relay.push_back(r.relay.rate);
        bare.push_back(r.bare.rate);
        of_publish.push_back(100 * r.relay.rate / r.publish.rate);
        of_bare.push_back(100 * r.relay.rate / r.bare.rate);
        cpu.push_back(r.relay.cpu_microseconds);
        bare_cpu.push_back(r.bare.cpu_microseconds);
      }
      std::printf("%-10s %-10s %12.0f %12.0f %7.0f%% %12.0f %7.0f%% %12.1f %12.1f\n", e.name.c_str(), b.name.c_str(),
                  median(publish), median(relay), median(of_publish), median(bare), median(of_bare), median(cpu),
                  median(bare_cpu));
      std::fflush(stdout);
    }
}
