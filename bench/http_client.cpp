// What a request costs the client, against what the same request costs the server: CPU time of each process, 64
// keep-alive connections, 100 bytes of JSON.
//     http_client [seconds of a round, 2]
#include <weft/http/client.hpp>
#include <weft/runtime/sleep.hpp>
#include <weft/runtime/task_group.hpp>

#include <algorithm>
#include <array>

#include "measured_process.hpp"

namespace {

using namespace weft;

constexpr int connections = 64;
constexpr int rounds = 5;
constexpr std::string_view order =
    R"({"data":{"id":"018f2f6e-7c1a-7b3e-9a55-3f1f8f0f6a11","stat":"ok","total":4990},"success":true,"n":1})";

task<result<http::response>> answer(http::request&) {
  http::response r{http::status::ok, http::body::view(order)};
  r.headers.add_view("Content-Type", "application/json");
  co_return r;
}

struct progress {
  std::uint64_t requests = 0, failures = 0;
  bool stop = false;
};

task<void> caller(http::client& c, progress& p) {
  while (!p.stop) {
    const auto a = co_await c.get_raw({}, "/orders/7");
    ++(a && a->content.buffered() == order ? p.requests : p.failures);
    if (!a) co_return;
  }
}

task<void> measure(loop& l, http::client& c, progress& p, duration time) {
  task_group callers{l};
  p = {};
  for (int i = 0; i < connections; ++i) callers.spawn(caller(c, p));
  static_cast<void>(co_await weft::sleep(l, {}, time));
  p.stop = true;
  co_await callers.join();
}

}  // namespace

int main(int argc, char** argv) {
  const auto time = std::chrono::milliseconds{argc > 1 ? static_cast<int>(std::atof(argv[1]) * 1000) : 2000};
  const bench::measured_server server{answer, 0};
  bench::pin_to(1);
  epoll_loop loop;
  http::client client{loop, {.base_url = "http://127.0.0.1:" + std::to_string(server.port())}};
  progress p;
  loop.run(measure(loop, client, p, time / 4));  // warms up
  std::array<double, rounds> ours{}, theirs{}, ratios{};
  for (int round = 0; round < rounds; ++round) {
    const auto client_before = bench::own_cpu_seconds(), server_before = server.cpu_seconds();
    loop.run(measure(loop, client, p, time));
    if (p.failures > 0 || p.requests == 0) {
      std::fprintf(stderr, "%llu calls failed\n", static_cast<unsigned long long>(p.failures));
      return 1;
    }
    const auto n = static_cast<double>(p.requests);
    const auto at = static_cast<std::size_t>(round);
    ours[at] = (bench::own_cpu_seconds() - client_before) / n * 1e6;
    theirs[at] = (server.cpu_seconds() - server_before) / n * 1e6;
    ratios[at] = ours[at] / theirs[at];
    std::printf("round %d: %8llu requests  client %6.2f us  server %6.2f us  ratio %.2f\n", round + 1,
                static_cast<unsigned long long>(p.requests), ours[at], theirs[at], ratios[at]);
  }
  for (auto* all : {&ours, &theirs, &ratios}) std::ranges::sort(*all);
  std::printf("median: client %.2f us, server %.2f us of CPU per request; ratio %.2f (target: at most 1.2)\n",
              ours[rounds / 2], theirs[rounds / 2], ratios[rounds / 2]);
}
