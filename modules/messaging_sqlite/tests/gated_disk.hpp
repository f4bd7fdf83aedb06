#pragma once
// A disk in memory whose syncs can be held up, and whose writes can fail: for what happens while a commit is on its way.
// weft-style: allow thread in this file: the test's thread holds up one of a pool
#include <weft/runtime/blocking_disk.hpp>

#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <string>

namespace weft::messaging {

class gated_disk final : public blocking_disk {
 public:
  // Syncs wait from now on.
  void hold() {
    const std::lock_guard guard{s_->lock};
    s_->held = true;
  }
  void release() {
    const std::lock_guard guard{s_->lock};
    s_->held = false;
    s_->changed.notify_all();
  }
  [[nodiscard]] bool sync_waits() const {
    const std::lock_guard guard{s_->lock};
    return s_->waiting > 0 && s_->held;
  }
  void fail_writes(bool on) {
    const std::lock_guard guard{s_->lock};
    s_->failing = on;
  }

  result<std::unique_ptr<blocking_file>> open(const std::string& name, open_mode mode) override {
    const std::lock_guard guard{s_->lock};
    const auto at = s_->files.find(name);
    if (at == s_->files.end() && mode != open_mode::create) return fail(errc::not_found, "no file " + name);
    auto& data = s_->files[name];
    if (!data) data = std::make_shared<std::string>();
    return std::make_unique<file>(s_, data);
  }
  result<> remove(const std::string& name) override {
    const std::lock_guard guard{s_->lock};
    s_->files.erase(name);
    return {};
  }
  result<bool> exists(const std::string& name) override {
    const std::lock_guard guard{s_->lock};
    return s_->files.contains(name);
  }
  result<> sync_directory() override { return {}; }

 private:
  struct state {
    std::mutex lock;
    std::condition_variable changed;
    bool held = false, failing = false;
    int waiting = 0;
    std::map<std::string, std::shared_ptr<std::string>> files;
  };

  class file final : public blocking_file {
   public:
    file(std::shared_ptr<state> s, std::shared_ptr<std::string> data) : s_{std::move(s)}, data_{std::move(data)} {}
    result<std::size_t> read_at(std::uint64_t offset, std::span<char> into) override {
      const std::lock_guard guard{s_->lock};
      return offset >= data_->size() ? 0 : data_->copy(into.data(), into.size(), offset);
    }
    result<> write_at(std::uint64_t offset, std::string_view data) override {
      const std::lock_guard guard{s_->lock};
      if (s_->failing) return fail(errc::unavailable, "the disk fails");
      if (data_->size() < offset + data.size()) data_->resize(offset + data.size());
      data_->replace(offset, data.size(), data);
      return {};
    }
    result<> truncate(std::uint64_t size) override {
      const std::lock_guard guard{s_->lock};
      data_->resize(size);
      return {};
    }
    result<> sync() override {
      std::unique_lock guard{s_->lock};
      ++s_->waiting;
      s_->changed.notify_all();
      s_->changed.wait(guard, [&] { return !s_->held; });
      --s_->waiting;
      return {};
    }
    result<std::uint64_t> size() override {
      const std::lock_guard guard{s_->lock};
      return data_->size();
    }

   private:
    std::shared_ptr<state> s_;
    std::shared_ptr<std::string> data_;
  };

  std::shared_ptr<state> s_ = std::make_shared<state>();
};

}  // namespace weft::messaging
