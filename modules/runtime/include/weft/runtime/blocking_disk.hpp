#pragma once
// A disk for libraries that block, such as SQLite: the calls return when they are done. The simulator implements it
// (testkit: host::blocking_disk()), so that such a library loses on a power loss what it did not sync.
//
//     auto file = disk.open("journal", open_mode::create);
//     (*file)->write_at(0, record);
//     (*file)->sync();                    // from here on it survives a crash
//
// What weft::disk says of durability holds here too. Calls come from one thread at a time.
#include <weft/base/error.hpp>
#include <weft/runtime/disk.hpp>

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace weft {

class blocking_file {
 public:
  virtual ~blocking_file() = default;
  // As many bytes as there are at `offset`, at most `into.size()`; 0 at the end.
  virtual result<std::size_t> read_at(std::uint64_t offset, std::span<char> into) = 0;
  virtual result<> write_at(std::uint64_t offset, std::string_view data) = 0;
  virtual result<> truncate(std::uint64_t size) = 0;
  virtual result<> sync() = 0;
  virtual result<std::uint64_t> size() = 0;
};

class blocking_disk {
 public:
  virtual ~blocking_disk() = default;
  // Names are plain: no '/', not "." or "..".
  virtual result<std::unique_ptr<blocking_file>> open(const std::string& name, open_mode mode) = 0;
  virtual result<> remove(const std::string& name) = 0;
  virtual result<bool> exists(const std::string& name) = 0;
  virtual result<> sync_directory() = 0;
};

}  // namespace weft
