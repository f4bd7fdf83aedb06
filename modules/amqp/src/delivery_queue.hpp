#pragma once
// Deliveries that nobody has taken yet, in order. It keeps the room that it has once used, which the prefetch bounds;
// std::deque would take and give back memory for each of these large elements.
#include <weft/amqp/channel.hpp>
#include <weft/base/assert.hpp>

#include <cstddef>
#include <utility>
#include <vector>

namespace weft::amqp {

// About what one takes that waits here, so that many without a body are not for nothing.
[[nodiscard]] inline std::size_t unread_bytes(const delivery& d) noexcept {
  return sizeof(delivery) + d.message.body.size();
}

class delivery_queue {
 public:
  [[nodiscard]] bool empty() const noexcept { return size_ == 0; }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }

  // A new last element, to be filled: what it holds is left over.
  delivery& push() {
    if (size_ == slots_.size()) grow();
    return slots_[at(size_++)];
  }
  delivery pop() {
    WEFT_ASSERT(size_ > 0, "there is a delivery to take");
    auto& front = slots_[first_];
    first_ = at(1);
    --size_;
    return std::move(front);
  }
  void clear() noexcept {
    slots_.clear();
    first_ = size_ = 0;
  }
  [[nodiscard]] const delivery& operator[](std::size_t index) const noexcept { return slots_[at(index)]; }

 private:
  [[nodiscard]] std::size_t at(std::size_t index) const noexcept {
    const auto place = first_ + index;
    return place < slots_.size() ? place : place - slots_.size();
  }
  void grow() {
    std::vector<delivery> larger;
    larger.reserve(size_ == 0 ? 16 : 2 * size_);
    for (std::size_t i = 0; i < size_; ++i) larger.push_back(std::move(slots_[at(i)]));
    larger.resize(larger.capacity());
    slots_ = std::move(larger);
    first_ = 0;
  }

  std::vector<delivery> slots_;
  std::size_t first_ = 0, size_ = 0;
};

}  // namespace weft::amqp
