// What an idle keep-alive connection costs a server: resident memory, after one request on each connection.
//     idle_connections [connections, 10000]
#include "measured_process.hpp"

namespace {

using namespace weft;

task<result<http::response>> answer(http::request&) { co_return http::response::json_text(R"({"ok":true})"); }

task<bool> open_and_ask(loop& l, address server, std::vector<std::unique_ptr<stream>>& open) {
  auto connection = co_await l.connect({}, server);
  if (!connection) co_return false;
  const_buffer request[] = {std::string_view{"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"}};
  char room[1024];
  if (!co_await (*connection)->write(request) || !co_await (*connection)->read(room)) co_return false;
  open.push_back(*std::move(connection));
  co_return true;
}

}  // namespace

int main(int argc, char** argv) {
  auto wanted = static_cast<rlim_t>(argc > 1 ? std::atoi(argv[1]) : 10'000);
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = std::min<rlim_t>(limit.rlim_max, wanted + 100);
  ::setrlimit(RLIMIT_NOFILE, &limit);
  if (limit.rlim_cur < wanted + 100) {
    wanted = limit.rlim_cur - 100;
    std::printf("the limit of open files allows %llu connections\n", static_cast<unsigned long long>(wanted));
  }
  const bench::measured_server server{answer, 0};
  epoll_loop loop;
  std::vector<std::unique_ptr<stream>> open;
  open.reserve(wanted);
  const auto at = address::loopback(server.port());
  for (int i = 0; i < 10; ++i)
    if (!loop.run(open_and_ask(loop, at, open))) return 1;
  const auto before = server.resident_bytes();
  const auto warm = open.size();
  while (open.size() < wanted)
    if (!loop.run(open_and_ask(loop, at, open))) {
      std::fprintf(stderr, "connection %zu failed\n", open.size());
      return 1;
    }
  const auto bytes = static_cast<double>(server.resident_bytes() - before) / static_cast<double>(open.size() - warm);
  std::printf("%zu idle connections: %.1f KiB of resident memory each (target: at most 32)\n", open.size(),
              bytes / 1024);
}
