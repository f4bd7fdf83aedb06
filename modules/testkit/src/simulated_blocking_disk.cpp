#include "simulated_blocking_disk.hpp"

#include "core.hpp"
#include "simulated_disk.hpp"

#include <algorithm>
#include <cstring>

namespace weft::testkit {

class simulated_blocking_file final : public blocking_file {
 public:
  simulated_blocking_file(simulated_blocking_disk& d, simulated_disk::inode_ref node, std::string name)
      : disk_{d}, node_{std::move(node)}, name_{std::move(name)} {}

  result<std::size_t> read_at(std::uint64_t offset, std::span<char> into) override {
    WEFT_TRY_VOID(disk_.alive());
    const auto& live = node_->live;
    if (offset >= live.size()) return std::size_t{0};
    const auto count = std::min<std::size_t>(into.size(), live.size() - static_cast<std::size_t>(offset));
    std::memcpy(into.data(), live.data() + offset, count);
    return count;
  }
  result<> write_at(std::uint64_t offset, std::string_view data) override {
    WEFT_TRY_VOID(disk_.alive());
    WEFT_TRY_VOID(disk_.disk_.write(*node_, offset, std::string{data}));
    return disk_.survive();
  }
  result<> truncate(std::uint64_t size) override {
    WEFT_TRY_VOID(disk_.alive());
    WEFT_TRY_VOID(disk_.disk_.truncate(*node_, size));
    return disk_.survive();
  }
  result<> sync() override {
    WEFT_TRY_VOID(disk_.alive());
    WEFT_TRY_VOID(disk_.survive());
    auto& d = disk_.disk_;
    d.trace("sync", name_);
    if (d.sync_fails()) return d.fail_sync(*node_);
    d.synced(*node_, node_->changes);
    return {};
  }
  result<std::uint64_t> size() override {
    WEFT_TRY_VOID(disk_.alive());
    return node_->live.size();
  }

 private:
  simulated_blocking_disk& disk_;
  simulated_disk::inode_ref node_;
  std::string name_;
};

result<> simulated_blocking_disk::alive() const {
  const auto& m = disk_.machine_;
  if (!m.running() || m.boots() != boot_ || dark_) return fail(errc::unavailable, "the host has crashed");
  return {};
}

result<> simulated_blocking_disk::survive() {
  const auto& options = disk_.options_;
  if (options.power_loss_in_call <= 0 || !disk_.random_.chance(options.power_loss_in_call)) return {};
  dark_ = true;
  disk_.machine_.crash(crash_kind::power);
  return fail(errc::unavailable, "the host has crashed");
}

simulated_blocking_disk& simulated_disk::blocking() {
  if (blocking_.empty() || blocking_.back()->boot() != machine_.boots())
    blocking_.push_back(std::make_unique<simulated_blocking_disk>(*this, machine_.boots()));
  return *blocking_.back();
}

result<std::unique_ptr<blocking_file>> simulated_blocking_disk::open(const std::string& name, open_mode mode) {
  WEFT_TRY_VOID(alive());
  WEFT_TRY(auto node, disk_.open_now(name, mode));
  return std::make_unique<simulated_blocking_file>(*this, std::move(node), name);
}

result<> simulated_blocking_disk::remove(const std::string& name) {
  WEFT_TRY_VOID(alive());
  return disk_.remove_now(name);
}

result<bool> simulated_blocking_disk::exists(const std::string& name) {
  WEFT_TRY_VOID(alive());
  return disk_.live_.contains(name);
}

result<> simulated_blocking_disk::sync_directory() {
  WEFT_TRY_VOID(alive());
  WEFT_TRY_VOID(survive());
  return disk_.sync_directory_now(disk_.directory_changes_);
}

}  // namespace weft::testkit
