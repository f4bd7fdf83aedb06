#pragma once
// A disk that says it has synced, and has not.
#include <weft/runtime/blocking_disk.hpp>

#include <memory>
#include <string>

namespace messages {

class lying_disk final : public weft::blocking_disk {
 public:
  explicit lying_disk(weft::blocking_disk& real) : real_{real} {}

  weft::result<std::unique_ptr<weft::blocking_file>> open(const std::string& name, weft::open_mode mode) override {
    WEFT_TRY(auto opened, real_.open(name, mode));
    return std::make_unique<file>(std::move(opened));
  }
  weft::result<> remove(const std::string& name) override { return real_.remove(name); }
  weft::result<bool> exists(const std::string& name) override { return real_.exists(name); }
  weft::result<> sync_directory() override { return real_.sync_directory(); }

 private:
  class file final : public weft::blocking_file {
   public:
    explicit file(std::unique_ptr<weft::blocking_file> real) : real_{std::move(real)} {}
    weft::result<std::size_t> read_at(std::uint64_t offset, std::span<char> into) override {
      return real_->read_at(offset, into);
    }
    weft::result<> write_at(std::uint64_t offset, std::string_view data) override {
      return real_->write_at(offset, data);
    }
    weft::result<> truncate(std::uint64_t size) override { return real_->truncate(size); }
    weft::result<> sync() override { return {}; }
    weft::result<std::uint64_t> size() override { return real_->size(); }

   private:
    std::unique_ptr<weft::blocking_file> real_;
  };
  weft::blocking_disk& real_;
};

}  // namespace messages
