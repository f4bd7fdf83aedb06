#include "log_rewriting.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <span>
#include <system_error>
#include <vector>

namespace weft::storage {

namespace {

// As much of a file as rewriting it takes.
class plain_file final : public blocking_file {
 public:
  explicit plain_file(int descriptor) noexcept : descriptor_{descriptor} {}
  plain_file(const plain_file&) = delete;
  plain_file& operator=(const plain_file&) = delete;
  ~plain_file() override { ::close(descriptor_); }

  result<std::size_t> read_at(std::uint64_t offset, std::span<char> into) override {
    const auto got = ::pread(descriptor_, into.data(), into.size(), static_cast<off_t>(offset));
    if (got < 0) return fail(file_failure(errno, "reading the log"));
    return static_cast<std::size_t>(got);
  }
  result<> write_at(std::uint64_t offset, std::string_view data) override {
    while (!data.empty()) {
      const auto written = ::pwrite(descriptor_, data.data(), data.size(), static_cast<off_t>(offset));
      if (written < 0) return fail(file_failure(errno, "writing the log"));
      offset += static_cast<std::uint64_t>(written);
      data.remove_prefix(static_cast<std::size_t>(written));
    }
    return {};
  }
  result<> truncate(std::uint64_t) override { return fail(errc::unimplemented, "a log is not cut"); }
  result<> sync() override {
    if (::fsync(descriptor_) != 0) return fail(file_failure(errno, "syncing the log"));
    return {};
  }
  result<std::uint64_t> size() override { return fail(errc::unimplemented, "a log is read to its end"); }

 private:
  int descriptor_;
};

result<std::unique_ptr<blocking_file>> open_log(const std::string& name, blocking_disk* disk) {
  if (disk != nullptr) {
    WEFT_TRY(const auto there, disk->exists(name));
    if (!there) return nullptr;
    return disk->open(name, open_mode::existing);
  }
  const int descriptor = ::open(name.c_str(), O_RDWR | O_CLOEXEC);
  if (descriptor >= 0) return std::make_unique<plain_file>(descriptor);
  if (errno == ENOENT) return nullptr;
  return fail(file_failure(errno, "opening " + name));
}

}  // namespace

error file_failure(int number, const std::string& operation) {
  const auto text = std::generic_category().message(number);
  switch (number) {
    case EACCES:
    case EPERM:
    case EROFS:
      return error{errc::permission_denied, text}.with_operation(operation);
    case ENOSPC:
    case EDQUOT:
      return error{errc::resource_exhausted, text}.with_limit(limit_kind::space).with_operation(operation);
    case EMFILE:
    case ENFILE:
    case ENOMEM:
      return error{errc::resource_exhausted, text}.with_operation(operation);
    case EIO:
      return error{errc::data_loss, text}.with_operation(operation);
    default:
      return error{errc::not_found, text}.with_operation(operation);
  }
}

result<> rewrite_log(const std::string& database, blocking_disk* disk) {
  WEFT_TRY(const auto log, open_log(database + "-wal", disk));
  if (!log) return {};
  std::vector<char> room(256UL << 10);
  std::uint64_t offset = 0;
  for (;;) {
    WEFT_TRY(const auto got, log->read_at(offset, room));
    if (got == 0) break;
    WEFT_TRY_VOID(log->write_at(offset, {room.data(), got}));
    offset += got;
  }
  if (offset > 0) WEFT_TRY_VOID(log->sync());
  return {};
}

}  // namespace weft::storage
