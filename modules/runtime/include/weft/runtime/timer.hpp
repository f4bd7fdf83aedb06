#pragma once
// Timers as the loops keep them: a heap of intrusive nodes, ordered by time and, at the same time, by the order in
// which they were armed, so that a simulation replays. Arming, moving and disarming cost O(log n); no allocation per
// timer.
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace weft {

using steady_time = std::chrono::steady_clock::time_point;
using duration = std::chrono::steady_clock::duration;

class timer_queue;

class timer_node {
 public:
  timer_node() = default;
  timer_node(const timer_node&) = delete;
  timer_node& operator=(const timer_node&) = delete;
  virtual void expire() = 0;  // the node is disarmed by then; it may arm or destroy itself

  [[nodiscard]] bool armed() const noexcept { return queue_ != nullptr; }
  [[nodiscard]] steady_time due() const noexcept { return due_; }
  void disarm() noexcept;

 protected:
  ~timer_node() { disarm(); }

 private:
  friend class timer_queue;
  timer_queue* queue_ = nullptr;
  std::size_t position_ = 0;
  steady_time due_{};
  std::uint64_t sequence_ = 0;
};

class timer_queue {
 public:
  timer_queue() = default;
  timer_queue(const timer_queue&) = delete;
  timer_queue& operator=(const timer_queue&) = delete;
  ~timer_queue();

  // Moves one that is armed already. One that is due at steady_time::max() never is: it is not kept, nor armed.
  void arm(timer_node& node, steady_time due);
  void disarm(timer_node& node) noexcept;
  [[nodiscard]] bool empty() const noexcept { return heap_.empty(); }
  [[nodiscard]] std::size_t size() const noexcept { return heap_.size(); }
  [[nodiscard]] std::optional<steady_time> next() const noexcept;
  // The first node that is due at `now`, disarmed; null when none is.
  [[nodiscard]] timer_node* pop_due(steady_time now) noexcept;

 private:
  struct entry {
    steady_time due;
    std::uint64_t sequence;
    timer_node* node;
    bool before(const entry& other) const noexcept {
      return due != other.due ? due < other.due : sequence < other.sequence;
    }
  };
  void place(std::size_t position, const entry& e) noexcept;
  void sift_up(std::size_t position, entry e) noexcept;
  void sift_down(std::size_t position, entry e) noexcept;

  std::vector<entry> heap_;
  std::uint64_t sequence_ = 0;
};

inline void timer_node::disarm() noexcept {
  if (queue_ != nullptr) queue_->disarm(*this);
}

}  // namespace weft
