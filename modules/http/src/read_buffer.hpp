#pragma once
// The bytes a connection has received and not yet used. While a message is worked on, its head is pinned: its bytes
// stay where they are, and what comes after goes behind them or, when there is no room, into new memory.
#include <algorithm>
#include <cstddef>
#include <cstring>
#include <memory>
#include <span>
#include <string_view>
#include <utility>

namespace weft::http {

class read_buffer {
 public:
  explicit read_buffer(std::size_t capacity) : initial_{capacity} {}

  [[nodiscard]] std::string_view unread() const noexcept { return {memory_.get() + begin_, end_ - begin_}; }
  void consume(std::size_t bytes) noexcept { begin_ += bytes; }
  void filled(std::size_t bytes) noexcept { end_ += bytes; }

  // Room for at least `least` more bytes behind what is unread. Moves unread bytes, never pinned ones.
  [[nodiscard]] std::span<char> space(std::size_t least) {
    if (begin_ == end_ && !pinned_) begin_ = end_ = 0;
    if (begin_ == end_ && pinned_ && begin_ > pinned_end_) begin_ = end_ = pinned_end_;
    if (capacity_ - end_ < least) make_room(least);
    return {memory_.get() + end_, capacity_ - end_};
  }

  // Everything before the unread bytes stays in place until unpin().
  void pin() noexcept {
    pinned_ = true;
    pinned_end_ = begin_;
  }
  void unpin() noexcept {
    pinned_ = false;
    retired_.reset();
    if (begin_ == end_) begin_ = end_ = 0;
  }
  // Gives the pinned memory away, with the views into it; unread bytes are kept.
  [[nodiscard]] std::unique_ptr<char[]> release_pinned() {
    pinned_ = false;
    if (retired_) return std::move(retired_);
    auto given = std::move(memory_);
    const auto rest = end_ - begin_;
    const auto* from = given.get() + begin_;
    capacity_ = begin_ = end_ = 0;
    if (rest > 0) {
      allocate(std::max(initial_, rest));
      std::memcpy(memory_.get(), from, rest);
      end_ = rest;
    }
    return given;
  }
  // An idle connection keeps no more than its first allocation.
  void shrink() noexcept {
    if (begin_ != end_ || pinned_ || capacity_ <= initial_) return;
    memory_.reset();
    capacity_ = begin_ = end_ = 0;
  }

 private:
  void allocate(std::size_t capacity) {
    memory_ = std::make_unique_for_overwrite<char[]>(capacity);
    capacity_ = capacity;
  }
  void make_room(std::size_t least) {
    const auto rest = end_ - begin_;
    if (!pinned_ && memory_ && capacity_ - rest >= least) {
      std::memmove(memory_.get(), memory_.get() + begin_, rest);
    } else {
      auto old = std::move(memory_);
      const auto* from = old.get() + begin_;
      allocate(std::max({initial_, pinned_ ? std::size_t{16 * 1024} : capacity_ * 2, rest + least}));
      if (rest > 0) std::memcpy(memory_.get(), from, rest);
      if (pinned_ && !retired_) retired_ = std::move(old);
      pinned_end_ = 0;
    }
    begin_ = 0;
    end_ = rest;
  }

  std::size_t initial_;
  std::unique_ptr<char[]> memory_, retired_;
  std::size_t capacity_ = 0, begin_ = 0, end_ = 0, pinned_end_ = 0;
  bool pinned_ = false;
};

}  // namespace weft::http
