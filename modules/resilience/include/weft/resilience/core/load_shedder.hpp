#pragma once
// Refuses what matters least first: each priority may fill its part of the calls in flight. Any thread.
#include <weft/resilience/outcome.hpp>
#include <weft/resilience/policies.hpp>

#include <array>
#include <atomic>

namespace weft::resilience {

class load_shedder_core {
 public:
  explicit load_shedder_core(const load_shed& options) { configure(options); }

  [[nodiscard]] bool try_enter(priority p) noexcept {
    const auto most = shares_[static_cast<std::size_t>(p)].load(std::memory_order_relaxed);
    auto inside = in_flight_.load(std::memory_order_relaxed);
    while (inside < most)
      if (in_flight_.compare_exchange_weak(inside, inside + 1, std::memory_order_relaxed)) return true;
    return false;
  }
  void leave() noexcept { in_flight_.fetch_sub(1, std::memory_order_relaxed); }

  [[nodiscard]] std::uint32_t in_flight() const noexcept { return in_flight_.load(std::memory_order_relaxed); }
  [[nodiscard]] std::uint32_t limit(priority p) const noexcept {
    return shares_[static_cast<std::size_t>(p)].load(std::memory_order_relaxed);
  }
  void configure(const load_shed& options);

 private:
  std::array<std::atomic<std::uint32_t>, 4> shares_{};
  alignas(64) std::atomic<std::uint32_t> in_flight_{0};
};

}  // namespace weft::resilience
