#pragma once
// A server in a process of its own, so that its CPU time and memory are its own.
#include <weft/http/server.hpp>
#include <weft/runtime/epoll_loop.hpp>

#include <sched.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>

namespace weft::bench {

inline void pin_to(int core) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(core, &set);
  ::sched_setaffinity(0, sizeof set, &set);  // best effort: with one core all share it
}

inline double own_cpu_seconds() {
  rusage used{};
  ::getrusage(RUSAGE_SELF, &used);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
  };
  return seconds(used.ru_utime) + seconds(used.ru_stime);
}

class measured_server {
 public:
  measured_server(http::handler h, int core) {
    int port_pipe[2];
    if (::pipe(port_pipe) != 0) std::abort();
    process_ = ::fork();
    if (process_ == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      pin_to(core);
      serve(std::move(h), port_pipe[1]);
      std::_Exit(0);
    }
    if (process_ < 0 || ::read(port_pipe[0], &port_, sizeof port_) != sizeof port_) std::abort();
  }
  ~measured_server() {
    ::kill(process_, SIGKILL);
    ::waitpid(process_, nullptr, 0);
  }
  measured_server(const measured_server&) = delete;
  measured_server& operator=(const measured_server&) = delete;

  [[nodiscard]] std::uint16_t port() const noexcept { return port_; }
  // From the scheduler's own accounting, in nanoseconds.
  [[nodiscard]] double cpu_seconds() const {
    double nanoseconds = 0;
    std::ifstream{"/proc/" + std::to_string(process_) + "/schedstat"} >> nanoseconds;
    return nanoseconds / 1e9;
  }
  [[nodiscard]] std::size_t resident_bytes() const {
    std::size_t size = 0, resident = 0;
    std::ifstream{"/proc/" + std::to_string(process_) + "/statm"} >> size >> resident;
    return resident * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  }

 private:
  static void serve(http::handler h, int report_port_to) {
    epoll_loop loop;
    http::server server{loop, std::move(h)};
    if (!server.listen(address::loopback(0))) std::abort();
    const auto port = server.local().port();
    if (::write(report_port_to, &port, sizeof port) != sizeof port) std::abort();
    loop.run();
  }
  pid_t process_ = -1;
  std::uint16_t port_ = 0;
};

}  // namespace weft::bench
