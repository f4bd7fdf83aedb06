#include <weft/resilience/core/call_window.hpp>

#include <algorithm>

namespace weft::resilience {

std::size_t shard_index() noexcept {
  constexpr auto unset = ~std::size_t{0};
  static std::atomic<std::size_t> next{0};
  static constinit thread_local std::size_t mine = unset;
  if (mine == unset) [[unlikely]]
    mine = next.fetch_add(1, std::memory_order_relaxed) % shard_count;
  return mine;
}

namespace {
constexpr unsigned tag_shift = 32;
constexpr std::uint64_t count_mask = (std::uint64_t{1} << tag_shift) - 1;
constexpr std::uint64_t tag_mask = (std::uint64_t{1} << (64 - tag_shift)) - 1;

constexpr std::uint64_t tag_of(std::uint64_t word) { return word >> tag_shift; }

// Adds one to the count of `tag`, and leaves the word alone when a newer slot has it already.
void add_tagged(std::atomic<std::uint64_t>& word, std::uint64_t tag) noexcept {
  auto seen = word.load(std::memory_order_relaxed);
  for (;;) {
    std::uint64_t counts = 0;
    if (tag_of(seen) == tag)
      counts = seen & count_mask;
    else if (((tag_of(seen) - tag) & tag_mask) < time_window::steps && (seen & count_mask) != 0)
      return;  // a slow writer of an older slot
    const auto wanted = tag << tag_shift | std::min(counts + 1, count_mask);
    if (word.compare_exchange_weak(seen, wanted, std::memory_order_relaxed)) return;
  }
}
}  // namespace

void time_window::add(std::uint64_t slot, bool failed, bool slow) noexcept {
  auto& b = shards_[shard_index()].buckets[slot % steps];
  const auto tag = slot & tag_mask;
  // The tags come round after 2^32 slots: what lies there since before a silence as long as that would count as new.
  const auto newest = newest_.load(std::memory_order_relaxed);
  if (slot != newest) [[unlikely]] {
    if (slot > newest && slot - newest >= steps) clear();
    if (slot > newest) newest_.store(slot, std::memory_order_relaxed);
  }
  add_tagged(b.calls, tag);
  if (failed) [[unlikely]]
    add_tagged(b.failed, tag);
  if (slow) [[unlikely]]
    add_tagged(b.slow, tag);
}

call_totals time_window::totals(std::uint64_t slot) const noexcept {
  std::uint64_t calls = 0, failed = 0, slow = 0;
  if (slot >= newest_.load(std::memory_order_relaxed) + steps) return {};
  const auto in_window = [&](std::uint64_t word) { return ((slot - tag_of(word)) & tag_mask) < steps; };
  for (const auto& s : shards_)
    for (const auto& b : s.buckets) {
      const auto add = [&](const std::atomic<std::uint64_t>& word, std::uint64_t& sum) {
        if (const auto seen = word.load(std::memory_order_relaxed); in_window(seen)) sum += seen & count_mask;
      };
      add(b.calls, calls), add(b.failed, failed), add(b.slow, slow);
    }
  constexpr std::uint64_t most = ~std::uint32_t{0};
  return {static_cast<std::uint32_t>(std::min(calls, most)), static_cast<std::uint32_t>(std::min(failed, most)),
          static_cast<std::uint32_t>(std::min(slow, most))};
}

void time_window::clear() noexcept {
  for (auto& s : shards_)
    for (auto& b : s.buckets) {
      b.calls.store(0, std::memory_order_relaxed);
      b.failed.store(0, std::memory_order_relaxed);
      b.slow.store(0, std::memory_order_relaxed);
    }
}

namespace {
enum : std::uint8_t { bit_failed = 1, bit_slow = 2 };
}

void count_window::add(bool failed, bool slow) noexcept {
  const auto at = cursor_.fetch_add(1, std::memory_order_relaxed) % ring_.size();
  const auto now = static_cast<std::uint8_t>((failed ? bit_failed : 0) | (slow ? bit_slow : 0));
  if (now == 0 && ring_[at].load(std::memory_order_relaxed) == 0) [[likely]]
    return;
  const auto was = ring_[at].exchange(now, std::memory_order_relaxed);
  const auto change = [&](std::atomic<std::int32_t>& sum, std::uint8_t bit) {
    if ((was ^ now) & bit) sum.fetch_add((now & bit) ? 1 : -1, std::memory_order_relaxed);
  };
  change(failed_, bit_failed);
  change(slow_, bit_slow);
}

call_totals count_window::totals() const noexcept {
  const auto calls = std::min<std::uint64_t>(cursor_.load(std::memory_order_relaxed), ring_.size());
  const auto positive = [](std::int32_t n) { return static_cast<std::uint32_t>(std::max(n, 0)); };
  return {static_cast<std::uint32_t>(calls), positive(failed_.load(std::memory_order_relaxed)),
          positive(slow_.load(std::memory_order_relaxed))};
}

void count_window::clear() noexcept {
  cursor_.store(0, std::memory_order_relaxed);
  for (auto& outcome : ring_) outcome.store(0, std::memory_order_relaxed);
  failed_.store(0, std::memory_order_relaxed);
  slow_.store(0, std::memory_order_relaxed);
}

}  // namespace weft::resilience
