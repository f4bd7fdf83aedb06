#pragma once
// What is ready to run: an intrusive FIFO. A node that is destroyed takes itself out, so that a coroutine frame may be
// destroyed at any suspension point.
#include <coroutine>
#include <cstddef>

namespace weft {

class ready_node {
 public:
  ready_node() = default;
  ready_node(const ready_node&) = delete;
  ready_node& operator=(const ready_node&) = delete;
  virtual void run() = 0;  // called once for each time it was scheduled; may destroy the node

  [[nodiscard]] bool scheduled() const noexcept { return next_ != nullptr; }
  void unschedule() noexcept {
    if (next_ == nullptr) return;
    previous_->next_ = next_;
    next_->previous_ = previous_;
    next_ = previous_ = nullptr;
  }

 protected:
  ~ready_node() { unschedule(); }

 private:
  friend class ready_queue;
  ready_node *next_ = nullptr, *previous_ = nullptr;
};

class ready_queue {
 public:
  ready_queue() noexcept { clear(); }
  ready_queue(const ready_queue&) = delete;
  ready_queue& operator=(const ready_queue&) = delete;
  ~ready_queue() {
    while (!empty()) head_.next_->unschedule();
  }

  [[nodiscard]] bool empty() const noexcept { return head_.next_ == &head_; }
  // A node that is scheduled already keeps its place.
  void push(ready_node& node) noexcept {
    if (node.next_ != nullptr) return;
    node.next_ = &head_;
    node.previous_ = head_.previous_;
    head_.previous_->next_ = &node;
    head_.previous_ = &node;
  }
  ready_node* pop() noexcept {
    if (empty()) return nullptr;
    auto* node = head_.next_;
    node->unschedule();
    return node;
  }
  // Moves everything of `other` behind what is here.
  void splice(ready_queue& other) noexcept {
    if (other.empty()) return;
    auto *first = other.head_.next_, *last = other.head_.previous_;
    other.clear();
    first->previous_ = head_.previous_;
    head_.previous_->next_ = first;
    last->next_ = &head_;
    head_.previous_ = last;
  }

 private:
  struct sentinel final : ready_node {
    void run() override {}
  };
  void clear() noexcept { head_.next_ = head_.previous_ = &head_; }

  sentinel head_;
};

// A node that resumes a coroutine.
class resume_node final : public ready_node {
 public:
  void set(std::coroutine_handle<> frame) noexcept { frame_ = frame; }
  void run() override { frame_.resume(); }

 private:
  std::coroutine_handle<> frame_;
};

}  // namespace weft
