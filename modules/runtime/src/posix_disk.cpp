#include <weft/runtime/blocking.hpp>
#include <weft/runtime/posix_disk.hpp>

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <system_error>

namespace weft {

class posix_disk::descriptor {
 public:
  explicit descriptor(int number) noexcept : number_{number} {}
  descriptor(const descriptor&) = delete;
  descriptor& operator=(const descriptor&) = delete;
  ~descriptor() { ::close(number_); }
  [[nodiscard]] int get() const noexcept { return number_; }

 private:
  int number_;
};

namespace {

errc disk_code(int number) noexcept {
  switch (number) {
    case ENOENT:
      return errc::not_found;
    case EEXIST:
      return errc::already_exists;
    case EACCES:
    case EPERM:
    case EROFS:
      return errc::permission_denied;
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
    case EMFILE:
    case ENFILE:
    case ENOMEM:
      return errc::resource_exhausted;
    case EIO:
      return errc::data_loss;
    case EINVAL:
    case EISDIR:
    case ENOTDIR:
    case ENAMETOOLONG:
      return errc::invalid_argument;
    default:
      return errc::unknown;
  }
}

std::unexpected<error> disk_failure(std::string_view verb, std::string_view name) {
  const int number = errno;
  return fail(error{disk_code(number), std::generic_category().message(number)}.with_operation(std::string{verb} + " " +
                                                                                               std::string{name}));
}

// Again for as long as a signal interrupts it.
template <class Call>
auto uninterrupted(Call call) {
  auto value = call();
  while (value < 0 && errno == EINTR) value = call();
  return value;
}

result<> check_name(std::string_view name) {
  if (name.empty() || name == "." || name == ".." || name.find('/') != name.npos || name.find('\0') != name.npos)
    return fail(errc::invalid_argument, "not a plain file name: \"" + std::string{name} + "\"");
  return {};
}

result<> write_all(int descriptor, std::uint64_t offset, std::string_view data, std::string_view name) {
  while (!data.empty()) {
    const auto count =
        uninterrupted([&] { return ::pwrite(descriptor, data.data(), data.size(), static_cast<off_t>(offset)); });
    if (count < 0) return disk_failure("writing", name);
    data.remove_prefix(static_cast<std::size_t>(count));
    offset += static_cast<std::uint64_t>(count);
  }
  return {};
}

result<std::uint64_t> size_of(int descriptor, std::string_view name) {
  struct stat status{};
  if (::fstat(descriptor, &status) != 0) return disk_failure("looking at", name);
  return static_cast<std::uint64_t>(status.st_size);
}

// All or nothing, also when the disk is full in the middle.
result<> append_all(int descriptor, std::string_view data, std::string_view name) {
  WEFT_TRY(const auto before, size_of(descriptor, name));
  auto written = write_all(descriptor, before, data, name);
  if (!written) static_cast<void>(!::ftruncate(descriptor, static_cast<off_t>(before)));
  return written;
}

result<std::string> read_some(int descriptor, std::uint64_t offset, std::size_t most, std::string_view name) {
  std::string text(most, '\0');
  std::size_t done = 0;
  while (done < most) {
    const auto count = uninterrupted(
        [&] { return ::pread(descriptor, text.data() + done, most - done, static_cast<off_t>(offset + done)); });
    if (count < 0) return disk_failure("reading", name);
    if (count == 0) break;
    done += static_cast<std::size_t>(count);
  }
  text.resize(done);
  return text;
}

result<std::vector<std::string>> names_in(int folder) {
  const int copy = ::openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (copy < 0) return disk_failure("listing", "the folder");
  DIR* directory = ::fdopendir(copy);
  if (directory == nullptr) {
    auto problem = disk_failure("listing", "the folder");
    ::close(copy);
    return problem;
  }
  std::vector<std::string> names;
  errno = 0;
  while (const auto* entry = ::readdir(directory)) {
    struct stat status{};
    if (::fstatat(folder, entry->d_name, &status, 0) == 0 && S_ISREG(status.st_mode)) names.emplace_back(entry->d_name);
    errno = 0;
  }
  const int problem = errno;
  ::closedir(directory);
  errno = problem;
  if (problem != 0) return disk_failure("listing", "the folder");
  std::ranges::sort(names);
  return names;
}

using shared_descriptor = std::shared_ptr<const posix_disk::descriptor>;

class posix_file final : public file {
 public:
  posix_file(loop& l, shared_descriptor d, std::string name)
      : loop_{l}, descriptor_{std::move(d)}, name_{std::make_shared<const std::string>(std::move(name))} {}

  // Into memory of its own, since `into` may be gone when the pool gets to it.
  task<result<std::size_t>> read_at(std::uint64_t offset, std::span<char> into) override {
    WEFT_CO_TRY(const auto text, co_await blocking(loop_, [d = descriptor_, name = name_, offset, most = into.size()] {
                  return read_some(d->get(), offset, most, *name);
                }));
    std::memcpy(into.data(), text.data(), text.size());
    co_return text.size();
  }
  task<result<>> write_at(std::uint64_t offset, std::string data) override {
    co_return co_await blocking(loop_, [d = descriptor_, name = name_, offset, data = std::move(data)] {
      return write_all(d->get(), offset, data, *name);
    });
  }
  task<result<>> append(std::string data) override {
    co_return co_await blocking(
        loop_, [d = descriptor_, name = name_, data = std::move(data)] { return append_all(d->get(), data, *name); });
  }
  task<result<>> truncate(std::uint64_t size) override {
    co_return co_await blocking(loop_, [d = descriptor_, name = name_, size]() -> result<> {
      if (uninterrupted([&] { return ::ftruncate(d->get(), static_cast<off_t>(size)); }) != 0)
        return disk_failure("truncating", *name);
      return {};
    });
  }
  // The data and the size; times may stay behind.
  task<result<>> sync() override {
    co_return co_await blocking(loop_, [d = descriptor_, name = name_]() -> result<> {
      if (uninterrupted([&] { return ::fdatasync(d->get()); }) != 0) return disk_failure("syncing", *name);
      return {};
    });
  }
  task<result<std::uint64_t>> size() override {
    co_return co_await blocking(loop_, [d = descriptor_, name = name_] { return size_of(d->get(), *name); });
  }

 private:
  loop& loop_;
  shared_descriptor descriptor_;
  std::shared_ptr<const std::string> name_;  // for errors; shared with calls under way
};

result<shared_descriptor> open_folder(const std::string& folder) {
  if (::mkdir(folder.c_str(), 0750) != 0 && errno != EEXIST) return disk_failure("making the folder", folder);
  const int number = uninterrupted([&] { return ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC); });
  if (number < 0) return disk_failure("opening the folder", folder);
  return std::make_shared<const posix_disk::descriptor>(number);
}

result<shared_descriptor> open_file(int folder, const std::string& name, open_mode mode) {
  const int flags = O_RDWR | O_CLOEXEC | O_NOFOLLOW | (mode == open_mode::create ? O_CREAT : 0);
  const int number = uninterrupted([&] { return ::openat(folder, name.c_str(), flags, 0640); });
  if (number < 0) return disk_failure("opening", name);
  return std::make_shared<const posix_disk::descriptor>(number);
}

}  // namespace

task<result<std::unique_ptr<posix_disk>>> posix_disk::open(loop& l, std::string folder) {
  WEFT_CO_TRY(auto opened, co_await blocking(l, [folder = std::move(folder)] { return open_folder(folder); }));
  co_return std::unique_ptr<posix_disk>{new posix_disk{l, std::move(opened)}};
}

task<result<std::unique_ptr<file>>> posix_disk::open(std::string name, open_mode mode) {
  WEFT_CO_TRY_VOID(check_name(name));
  WEFT_CO_TRY(auto opened,
              co_await blocking(loop_, [d = folder_, name, mode] { return open_file(d->get(), name, mode); }));
  co_return std::make_unique<posix_file>(loop_, std::move(opened), std::move(name));
}

task<result<>> posix_disk::remove(std::string name) {
  WEFT_CO_TRY_VOID(check_name(name));
  co_return co_await blocking(loop_, [d = folder_, name = std::move(name)]() -> result<> {
    if (::unlinkat(d->get(), name.c_str(), 0) != 0) return disk_failure("removing", name);
    return {};
  });
}

task<result<>> posix_disk::rename(std::string from, std::string to) {
  WEFT_CO_TRY_VOID(check_name(from));
  WEFT_CO_TRY_VOID(check_name(to));
  co_return co_await blocking(loop_, [d = folder_, from = std::move(from), to = std::move(to)]() -> result<> {
    if (::renameat(d->get(), from.c_str(), d->get(), to.c_str()) != 0)
      return disk_failure("renaming", from + " to " + to);
    return {};
  });
}

task<result<std::vector<std::string>>> posix_disk::list() {
  co_return co_await blocking(loop_, [d = folder_] { return names_in(d->get()); });
}

task<result<>> posix_disk::sync_directory() {
  co_return co_await blocking(loop_, [d = folder_]() -> result<> {
    if (uninterrupted([&] { return ::fsync(d->get()); }) != 0) return disk_failure("syncing", "the folder");
    return {};
  });
}

}  // namespace weft
