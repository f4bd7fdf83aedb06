#include "simulated_disk.hpp"

#include "core.hpp"

#include <weft/runtime/sleep.hpp>

#include <algorithm>
#include <cstring>

namespace weft::testkit {

class simulated_file final : public file {
 public:
  simulated_file(simulated_disk& d, simulated_disk::inode_ref node, std::string name)
      : disk_{d}, node_{std::move(node)}, name_{std::move(name)} {}

  task<result<std::size_t>> read_at(std::uint64_t offset, std::span<char> into) override {
    co_await disk_.busy(disk_.options_.read_latency);
    const auto& live = node_->live;
    if (offset >= live.size()) co_return std::size_t{0};
    const auto count = std::min<std::size_t>(into.size(), live.size() - static_cast<std::size_t>(offset));
    std::memcpy(into.data(), live.data() + offset, count);
    co_return count;
  }
  task<result<>> write_at(std::uint64_t offset, std::string data) override {
    co_await disk_.busy(disk_.options_.write_latency);
    co_return disk_.write(*node_, offset, std::move(data));
  }
  task<result<>> append(std::string data) override {
    co_await disk_.busy(disk_.options_.write_latency);
    co_return disk_.write(*node_, node_->live.size(), std::move(data));
  }
  task<result<>> truncate(std::uint64_t size) override {
    co_await disk_.busy(disk_.options_.write_latency);
    co_return disk_.truncate(*node_, size);
  }
  task<result<>> sync() override {
    disk_.trace("sync", name_);
    co_return co_await disk_.sync(node_);
  }
  task<result<std::uint64_t>> size() override { co_return node_->live.size(); }

 private:
  simulated_disk& disk_;
  simulated_disk::inode_ref node_;
  std::string name_;
};

namespace {
result<> check_name(std::string_view name) {
  if (name.empty() || name == "." || name == ".." || name.find('/') != name.npos || name.find('\0') != name.npos)
    return fail(errc::invalid_argument, "not a plain file name: \"" + std::string{name} + "\"");
  return {};
}
std::unexpected<error> no_file(const std::string& name) { return fail(errc::not_found, "no file " + name); }
}  // namespace

simulated_disk::simulated_disk(machine& m, std::uint64_t seed, const disk_options& options)
    : machine_{m}, random_{seed}, options_{options} {}

task<void> simulated_disk::busy(duration time) {
  if (time > duration::zero()) static_cast<void>(co_await sleep(machine_, context{}, time));
}

void simulated_disk::trace(std::string_view what, std::string_view name) {
  auto& c = machine_.owner();
  if (c.on(trace_level::all)) c.trace(machine_.name(), {what, " ", name});
}

namespace {
constexpr std::uint64_t page_bytes = 4096;
}  // namespace

void simulated_disk::apply(std::string& content, const change& c, std::size_t bytes) {
  if (c.truncated) return content.resize(static_cast<std::size_t>(*c.truncated));
  const auto end = static_cast<std::size_t>(c.offset) + bytes;
  if (end > content.size()) content.resize(end);
  std::memcpy(content.data() + c.offset, c.data.data(), bytes);
}

void simulated_disk::apply(std::map<std::string, inode_ref>& names, const directory_change& c) {
  if (!c.removed.empty()) names.erase(c.removed);
  if (c.now)
    names[c.name] = c.now;
  else
    names.erase(c.name);
}

void simulated_disk::unlink(inode& node) noexcept {
  used_ -= node.live.size();
  node.linked = false;
}

// Whether the disk has room for a file to grow.
result<> simulated_disk::account(const inode& node, std::uint64_t after) {
  if (!node.linked) return {};
  const std::uint64_t before = node.live.size();
  if (after > before && used_ + (after - before) > options_.capacity)
    return fail(error{errc::resource_exhausted, "no space left on the device"}.with_limit(limit_kind::space));
  used_ += after - before;
  return {};
}

result<> simulated_disk::write(inode& node, std::uint64_t offset, std::string data) {
  if (data.empty()) return {};
  WEFT_TRY_VOID(account(node, std::max<std::uint64_t>(node.live.size(), offset + data.size())));
  auto& c = node.unsynced.emplace_back(change{.offset = offset, .data = std::move(data)});
  apply(node.live, c, c.data.size());
  ++node.changes;
  // A page is written as a whole: one that was lost comes back with any byte that is written to it.
  const auto first = offset / page_bytes, last = (offset + c.data.size() - 1) / page_bytes;
  const auto begin = node.lost.lower_bound(first), end = node.lost.upper_bound(last);
  if (begin == end) return {};
  const auto from = std::min(offset, *begin * page_bytes);
  const auto to =
      std::min<std::uint64_t>(node.live.size(), std::max(offset + c.data.size(), (*std::prev(end) + 1) * page_bytes));
  c.offset = from;
  c.data = node.live.substr(static_cast<std::size_t>(from), static_cast<std::size_t>(to - from));
  node.lost.erase(begin, end);
  return {};
}

// As on Linux: of the pages that were to be written some reach the device, at least one does not, and all of them count
// as clean from then on. They are read as they were written until the power goes.
std::unexpected<error> simulated_disk::fail_sync(inode& node) {
  std::set<std::uint64_t> dirty;
  for (const auto& c : std::exchange(node.unsynced, {})) {
    if (c.truncated) {
      const auto size = static_cast<std::size_t>(*c.truncated);
      node.durable.resize(std::min(node.durable.size(), size));
      dirty.erase(dirty.lower_bound((size + page_bytes - 1) / page_bytes), dirty.end());
      continue;
    }
    for (auto page = c.offset / page_bytes; page <= (c.offset + c.data.size() - 1) / page_bytes; ++page)
      dirty.insert(page);
  }
  const auto surely_lost = dirty.empty() ? 0 : random_.below(dirty.size());
  std::uint64_t index = 0;
  for (const auto page : dirty) {
    const auto at = static_cast<std::size_t>(page * page_bytes);
    if (at >= node.live.size()) break;
    if (index++ == surely_lost || random_.chance(0.5)) {
      node.lost.insert(page);
      continue;
    }
    if (node.durable.size() < at) node.durable.resize(at);
    node.durable.replace(at, page_bytes, node.live, at, page_bytes);
  }
  return fail(errc::data_loss, "the device failed to write");
}

result<> simulated_disk::truncate(inode& node, std::uint64_t size) {
  WEFT_TRY_VOID(account(node, size));
  auto& c = node.unsynced.emplace_back(change{.truncated = size});
  apply(node.live, c, 0);
  ++node.changes;
  return {};
}

task<result<>> simulated_disk::sync(inode_ref node) {
  const auto changes = node->changes;
  auto time = options_.sync_latency;
  if (options_.sync_jitter > duration::zero()) time += duration{random_.between(0, options_.sync_jitter.count())};
  co_await busy(time);
  if (sync_fails()) co_return fail_sync(*node);
  synced(*node, changes);
  co_return result<>{};
}

void simulated_disk::synced(inode& node, std::uint64_t changes) {
  while (!node.unsynced.empty() && node.changes - node.unsynced.size() < changes) {
    const auto& c = node.unsynced.front();
    apply(node.durable, c, c.data.size());
    node.unsynced.pop_front();
  }
}

result<simulated_disk::inode_ref> simulated_disk::open_now(const std::string& name, open_mode mode) {
  auto found = live_.find(name);
  if (found == live_.end()) {
    if (mode == open_mode::existing) return no_file(name);
    found = live_.emplace(name, std::make_shared<inode>()).first;
    unsynced_.push_back({.name = name, .now = found->second});
    ++directory_changes_;
  }
  return found->second;
}

result<> simulated_disk::remove_now(const std::string& name) {
  const auto found = live_.find(name);
  if (found == live_.end()) return no_file(name);
  unlink(*found->second);
  live_.erase(found);
  unsynced_.push_back({.name = name});
  ++directory_changes_;
  return {};
}

task<result<std::unique_ptr<file>>> simulated_disk::open(std::string name, open_mode mode) {
  WEFT_CO_TRY_VOID(check_name(name));
  co_await busy(options_.write_latency);
  WEFT_CO_TRY(auto node, open_now(name, mode));
  co_return std::make_unique<simulated_file>(*this, std::move(node), name);
}

task<result<>> simulated_disk::remove(std::string name) {
  WEFT_CO_TRY_VOID(check_name(name));
  co_await busy(options_.write_latency);
  co_return remove_now(name);
}

task<result<>> simulated_disk::rename(std::string from, std::string to) {
  WEFT_CO_TRY_VOID(check_name(from));
  WEFT_CO_TRY_VOID(check_name(to));
  co_await busy(options_.write_latency);
  const auto found = live_.find(from);
  if (found == live_.end()) co_return no_file(from);
  if (from == to) co_return result<>{};
  if (const auto replaced = live_.find(to); replaced != live_.end()) unlink(*replaced->second);
  unsynced_.push_back({.name = to, .now = found->second, .removed = from});
  apply(live_, unsynced_.back());
  ++directory_changes_;
  co_return result<>{};
}

task<result<std::vector<std::string>>> simulated_disk::list() {
  co_await busy(options_.read_latency);
  std::vector<std::string> names;
  for (const auto& [name, node] : live_) names.push_back(name);
  co_return names;
}

task<result<>> simulated_disk::sync_directory() {
  const auto changes = directory_changes_;
  co_await busy(options_.sync_latency);
  co_return sync_directory_now(changes);
}

result<> simulated_disk::sync_directory_now(std::uint64_t changes) {
  if (sync_fails()) return fail(errc::data_loss, "the device failed to write");
  while (!unsynced_.empty() && directory_changes_ - unsynced_.size() < changes) {
    apply(durable_, unsynced_.front());
    unsynced_.pop_front();
  }
  return {};
}

// Of the changes that were not synced some of the first may have reached the disk, and a part of the next: its
// beginning, perhaps followed by zeros up to the length that the file already had.
void simulated_disk::lose(inode& node) {
  if (!node.unsynced.empty() && random_.chance(options_.keep_unsynced)) {
    const auto kept = static_cast<std::size_t>(random_.below(node.unsynced.size() + 1));
    for (std::size_t i = 0; i < kept; ++i) apply(node.durable, node.unsynced[i], node.unsynced[i].data.size());
    if (kept < node.unsynced.size() && random_.chance(0.5)) {
      const auto& torn = node.unsynced[kept];
      if (const auto bytes = static_cast<std::size_t>(random_.below(torn.data.size() + 1)); bytes > 0) {
        apply(node.durable, torn, bytes);
        const auto whole = static_cast<std::size_t>(torn.offset) + torn.data.size();
        if (whole > node.durable.size() && random_.chance(0.5)) node.durable.resize(whole);
      }
    }
  }
  node.unsynced.clear();
  node.lost.clear();
  node.live = node.durable;
}

void simulated_disk::lose_power() {
  auto names = durable_;
  if (!unsynced_.empty() && random_.chance(options_.keep_unsynced)) {
    const auto kept = static_cast<std::size_t>(random_.below(unsynced_.size() + 1));
    for (std::size_t i = 0; i < kept; ++i) apply(names, unsynced_[i]);
  }
  unsynced_.clear();
  durable_ = names;
  live_ = std::move(names);
  used_ = 0;
  for (auto& [name, node] : live_) {
    lose(*node);
    node->linked = true;
    used_ += node->live.size();
  }
}

}  // namespace weft::testkit
