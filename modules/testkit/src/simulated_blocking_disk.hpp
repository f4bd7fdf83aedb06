#pragma once
// A simulated disk as libraries see it that block.
#include <weft/runtime/blocking_disk.hpp>

namespace weft::testkit {

class simulated_disk;

class simulated_blocking_disk final : public blocking_disk {
 public:
  explicit simulated_blocking_disk(simulated_disk& d) noexcept : disk_{d} {}
  result<std::unique_ptr<blocking_file>> open(const std::string& name, open_mode mode) override;
  result<> remove(const std::string& name) override;
  result<bool> exists(const std::string& name) override;
  result<> sync_directory() override;

 private:
  friend class simulated_blocking_file;
  // Whether a program that started in that boot still runs, with power.
  [[nodiscard]] result<> alive(unsigned boot) const;
  [[nodiscard]] unsigned boot() const noexcept;
  // Ok, unless the power goes in this very call.
  [[nodiscard]] result<> survive();

  simulated_disk& disk_;
  unsigned dark_boot_ = 0;  // in which the power went during a call
};

}  // namespace weft::testkit
