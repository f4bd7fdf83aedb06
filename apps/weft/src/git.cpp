#include "git.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

extern char** environ;

namespace weft::cli {

namespace {

constexpr std::size_t max_output = 64 * 1024 * 1024;

class pipe_ends {
 public:
  pipe_ends() {
    if (::pipe2(ends_.data(), O_CLOEXEC) != 0) ends_ = {-1, -1};
  }
  ~pipe_ends() {
    close_write();
    if (ends_[0] >= 0) ::close(ends_[0]);
  }
  pipe_ends(const pipe_ends&) = delete;
  pipe_ends& operator=(const pipe_ends&) = delete;

  [[nodiscard]] int read() const { return ends_[0]; }
  [[nodiscard]] int write() const { return ends_[1]; }
  void close_write() {
    if (ends_[1] >= 0) ::close(ends_[1]);
    ends_[1] = -1;
  }

 private:
  std::array<int, 2> ends_{};
};

// Both to their ends, whichever has something first, so that neither fills up while the other is read.
bool drain(const pipe_ends& out, const pipe_ends& problems, std::string& text, std::string& said) {
  std::array<pollfd, 2> open{
      {{.fd = out.read(), .events = POLLIN, .revents = 0}, {.fd = problems.read(), .events = POLLIN, .revents = 0}}};
  std::array<char, 65536> piece{};
  while (open[0].fd >= 0 || open[1].fd >= 0) {
    if (::poll(open.data(), open.size(), -1) < 0 && errno != EINTR) return false;
    for (std::size_t i = 0; i < open.size(); ++i) {
      if (open[i].fd < 0 || open[i].revents == 0) continue;
      const auto got = ::read(open[i].fd, piece.data(), piece.size());
      if (got < 0 && errno == EINTR) continue;
      if (got <= 0)
        open[i].fd = -1;
      else
        (i == 0 ? text : said).append(piece.data(), static_cast<std::size_t>(got));
      if (text.size() > max_output || said.size() > max_output) return false;
    }
  }
  return true;
}

}  // namespace

result<std::string> git(std::vector<std::string> arguments) {
  std::vector<char*> argv;
  std::string program = "git";
  argv.push_back(program.data());
  for (auto& each : arguments) argv.push_back(each.data());
  argv.push_back(nullptr);

  pipe_ends out, problems;
  posix_spawn_file_actions_t actions{};
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  ::posix_spawn_file_actions_adddup2(&actions, out.write(), STDOUT_FILENO);
  ::posix_spawn_file_actions_adddup2(&actions, problems.write(), STDERR_FILENO);
  pid_t child = 0;
  const int started = ::posix_spawnp(&child, program.c_str(), &actions, nullptr, argv.data(), environ);
  ::posix_spawn_file_actions_destroy(&actions);
  if (started != 0) {
    const error e{errc::failed_precondition, "git cannot be started: " + std::string{std::strerror(started)}};
    return fail(e.with_remedy("install git, or compare with a file"));
  }
  out.close_write();
  problems.close_write();
  std::string text, said;
  const bool complete = drain(out, problems, text, said);
  int status = 0;
  if (!complete) ::kill(child, SIGKILL);
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (!complete) return fail(errc::resource_exhausted, "git " + arguments[0] + " says more than 64 MiB");
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return text;
  while (said.ends_with('\n')) said.pop_back();
  return fail(errc::failed_precondition, said.empty() ? "git " + arguments[0] + " failed" : said);
}

}  // namespace weft::cli
