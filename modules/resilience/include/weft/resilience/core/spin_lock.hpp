#pragma once
// For a few instructions on cold paths (a breaker that changes state, a queue that is in use), where a policy may be
// shared by several loops. Never taken by a call that is admitted and succeeds, and never held across a wait.
#include <atomic>

namespace weft::resilience {

class spin_lock {
 public:
  class guard {
   public:
    explicit guard(spin_lock& lock) noexcept : lock_{lock} { lock_.acquire(); }
    guard(const guard&) = delete;
    guard& operator=(const guard&) = delete;
    ~guard() { lock_.release(); }

   private:
    spin_lock& lock_;
  };

  [[nodiscard]] bool try_acquire() noexcept { return !taken_.test_and_set(std::memory_order_acquire); }
  void acquire() noexcept {
    while (!try_acquire())
      while (taken_.test(std::memory_order_relaxed)) pause();
  }
  void release() noexcept { taken_.clear(std::memory_order_release); }

 private:
  static void pause() noexcept {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#endif
  }
  std::atomic_flag taken_;
};

}  // namespace weft::resilience
