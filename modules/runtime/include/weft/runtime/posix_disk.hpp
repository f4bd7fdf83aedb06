#pragma once
// A folder of the file system as a disk. Every call runs on the loop's pool for blocking calls.
//
//     WEFT_CO_TRY(auto disk, co_await posix_disk::open(loop, "data"));    // made when it is missing
//     WEFT_CO_TRY(auto wal, co_await disk->open("wal", open_mode::create));
//
// Errors: errc::not_found, permission_denied, resource_exhausted (no space, no descriptors), data_loss (the device
// failed: what was written since the last sync may be gone, and a later sync that succeeds says nothing about it).
// A call whose awaiting task is destroyed still happens. Sub-folders are not seen.
#include <weft/runtime/disk.hpp>
#include <weft/runtime/loop.hpp>

#include <memory>
#include <string>

namespace weft {

class posix_disk final : public disk {
 public:
  [[nodiscard]] static task<result<std::unique_ptr<posix_disk>>> open(loop& l, std::string folder);

  task<result<std::unique_ptr<file>>> open(std::string name, open_mode mode) override;
  task<result<>> remove(std::string name) override;
  task<result<>> rename(std::string from, std::string to) override;
  task<result<std::vector<std::string>>> list() override;
  task<result<>> sync_directory() override;

  class descriptor;  // shared with calls under way, so that it stays open until the last has ended

 private:
  posix_disk(loop& l, std::shared_ptr<const descriptor> folder) : loop_{l}, folder_{std::move(folder)} {}

  loop& loop_;
  std::shared_ptr<const descriptor> folder_;
};

}  // namespace weft
