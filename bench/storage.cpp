// Durable writes: weft's group commit beside bare SQLite at the same batch, and inserts into PostgreSQL beside bare
// libpq.
//
//     build/release/bench/storage [seconds of each round] [rounds]
//
// Files are made in the working directory; in /dev/shm, where a sync costs nothing, the figures tell the CPU alone.
// Each round measures every line once, so that a disk which is slower for a while is slower for all. A write is one row
// of 250 bytes, on the disk before it counts. In weft each is a caller of its own; in the bare program one loop writes
// them all. PostgreSQL is left out when WEFT_POSTGRES_URL (or the one of ./dev services) does not answer.
#include <weft/runtime/epoll_loop.hpp>
#include <weft/runtime/task_group.hpp>
#include <weft/storage.hpp>

#include <libpq-fe.h>
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "durable.hpp"

namespace {

using namespace weft;
using namespace weft::bench;
using clock_type = std::chrono::steady_clock;

const std::string payload(250, 'x');

// Writes for `time`; gives writes a second.
using line = std::function<double(duration time)>;

double bare_sqlite(const std::string& file, int batch, duration time) {
  bare_database db{file, "CREATE TABLE IF NOT EXISTS t (id INTEGER PRIMARY KEY, s TEXT)"};
  auto* insert = db.prepare("INSERT INTO t (s) VALUES (?)");
  long count = 0;
  const auto begun = clock_type::now();
  while (clock_type::now() - begun < time) {
    db.run("BEGIN IMMEDIATE");
    for (int i = 0; i < batch; ++i) {
      sqlite3_bind_text(insert, 1, payload.data(), static_cast<int>(payload.size()), SQLITE_STATIC);
      db.step(insert);
    }
    db.run("COMMIT");
    count += batch;
  }
  const std::chrono::duration<double> took = clock_type::now() - begun;
  return static_cast<double>(count) / took.count();
}

// As many callers as asked for, each writing one row after the other until the time is over.
task<double> callers(loop& l, int number, duration time, std::function<task<result<>>()> write) {
  struct state {
    long count = 0;
    clock_type::time_point end;
  };
  const auto shared = std::make_shared<state>();
  const auto begun = clock_type::now();
  shared->end = begun + time;
  const auto one = [](std::shared_ptr<state> s, std::function<task<result<>>()> w) -> task<void> {
    while (clock_type::now() < s->end) {
      const auto done = co_await w();
      require(done.has_value(), done ? "" : done.error().describe());
      ++s->count;
    }
  };
  task_group group{l};
  for (int i = 0; i < number; ++i) group.spawn(one(shared, write));
  co_await group.join();
  const std::chrono::duration<double> took = clock_type::now() - begun;
  co_return static_cast<double>(shared->count) / took.count();
}

task<result<>> write_one(storage::sqlite_database& db) {
  return db.write(context{}, [](storage::sqlite_session& s) -> result<> {
    WEFT_TRY_VOID(s.run("INSERT INTO t (s) VALUES ($1)", {payload}));
    return {};
  });
}

double weft_sqlite(const std::string& file, int batch, duration time) {
  epoll_loop l;
  auto opened = l.run(storage::open_sqlite(l, {.path = file}));
  require(opened.has_value(), opened ? "" : opened.error().describe());
  auto& db = **opened;
  require(l.run(db.execute(context{}, "CREATE TABLE IF NOT EXISTS t (id INTEGER PRIMARY KEY, s TEXT)")).has_value(),
          "table");
  const double rate = l.run(callers(l, batch, time, [&db] { return write_one(db); }));
  require(l.run(db.close()).has_value(), "close");
  return rate;
}

std::string server() {
  const char* url = std::getenv("WEFT_POSTGRES_URL");
  return url != nullptr ? url : "postgres://weft:weft@127.0.0.1:24432/weft";
}

constexpr const char* insert_sql = "INSERT INTO weft_bench (s) VALUES ($1)";

double bare_postgres(int clients, duration time) {
  std::vector<PGconn*> connections;
  for (int i = 0; i < clients; ++i) {
    PGconn* c = connections.emplace_back(PQconnectdb(server().c_str()));
    require(PQstatus(c) == CONNECTION_OK, PQerrorMessage(c));
    PQclear(PQprepare(c, "i", insert_sql, 1, nullptr));
  }
  std::vector<long> counts(static_cast<std::size_t>(clients));
  std::vector<std::thread> threads;
  const auto begun = clock_type::now();
  for (std::size_t i = 0; i < counts.size(); ++i)
    threads.emplace_back([&count = counts[i], c = connections[i], end = begun + time] {
      const char* values[] = {payload.c_str()};
      while (clock_type::now() < end) {
        PGresult* r = PQexecPrepared(c, "i", 1, values, nullptr, nullptr, 0);
        require(PQresultStatus(r) == PGRES_COMMAND_OK, PQerrorMessage(c));
        PQclear(r);
        ++count;
      }
    });
  for (auto& thread : threads) thread.join();
  const std::chrono::duration<double> took = clock_type::now() - begun;
  long sum = 0;
  for (const long count : counts) sum += count;
  for (PGconn* c : connections) PQfinish(c);
  return static_cast<double>(sum) / took.count();
}

task<result<>> insert_one(storage::database& db) {
  WEFT_CO_TRY_VOID(co_await db.execute(context{}, insert_sql, {payload}));
  co_return result<>{};
}

double weft_postgres(int clients, duration time) {
  epoll_loop l;
  auto opened =
      l.run(storage::open_postgres(l, context{}, {.url = server(), .connections = static_cast<std::size_t>(clients)}));
  require(opened.has_value(), opened ? "" : opened.error().describe());
  auto& db = **opened;
  {  // every connection is open before the clock runs
    std::vector<storage::transaction> all;
    for (int i = 0; i < clients; ++i) all.push_back(l.run(db.begin(context{})).value());
  }
  return l.run(callers(l, clients, time, [&db] { return insert_one(db); }));
}

bool prepare_postgres() {
  epoll_loop l;
  auto opened = l.run(storage::open_postgres(l, context{}, {.url = server()}));
  if (!opened) {
    std::printf("PostgreSQL is left out: %s\n", opened.error().describe().c_str());
    return false;
  }
  return l
      .run((*opened)->batch(context{}, {{"DROP TABLE IF EXISTS weft_bench"},
                                        {"CREATE TABLE weft_bench (id bigserial PRIMARY KEY, s text)"}}))
      .has_value();
}

}  // namespace

int main(int argc, char** argv) {
  const duration time = std::chrono::milliseconds{static_cast<long>(1000 * (argc > 1 ? std::atof(argv[1]) : 0.3))};
  const int rounds = argc > 2 ? std::atoi(argv[2]) : 15;
  const folder in;
  struct pair {
    std::string name;
    line bare, ours;
    std::vector<double> bare_rates = {}, our_rates = {};
  };
  std::vector<pair> pairs;
  for (const int batch : {1, 16, 100, 256})
    pairs.push_back(
        {"sqlite, " + std::to_string(batch) + " writes at once",
         [&in, batch](duration t) { return bare_sqlite(in.path + "/bare" + std::to_string(batch), batch, t); },
         [&in, batch](duration t) { return weft_sqlite(in.path + "/weft" + std::to_string(batch), batch, t); }});
  if (prepare_postgres())
    for (const int clients : {1, 16})
      pairs.push_back({"postgres, " + std::to_string(clients) + " clients",
                       [clients](duration t) { return bare_postgres(clients, t); },
                       [clients](duration t) { return weft_postgres(clients, t); }});
  for (int round = 0; round < rounds; ++round)
    for (auto& p : pairs) {
      p.bare_rates.push_back(p.bare(time));
      p.our_rates.push_back(p.ours(time));
    }
  std::printf("%-28s %12s %12s %8s\n", "rows/s, median", "bare", "weft", "ratio");
  for (const auto& p : pairs) {
    const double bare = median(p.bare_rates), ours = median(p.our_rates);
    std::printf("%-28s %12.0f %12.0f %7.0f%%\n", p.name.c_str(), bare, ours, 100 * ours / bare);
  }
}
