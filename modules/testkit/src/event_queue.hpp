#pragma once
// What is to happen, in one order for the whole simulation: by time, then by the order in which it was arranged. Plain
// values in a 4-ary heap; nothing is ever taken out before its time (who no longer cares ignores the event).
#include <cstddef>
#include <cstdint>
#include <vector>

namespace weft::testkit {

enum class event_kind : std::uint8_t { wake, deliver, retransmit, window, reset, call, fault };

struct event {
  std::int64_t time;    // nanoseconds
  std::uint64_t order;  // of arrangement, unique; the kind in the lowest byte
  void* target;         // a machine or a connection, or null
  std::uint64_t data;

  [[nodiscard]] event_kind kind() const noexcept { return static_cast<event_kind>(order & 0xff); }
  [[nodiscard]] bool before(const event& other) const noexcept {
    return time != other.time ? time < other.time : order < other.order;
  }
};

class event_queue {
 public:
  [[nodiscard]] bool empty() const noexcept { return heap_.empty(); }
  [[nodiscard]] const event& top() const noexcept { return heap_.front(); }

  void push(std::int64_t time, event_kind kind, void* target, std::uint64_t data) {
    const event e{time, next_++ << 8 | static_cast<std::uint64_t>(kind), target, data};
    heap_.push_back(e);
    auto position = heap_.size() - 1;
    while (position > 0) {
      const auto parent = (position - 1) / arity;
      if (!e.before(heap_[parent])) break;
      heap_[position] = heap_[parent];
      position = parent;
    }
    heap_[position] = e;
  }

  event pop() noexcept {
    const auto first = heap_.front();
    const auto last = heap_.back();
    heap_.pop_back();
    const auto size = heap_.size();
    if (size == 0) return first;
    std::size_t position = 0;
    for (;;) {
      const auto begin = position * arity + 1;
      if (begin >= size) break;
      auto least = begin;
      const auto end = begin + arity < size ? begin + arity : size;
      for (auto child = begin + 1; child < end; ++child)
        if (heap_[child].before(heap_[least])) least = child;
      if (!heap_[least].before(last)) break;
      heap_[position] = heap_[least];
      position = least;
    }
    heap_[position] = last;
    return first;
  }

 private:
  static constexpr std::size_t arity = 4;
  std::vector<event> heap_;
  std::uint64_t next_ = 0;
};

}  // namespace weft::testkit
