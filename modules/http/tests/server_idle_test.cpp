// What ten thousand idle connections cost a server, over real sockets.
// weft-style: allow socket in this file: the clients are a process without a loop
// weft-style: allow thread in this file: it forks, since one process may not have the descriptors of both ends
// weft-style: allow skip in this file: what is missing is a right of the process, not a server
#include "http_harness.hpp"

#include <arpa/inet.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>

namespace weft::http {
namespace {

constexpr int many = 10'000;

// The clients are another process: together the two need more descriptors than one may have.
int open_connections(std::uint16_t port, int report, int until) {
  const auto put = [](int to, std::string_view text) {
    return ::write(to, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  };
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_port = htons(port);
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  for (int i = 0; i < many; ++i) {
    const int socket = ::socket(AF_INET, SOCK_STREAM, 0);
    char room[1024];
    if (socket < 0 || ::connect(socket, reinterpret_cast<const sockaddr*>(&at), sizeof at) != 0) return 1;
    if (!put(socket, get("/")) || ::read(socket, room, sizeof room) <= 0) return 2;
    // What one answer left behind is not given back by the next: all look alike at the end.
  }
  char byte = 'k';
  if (!put(report, {&byte, 1})) return 3;
  return ::read(until, &byte, 1) == 0 ? 0 : 4;
}

std::size_t resident_bytes() {
  std::size_t size = 0, resident = 0;
  std::ifstream{"/proc/self/statm"} >> size >> resident;
  return resident * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

task<result<response>> sizable(request&) { co_return response::text(std::string(300, 'x')); }

task<void> wait_readable(loop& l, int descriptor) {
  const auto watched = l.watch(descriptor).value();
  static_cast<void>(co_await watched->ready(io_direction::read));
}

TEST(ServerLimitsOnSockets, KeepTenThousandIdleConnectionsInLittleMemory) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || __has_feature(address_sanitizer) || \
    __has_feature(thread_sanitizer)
  GTEST_SKIP() << "sanitizers multiply memory";
#endif
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  const auto before_limit = limit;
  if (limit.rlim_max < many + 200) GTEST_SKIP() << "the hard limit of open files is " << limit.rlim_max;
  limit.rlim_cur = std::max<rlim_t>(limit.rlim_cur, many + 200);
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &limit), 0);
  int report[2], until[2];
  ASSERT_EQ(::pipe(report), 0);
  ASSERT_EQ(::pipe(until), 0);
  {
    epoll_loop l;
    served s{l, sizable};
    const auto before = resident_bytes();
    const pid_t clients = ::fork();
    if (clients == 0) {
      ::close(until[1]);
      ::_exit(open_connections(s.server.local().port(), report[1], until[0]));
    }
    ::close(report[1]);
    l.run(wait_readable(l, report[0]));
    EXPECT_EQ(s.server.stats().connections, static_cast<std::size_t>(many));
    const auto each = (resident_bytes() - before) / many;
    EXPECT_LE(each, 24U * 1024) << "bytes for an idle connection";  // 32 KiB is what is promised
    testing::Test::RecordProperty("bytes_per_idle_connection", static_cast<int>(each));
    // None of them is in the way of a new one.
    EXPECT_TRUE(l.run(s.say(get("/", "Connection: close\r\n"))).starts_with("HTTP/1.1 200 "));
    ::close(until[1]);
    int state = 0;
    ::waitpid(clients, &state, 0);
    EXPECT_EQ(state, 0);
  }
  ::close(report[0]);
  ::close(until[0]);
  ::setrlimit(RLIMIT_NOFILE, &before_limit);
}

}  // namespace
}  // namespace weft::http
