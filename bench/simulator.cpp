// The simulator's own cost: what a virtual event and a simulated round trip take of the processor.
//
//     events_per_s        virtual events (segments, timers) per second of CPU on one core; ambition: 1 M
//     round_trips_per_ms  requests answered per millisecond of CPU; ambition over HTTP: 200
//
// Rates are over the processor time of the measuring thread. A link without faults is measured, and one with loss,
// reordering and splits.
#include <weft/http/client.hpp>
#include <weft/http/router.hpp>
#include <weft/http/server.hpp>
#include <weft/runtime/sleep.hpp>
#include <weft/testkit.hpp>

#include <benchmark/benchmark.h>

#include <array>
#include <string>

namespace {

using namespace weft;
using namespace weft::testkit;
using namespace std::chrono_literals;

// What every benchmark reports, over the virtual time that it ran.
void report(benchmark::State& state, const simulation& sim, std::uint64_t round_trips) {
  using benchmark::Counter;
  state.counters["events_per_s"] = Counter(static_cast<double>(sim.events()), Counter::kIsRate);
  if (round_trips > 0)
    state.counters["round_trips_per_ms"] = Counter(static_cast<double>(round_trips) / 1000, Counter::kIsRate);
}

task<void> echo(std::unique_ptr<stream> s) {
  std::array<char, 1024> part{};
  for (;;) {
    auto count = co_await s->read(part);
    if (!count || *count == 0) co_return;
    const_buffer answer{part.data(), *count};
    if (!co_await s->write({&answer, 1})) co_return;
  }
}

task<void> echo_server(loop& l) {
  task_group connections{l};
  auto taking = l.listen(address::any(80)).value();
  for (;;) connections.spawn(echo((co_await taking->accept()).value()));
}

task<void> ping(loop& l, address server, std::uint64_t& round_trips) {
  auto s = (co_await l.connect({}, server)).value();
  const std::string question(100, 'q');
  std::array<char, 1024> part{};
  for (;;) {
    const_buffer buffer{question};
    if (!co_await s->write({&buffer, 1})) co_return;
    for (std::size_t got = 0; got < question.size();) {
      auto count = co_await s->read(part);
      if (!count || *count == 0) co_return;
      got += *count;
    }
    ++round_trips;
  }
}

void run_ping_pong(benchmark::State& state, simulation_options options) {
  simulation sim{1, std::move(options)};
  auto& server = sim.add_host("server");
  server.on_boot([](host& h) { return echo_server(h.loop()); });
  std::uint64_t round_trips = 0;
  for (int i = 0; i < state.range(0); ++i) {
    auto& client = sim.add_host("client" + std::to_string(i));
    client.spawn(ping(client.loop(), server.address(80), round_trips));
  }
  for (auto _ : state) sim.run_for(10ms);
  report(state, sim, round_trips);
}

void ping_pong(benchmark::State& state) { run_ping_pong(state, {}); }
BENCHMARK(ping_pong)->ArgName("clients")->Arg(1)->Arg(8)->Arg(64);

void ping_pong_without_jitter(benchmark::State& state) { run_ping_pong(state, {.network = {.link = {.jitter = {}}}}); }
BENCHMARK(ping_pong_without_jitter)->ArgName("clients")->Arg(8);

void ping_pong_over_bad_links(benchmark::State& state) {
  run_ping_pong(state, {.network = {.link = {.loss = 0.001, .reorder = 0.05, .split = 0.05}}});
}
BENCHMARK(ping_pong_over_bad_links)->ArgName("clients")->Arg(8)->Arg(64);

void ping_pong_traced(benchmark::State& state) { run_ping_pong(state, {.trace = trace_level::all}); }
BENCHMARK(ping_pong_traced)->ArgName("clients")->Arg(8);

task<void> tick(loop& l, duration every) {
  while (co_await weft::sleep(l, {}, every)) {
  }
}

void timers(benchmark::State& state) {
  simulation sim{1};
  auto& only = sim.add_host("only");
  for (int i = 0; i < state.range(0); ++i)
    only.spawn(tick(only.loop(), 1ms + duration{sim.random().between(0, 1'000'000)}));
  for (auto _ : state) sim.run_for(10ms);
  report(state, sim, 0);
}
BENCHMARK(timers)->ArgName("tasks")->Arg(1)->Arg(100)->Arg(10'000);

task<void> http_server(loop& l) {
  http::router routes;
  routes.get("/orders/7", [](http::request&) -> task<http::response> {
    co_return http::response::json_text(std::string(100, ' '));
  });
  http::server server{l, routes.as_handler()};
  if (!server.listen(address::any(80))) co_return;
  static_cast<void>(co_await weft::sleep(l, {}, 24h * 365));
}

task<void> http_client(loop& l, std::uint64_t& round_trips) {
  http::client client{l, {.base_url = "http://server"}};
  for (;;) {
    auto answer = co_await client.get_raw({}, "/orders/7");
    if (!answer || !co_await answer->content.text()) co_return;
    ++round_trips;
  }
}

// The real server and client: a GET over a kept connection, answered with 100 bytes.
void http_round_trips(benchmark::State& state) {
  simulation sim{1};
  sim.add_host("server").on_boot([](host& h) { return http_server(h.loop()); });
  auto& round_trips = sim.make<std::uint64_t>();
  for (int i = 0; i < state.range(0); ++i) {
    auto& client = sim.add_host("client" + std::to_string(i));
    client.spawn(http_client(client.loop(), round_trips));
  }
  for (auto _ : state) sim.run_for(10ms);
  report(state, sim, round_trips);
}
BENCHMARK(http_round_trips)->ArgName("clients")->Arg(1)->Arg(8)->Arg(64);

// A small system, made, run for a second of virtual time with faults, and torn down: what one seed costs.
void one_seed(benchmark::State& state) {
  std::uint64_t seed = 0, events = 0;
  for (auto _ : state) {
    simulation sim{++seed};
    std::uint64_t round_trips = 0;
    for (auto name : {"a", "b", "c"}) sim.add_host(name).on_boot([](host& h) { return echo_server(h.loop()); });
    for (auto name : {"a", "b", "c"}) {
      auto& client = sim.add_host(std::string{"client of "} + name);
      client.spawn(ping(client.loop(), sim.at(name).address(80), round_trips));
    }
    sim.apply(fault_plan::random(
        sim.random(), {.hosts = sim.hosts(), .until = 800ms, .crash_every = 200ms, .partition_every = 200ms}));
    sim.run_for(1s);
    events += sim.events();
  }
  state.counters["events_per_s"] = benchmark::Counter(static_cast<double>(events), benchmark::Counter::kIsRate);
}
BENCHMARK(one_seed);

}  // namespace
