#pragma once
// Files beneath a folder that is held open. These calls block: they are for the loop's pool of threads.
#include <weft/base/error.hpp>
#include <weft/base/time.hpp>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>

namespace weft::http::detail {

// Closes itself; shared, since a read may still run when the request that wanted it is gone.
class descriptor {
 public:
  explicit descriptor(int fd) noexcept : fd_{fd} {}
  descriptor(const descriptor&) = delete;
  descriptor& operator=(const descriptor&) = delete;
  ~descriptor();
  [[nodiscard]] int get() const noexcept { return fd_; }

 private:
  int fd_;
};
using shared_descriptor = std::shared_ptr<const descriptor>;

// Throws std::invalid_argument.
[[nodiscard]] shared_descriptor open_folder(const std::filesystem::path& path);

struct opened_file {
  shared_descriptor file;
  std::uint64_t size = 0, inode = 0;
  wall_time modified;
  bool is_folder = false;
};
// `relative` has no ".." and does not begin with a slash. What lies outside the folder, is no regular file or folder,
// or may not be read is errc::not_found, as what does not exist.
[[nodiscard]] result<opened_file> open_beneath(const descriptor& folder, const std::string& relative);

// At most `count` bytes; fewer only at the file's end.
[[nodiscard]] result<std::string> read_at(const descriptor& file, std::uint64_t offset, std::size_t count);

}  // namespace weft::http::detail
