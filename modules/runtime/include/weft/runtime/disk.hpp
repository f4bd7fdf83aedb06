#pragma once
// Durable files, injected, so that the simulator can lose what was not synced. A disk is one folder of flat names.
//
//     auto log = co_await disk.open("wal", open_mode::create);
//     co_await (*log)->append(record);
//     co_await (*log)->sync();            // from here on it survives a crash
//
// Two implementations: posix_disk (calls on the loop's blocking pool) and the simulated host's disk (testkit). What was
// written but not synced may be lost, in part or whole, by a crash; a file that was created, renamed or removed is
// certain only after sync_directory(). Operations on one file do not overlap: await each before the next.
#include <weft/base/error.hpp>
#include <weft/runtime/task.hpp>

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace weft {

class file {
 public:
  virtual ~file() = default;
  // As many bytes as there are at `offset`, at most `into.size()`; 0 at the end.
  virtual task<result<std::size_t>> read_at(std::uint64_t offset, std::span<char> into) = 0;
  virtual task<result<>> write_at(std::uint64_t offset, std::string data) = 0;
  virtual task<result<>> append(std::string data) = 0;
  virtual task<result<>> truncate(std::uint64_t size) = 0;
  virtual task<result<>> sync() = 0;
  virtual task<result<std::uint64_t>> size() = 0;
};

enum class open_mode : std::uint8_t {
  existing,  // errc::not_found when there is none
  create,    // created empty when there is none
};

class disk {
 public:
  virtual ~disk() = default;
  // Names are plain: no '/', not "." or "..".
  virtual task<result<std::unique_ptr<file>>> open(std::string name, open_mode mode) = 0;
  virtual task<result<>> remove(std::string name) = 0;
  virtual task<result<>> rename(std::string from, std::string to) = 0;  // atomic; replaces `to`
  virtual task<result<std::vector<std::string>>> list() = 0;            // sorted
  virtual task<result<>> sync_directory() = 0;
};

// The whole content, at most `limit` bytes (errc::resource_exhausted beyond).
task<result<std::string>> read_all(file& f, std::size_t limit);

}  // namespace weft
