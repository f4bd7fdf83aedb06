#pragma once
// SQLite's files on a blocking_disk, as a virtual file system of SQLite (https://sqlite.org/vfs.html): no locks and no
// shared memory, so one connection with locking_mode=EXCLUSIVE.
#include <weft/runtime/blocking_disk.hpp>
#include <weft/runtime/loop.hpp>

#include <sqlite3.h>

#include <string>

namespace weft::storage {

// Registered with SQLite for as long as it lives; outlives the connections that name it.
class sqlite_vfs {
 public:
  sqlite_vfs(blocking_disk& disk, loop& clock);
  ~sqlite_vfs();
  sqlite_vfs(const sqlite_vfs&) = delete;
  sqlite_vfs& operator=(const sqlite_vfs&) = delete;
  [[nodiscard]] const char* name() const noexcept { return name_.c_str(); }

  [[nodiscard]] blocking_disk& disk() noexcept { return disk_; }
  [[nodiscard]] loop& clock() noexcept { return clock_; }

 private:
  blocking_disk& disk_;
  loop& clock_;
  std::string name_;
  sqlite3_vfs functions_{};
};

}  // namespace weft::storage
