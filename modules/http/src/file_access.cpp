#include "file_access.hpp"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <cerrno>
#include <cstring>
#include <stdexcept>

namespace weft::http::detail {

namespace {
// O_NONBLOCK: opening a named pipe must not wait for its writer.
constexpr int read_flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;

// For kernels and sandboxes without openat2: one segment at a time, no symbolic link at all.
int open_step_by_step(int folder, std::string_view rest) {
  auto at = std::make_unique<descriptor>(fcntl(folder, F_DUPFD_CLOEXEC, 0));
  for (;;) {
    const auto slash = rest.find('/');
    const std::string segment{rest.substr(0, slash)};
    if (slash == std::string_view::npos) return openat(at->get(), segment.c_str(), read_flags | O_NOFOLLOW);
    const int next = openat(at->get(), segment.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (next < 0) return -1;
    at = std::make_unique<descriptor>(next);
    rest = rest.substr(slash + 1);
  }
}

int open_inside(int folder, const std::string& relative) {
  open_how how{};
  how.flags = read_flags;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS;
  for (int attempt = 0; attempt < 4; ++attempt) {  // EAGAIN: something was renamed meanwhile
    const auto fd = syscall(SYS_openat2, folder, relative.c_str(), &how, sizeof how);
    if (fd >= 0) return static_cast<int>(fd);
    if (errno == ENOSYS || errno == EPERM) return open_step_by_step(folder, relative);
    if (errno != EAGAIN && errno != EINTR) break;
  }
  return -1;
}
}  // namespace

descriptor::~descriptor() {
  if (fd_ >= 0) close(fd_);
}

shared_descriptor open_folder(const std::filesystem::path& path) {
  const int fd = open(path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0)
    throw std::invalid_argument{"static_files: the folder '" + path.string() +
                                "' cannot be opened: " + std::strerror(errno)};
  return std::make_shared<const descriptor>(fd);
}

result<opened_file> open_beneath(const descriptor& folder, const std::string& relative) {
  opened_file opened{
      .file = std::make_shared<const descriptor>(open_inside(folder.get(), relative.empty() ? "." : relative)),
      .modified = {}};
  const int problem = errno;
  struct stat about{};
  if (opened.file->get() < 0 && (problem == EMFILE || problem == ENFILE))
    return fail(errc::unavailable, "out of file descriptors");
  if (opened.file->get() < 0 || fstat(opened.file->get(), &about) != 0) return fail(errc::not_found, "no such file");
  opened.is_folder = S_ISDIR(about.st_mode);
  if (!opened.is_folder && !S_ISREG(about.st_mode)) return fail(errc::not_found, "no such file");
  opened.size = static_cast<std::uint64_t>(about.st_size);
  opened.inode = about.st_ino;
  opened.modified = wall_time{std::chrono::duration_cast<wall_time::duration>(
      std::chrono::seconds{about.st_mtim.tv_sec} + std::chrono::nanoseconds{about.st_mtim.tv_nsec})};
  return opened;
}

result<std::string> read_at(const descriptor& file, std::uint64_t offset, std::size_t count) {
  std::string text(count, '\0');
  std::size_t done = 0;
  while (done < count) {
    const auto n = pread(file.get(), text.data() + done, count - done, static_cast<off_t>(offset + done));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return fail(errc::data_loss, std::string{"reading a file: "} + std::strerror(errno));
    if (n == 0) break;
    done += static_cast<std::size_t>(n);
  }
  text.resize(done);
  return text;
}

}  // namespace weft::http::detail
