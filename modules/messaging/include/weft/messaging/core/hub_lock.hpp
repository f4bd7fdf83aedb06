#pragma once
// The lock of a hub. Who is woken is woken while it is held, since only then is it sure that his loop is still there; he
// takes it at once, often on the processor of the one who woke him. So after a short while of trying one sleeps.
#include <atomic>
#include <cstdint>

namespace weft::messaging {

class hub_lock {
 public:
  class guard {
   public:
    explicit guard(hub_lock& lock) noexcept : lock_{lock} { lock_.acquire(); }
    guard(const guard&) = delete;
    guard& operator=(const guard&) = delete;
    ~guard() { lock_.release(); }

   private:
    hub_lock& lock_;
  };

  void acquire() noexcept {
    for (int tries = 0; tries < 100; ++tries) {
      std::uint32_t expected = open;
      if (state_.compare_exchange_strong(expected, taken, std::memory_order_acquire, std::memory_order_relaxed)) return;
      pause();
    }
    while (state_.exchange(waited_for, std::memory_order_acquire) != open)
      state_.wait(waited_for, std::memory_order_relaxed);
  }
  void release() noexcept {
    if (state_.exchange(open, std::memory_order_release) == waited_for) state_.notify_one();
  }

 private:
  static constexpr std::uint32_t open = 0, taken = 1, waited_for = 2;
  static void pause() noexcept {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#endif
  }
  std::atomic<std::uint32_t> state_{open};
};

}  // namespace weft::messaging
