#pragma once
// Memory for coroutine frames: free lists by size, one set for each thread, so that awaiting a task costs no malloc.
// Frames larger than 4 KiB, and every frame under a sanitizer, come from operator new.
#include <cstddef>

namespace weft::frame_pool {

[[nodiscard]] void* allocate(std::size_t bytes);
void release(void* frame, std::size_t bytes) noexcept;

}  // namespace weft::frame_pool
