#include <weft/runtime/frame_pool.hpp>

#include <new>
#include <utility>

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#define WEFT_FRAME_POOL_OFF 1
#endif
#endif

namespace weft::frame_pool {
namespace {

constexpr std::size_t granule = 64, classes = 96;
[[maybe_unused]] constexpr std::size_t kept_per_class = 4096;

struct free_frame {
  free_frame* next;
};

// Trivially destructible, so that frames which outlive the thread's other objects can still be released.
struct free_lists {
  free_frame* head[classes];
  std::size_t count[classes];
  bool closed;
};
constinit thread_local free_lists lists{};

// Gives the memory back when the thread ends.
struct drain_at_exit {
  ~drain_at_exit() {
    lists.closed = true;
    for (auto*& head : lists.head)
      while (head != nullptr) ::operator delete(std::exchange(head, head->next));
  }
};

[[maybe_unused]] std::size_t class_of(std::size_t bytes) { return (bytes + granule - 1) / granule; }

}  // namespace

void* allocate(std::size_t bytes) {
#ifndef WEFT_FRAME_POOL_OFF
  const auto c = class_of(bytes);
  if (c < classes) {
    if (auto* frame = lists.head[c]; frame != nullptr) {
      lists.head[c] = frame->next;
      --lists.count[c];
      return frame;
    }
    return ::operator new(c * granule);
  }
#endif
  return ::operator new(bytes);
}

void release(void* frame, std::size_t bytes) noexcept {
#ifndef WEFT_FRAME_POOL_OFF
  const auto c = class_of(bytes);
  if (c < classes && !lists.closed && lists.count[c] < kept_per_class) {
    thread_local drain_at_exit drain;
    static_cast<void>(drain);
    lists.head[c] = ::new (frame) free_frame{lists.head[c]};
    ++lists.count[c];
    return;
  }
#endif
  static_cast<void>(bytes);
  ::operator delete(frame);
}

}  // namespace weft::frame_pool
