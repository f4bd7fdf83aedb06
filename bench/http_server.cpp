// The server that tools/bench/http.sh measures: 100 bytes of JSON for every request, one loop, one thread.
//     http_server <port>
#include <weft/http/server.hpp>
#include <weft/runtime/epoll_loop.hpp>

#include <charconv>
#include <csignal>
#include <cstdio>
#include <cstring>

namespace {

using namespace weft;

constexpr std::string_view order =
    R"({"data":{"id":"018f2f6e-7c1a-7b3e-9a55-3f1f8f0f6a11","stat":"ok","total":4990},"success":true,"n":1})";
static_assert(order.size() == 100);

task<result<http::response>> answer(http::request&) {
  http::response r{http::status::ok, http::body::view(order)};
  r.headers.add_view("Content-Type", "application/json");
  co_return r;
}

}  // namespace

int main(int argc, char** argv) {
  std::uint16_t port = 0;
  if (argc != 2 || std::from_chars(argv[1], argv[1] + std::strlen(argv[1]), port).ec != std::errc{}) {
    std::puts("http_server is measured by: ./dev bench http");
    return 0;
  }
  epoll_loop loop;
  http::server server{loop, answer};
  if (const auto listening = server.listen(address::loopback(port)); !listening) {
    std::fprintf(stderr, "%s\n", listening.error().describe().c_str());
    return 1;
  }
  for (const int number : {SIGTERM, SIGINT})
    if (!loop.on_signal(number, [&](int) { loop.stop(); })) return 1;
  loop.run();
}
