#pragma once
// Starts a real server for a test, and ends it with the test.
#include <weft/runtime/address.hpp>
#include <weft/runtime/epoll_loop.hpp>

#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>
#include <csignal>
#include <string>
#include <vector>

extern char** environ;

namespace weft::discovery {

class server_process {
 public:
  // Its words go to `log`.
  server_process(std::vector<std::string> words, const std::string& log) {
    std::vector<char*> arguments;
    for (auto& w : words) arguments.push_back(w.data());
    arguments.push_back(nullptr);
    posix_spawn_file_actions_t files;
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_addopen(&files, 0, "/dev/null", 0, 0);
    posix_spawn_file_actions_addopen(&files, 1, log.c_str(), 01 | 0100 | 01000, 0644);  // write, create, truncate
    posix_spawn_file_actions_adddup2(&files, 1, 2);
    if (posix_spawnp(&pid_, arguments[0], &files, nullptr, arguments.data(), environ) != 0) pid_ = -1;
    posix_spawn_file_actions_destroy(&files);
  }
  server_process(const server_process&) = delete;
  server_process& operator=(const server_process&) = delete;
  ~server_process() { end(SIGKILL); }

  [[nodiscard]] bool started() const noexcept { return pid_ > 0; }
  // True once it has ended by itself.
  [[nodiscard]] bool ended() noexcept {
    if (pid_ > 0 && waitpid(pid_, nullptr, WNOHANG) == pid_) pid_ = -1;
    return pid_ <= 0;
  }
  void wait() noexcept {
    if (pid_ > 0) waitpid(pid_, nullptr, 0);
    pid_ = -1;
  }
  void end(int signal) noexcept {
    if (pid_ <= 0) return;
    kill(pid_, signal);
    waitpid(pid_, nullptr, 0);
    pid_ = -1;
  }

 private:
  pid_t pid_ = -1;
};

// Ports that are free now; the server takes them a moment later.
inline std::vector<std::uint16_t> free_ports(loop& l, std::size_t count) {
  std::vector<std::unique_ptr<listener>> held;
  std::vector<std::uint16_t> ports;
  for (std::size_t i = 0; i < count; ++i) {
    held.push_back(l.listen(address::loopback(0)).value());
    ports.push_back(held.back()->local().port());
  }
  return ports;
}

}  // namespace weft::discovery
