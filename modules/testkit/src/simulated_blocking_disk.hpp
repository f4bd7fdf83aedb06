#pragma once
// A simulated disk as libraries see it that block.
#include <weft/runtime/blocking_disk.hpp>

namespace weft::testkit {

class simulated_disk;

// Belongs to the program of one boot. What outlives that program, as an object held by work that was under way, cannot
// touch the disk of the next one.
class simulated_blocking_disk final : public blocking_disk {
 public:
  simulated_blocking_disk(simulated_disk& d, unsigned boot) noexcept : disk_{d}, boot_{boot} {}
  result<std::unique_ptr<blocking_file>> open(const std::string& name, open_mode mode) override;
  result<> remove(const std::string& name) override;
  result<bool> exists(const std::string& name) override;
  result<> sync_directory() override;

  [[nodiscard]] unsigned boot() const noexcept { return boot_; }

 private:
  friend class simulated_blocking_file;
  // Whether the program still runs, with power.
  [[nodiscard]] result<> alive() const;
  // Ok, unless the power goes in this very call.
  [[nodiscard]] result<> survive();

  simulated_disk& disk_;
  unsigned boot_;
  bool dark_ = false;  // the power went during a call; the program ends when its turn does
};

}  // namespace weft::testkit
