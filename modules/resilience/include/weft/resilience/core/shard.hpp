#pragma once
// State that every core touches is split into shards, one cache line each or more; a thread keeps to its own, and who
// needs the whole adds them up.
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

namespace weft::resilience {

inline constexpr std::size_t shard_count = 8;
inline constexpr std::size_t cache_line = 64;

// The calling thread's shard: threads are dealt out in turn.
[[nodiscard]] std::size_t shard_index() noexcept;

// A sum that is changed often and read rarely.
class sharded_counter {
 public:
  void add(std::int64_t by, std::size_t shard) noexcept {
    parts_[shard].value.fetch_add(by, std::memory_order_relaxed);
  }
  [[nodiscard]] std::int64_t sum() const noexcept {
    std::int64_t total = 0;
    for (const auto& part : parts_) total += part.value.load(std::memory_order_relaxed);
    return total;
  }

 private:
  struct alignas(cache_line) part {
    std::atomic<std::int64_t> value{0};
  };
  std::array<part, shard_count> parts_;
};

}  // namespace weft::resilience
