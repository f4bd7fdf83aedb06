#include "out_notes.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <system_error>

namespace weft::messaging {

namespace {

constexpr std::size_t note_bytes = sizeof(out_notes::note);

std::unexpected<error> failed(const char* what) {
  return fail(error{errc::unavailable, std::generic_category().message(errno)}.with_operation(what));
}

std::string_view bytes_of(const out_notes::note& n) { return {reinterpret_cast<const char*>(&n), note_bytes}; }

}  // namespace

out_notes::~out_notes() { close(); }

void out_notes::close() noexcept {
  for (auto* each : std::exchange(mapped_, {})) ::munmap(each, slots_at_once * note_bytes);
  if (descriptor_ >= 0) ::close(std::exchange(descriptor_, -1));
  file_.reset();
  slots_ = 0;
  free_.clear();
  ending_.clear();
}

result<std::map<out_key, std::uint32_t>> out_notes::open(const std::string& database, blocking_disk* disk) {
  close();
  disk_ = disk;
  const auto name = database + "-out";
  if (disk != nullptr) {
    WEFT_TRY(file_, disk->open(name, open_mode::create));
  } else {
    descriptor_ = ::open(name.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (descriptor_ < 0) return failed("opening the notes beside the broker's file");
  }
  WEFT_TRY(const auto earlier, read_all());
  std::map<out_key, std::uint32_t> found;
  for (const auto& n : earlier) {
    if (n.record == 0) continue;
    auto& next = found[{n.record, n.taker}];
    next = std::max(next, static_cast<std::uint32_t>(n.next_attempt));
  }
  slots_ = static_cast<std::uint32_t>(earlier.size());
  return found;
}

result<std::vector<out_notes::note>> out_notes::read_all() {
  std::vector<note> all;
  for (note n;;) {
    std::size_t got = 0;
    if (file_) {
      WEFT_TRY(got, file_->read_at(all.size() * note_bytes, {reinterpret_cast<char*>(&n), note_bytes}));
    } else {
      const auto read = ::pread(descriptor_, &n, note_bytes, static_cast<off_t>(all.size() * note_bytes));
      if (read < 0) return failed("reading the notes beside the broker's file");
      got = static_cast<std::size_t>(read);
    }
    if (got < note_bytes) return all;
    all.push_back(n);
  }
}

// Synced: numbers of messages may be given anew, and an old note must not come back with the power.
result<> out_notes::clear() {
  if (slots_ == 0) return {};
  slots_ = 0;
  if (file_) {
    WEFT_TRY_VOID(file_->truncate(0));
    return file_->sync();
  }
  if (::ftruncate(descriptor_, 0) != 0 || ::fsync(descriptor_) != 0)
    return failed("clearing the notes beside the broker's file");
  return {};
}

void out_notes::keep_earlier() {
  if (file_) return;
  // Mappings begin behind them.
  const auto rest = slots_ % slots_at_once;
  if (rest != 0) slots_ += static_cast<std::uint32_t>(slots_at_once - rest);
  mapped_.resize(slots_ / slots_at_once, nullptr);
}

bool out_notes::grow() {
  if (file_) {
    free_.push_back(slots_++);
    return true;
  }
  if (descriptor_ < 0 || !map_more()) return false;
  for (std::size_t i = slots_at_once; i-- > 0;) free_.push_back(slots_ + static_cast<std::uint32_t>(i));
  slots_ += slots_at_once;
  return true;
}

// Written, not only made longer, so that a full disk shows here and not when a note is stored.
bool out_notes::map_more() {
  static const std::vector<char> zeros(slots_at_once * note_bytes);
  const auto offset = static_cast<off_t>(slots_ * note_bytes);
  for (std::size_t done = 0; done < zeros.size();) {
    const auto written =
        ::pwrite(descriptor_, zeros.data() + done, zeros.size() - done, offset + static_cast<off_t>(done));
    if (written <= 0) return false;
    done += static_cast<std::size_t>(written);
  }
  auto* at = ::mmap(nullptr, zeros.size(), PROT_READ | PROT_WRITE, MAP_SHARED, descriptor_, offset);
  if (at == MAP_FAILED) return false;
  mapped_.push_back(static_cast<note*>(at));
  return true;
}

void out_notes::store(std::uint32_t slot, const note& n) {
  if (file_) {
    static_cast<void>(file_->write_at(slot * note_bytes, bytes_of(n)));  // a disk that fails holds up no message
    return;
  }
  auto& to = mapped_[slot / slots_at_once][slot % slots_at_once];
  // The number last, so that no half of a note is ever seen.
  std::atomic_ref{to.record}.store(0, std::memory_order_release);
  std::atomic_thread_fence(std::memory_order_release);
  std::atomic_ref{to.taker}.store(n.taker, std::memory_order_relaxed);
  std::atomic_ref{to.next_attempt}.store(n.next_attempt, std::memory_order_relaxed);
  std::atomic_ref{to.record}.store(n.record, std::memory_order_release);
}

std::optional<std::uint32_t> out_notes::begin(const note& n) {
  if (free_.empty() && !grow()) return std::nullopt;
  const auto slot = free_.back();
  free_.pop_back();
  store(slot, n);
  return slot;
}

void out_notes::change(std::uint32_t slot, const note& n) { store(slot, n); }

void out_notes::safe(std::uint64_t changes) {
  while (!ending_.empty() && ending_.front().first <= changes) {
    free_.push_back(ending_.front().second);
    ending_.pop_front();
  }
}

}  // namespace weft::messaging
