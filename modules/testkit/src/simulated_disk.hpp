#pragma once
// A disk that remembers what was synced.
#include "simulated_blocking_disk.hpp"

#include <weft/runtime/disk.hpp>
#include <weft/runtime/loop.hpp>
#include <weft/testkit/disk_options.hpp>

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace weft::testkit {

class machine;

class simulated_disk final : public disk {
 public:
  simulated_disk(machine& m, std::uint64_t seed, const disk_options& options);

  task<result<std::unique_ptr<file>>> open(std::string name, open_mode mode) override;
  task<result<>> remove(std::string name) override;
  task<result<>> rename(std::string from, std::string to) override;
  task<result<std::vector<std::string>>> list() override;
  task<result<>> sync_directory() override;

  // The power goes: what was not synced is lost, or partly.
  void lose_power();
  void set_options(const disk_options& options) noexcept { options_ = options; }
  [[nodiscard]] simulated_blocking_disk& blocking();  // of this boot

 private:
  friend class simulated_file;
  friend class simulated_blocking_disk;
  friend class simulated_blocking_file;
  struct change {
    std::uint64_t offset = 0;  // a write
    std::string data;
    std::optional<std::uint64_t> truncated;  // or the new size
  };
  struct inode {
    std::string live, durable;
    std::deque<change> unsynced;
    std::set<std::uint64_t> lost;  // pages that count as clean though the device never got them
    bool linked = true;            // has a name
    std::uint64_t changes = 0;     // ever made; the last unsynced.size() of them are not synced
  };
  using inode_ref = std::shared_ptr<inode>;
  struct directory_change {
    std::string name;
    inode_ref now;        // null: removed
    std::string removed;  // of a rename, together with it
  };

  static void apply(std::string& content, const change& c, std::size_t bytes);
  static void apply(std::map<std::string, inode_ref>& names, const directory_change& c);
  result<inode_ref> open_now(const std::string& name, open_mode mode);
  result<> remove_now(const std::string& name);
  result<> sync_directory_now(std::uint64_t changes);
  result<> write(inode& node, std::uint64_t offset, std::string data);
  result<> truncate(inode& node, std::uint64_t size);
  void synced(inode& node, std::uint64_t changes);
  [[nodiscard]] bool sync_fails() { return options_.sync_failure > 0 && random_.chance(options_.sync_failure); }
  [[nodiscard]] std::unexpected<error> fail_sync(inode& node);
  void unlink(inode& node) noexcept;
  void lose(inode& node);
  task<void> busy(duration time);
  task<result<>> sync(inode_ref node);
  [[nodiscard]] result<> account(const inode& node, std::uint64_t size);
  void trace(std::string_view what, std::string_view name);

  machine& machine_;
  rng random_;
  disk_options options_;
  std::map<std::string, inode_ref> live_, durable_;
  std::deque<directory_change> unsynced_;
  std::uint64_t directory_changes_ = 0;
  std::uint64_t used_ = 0;
  std::vector<std::unique_ptr<simulated_blocking_disk>>
      blocking_;  // one for each boot: the old ones may be referred to
};

}  // namespace weft::testkit
