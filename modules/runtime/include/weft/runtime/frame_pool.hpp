#pragma once
// Memory for coroutine frames: free lists by size, one set for each thread, so that awaiting a task costs no malloc.
// Frames larger than 4 KiB, and every frame under a sanitizer, come from operator new.
#include <cstddef>

namespace weft::frame_pool {

[[nodiscard]] void* allocate(std::size_t bytes);
void release(void* frame, std::size_t bytes) noexcept;

// For small objects that come and go with each request: std::allocate_shared<T>(frame_pool::allocator<T>{}, ...).
template <class T>
struct allocator {
  using value_type = T;
  allocator() = default;
  template <class U>
  allocator(const allocator<U>&) noexcept {}  // NOLINT: a rebind
  T* allocate(std::size_t n) { return static_cast<T*>(frame_pool::allocate(n * sizeof(T))); }
  void deallocate(T* place, std::size_t n) noexcept { frame_pool::release(place, n * sizeof(T)); }
  friend bool operator==(const allocator&, const allocator&) = default;
};

}  // namespace weft::frame_pool
