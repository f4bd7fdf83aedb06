#pragma once
// Makes a write-ahead log that was left behind what it seems to be. After a sync that failed Linux takes what it could
// not write for written: it is read back from memory until that is needed for something else, is not written by later
// syncs, and is gone with the power. So a process that starts after such a failure cannot tell from reading a log
// whether the disk has it. docs/decisions/0007-after-a-failed-sync.md
#include <weft/base/error.hpp>
#include <weft/runtime/blocking_disk.hpp>

#include <string>

namespace weft::storage {

// Writes the log of the database anew in its place, as it is read, and syncs it; nothing when there is none. Blocks.
// With a disk, of a file on that.
result<> rewrite_log(const std::string& database, blocking_disk* disk);

// The error of a system call on a file, by errno.
[[nodiscard]] error file_failure(int number, const std::string& operation);

}  // namespace weft::storage
