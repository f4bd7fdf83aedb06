#include <weft/runtime/timer.hpp>

namespace weft {

namespace {
constexpr std::size_t arity = 4;  // shallower than a binary heap, and children share a cache line
}

timer_queue::~timer_queue() {
  for (auto& e : heap_) e.node->queue_ = nullptr;
}

void timer_queue::place(std::size_t position, const entry& e) noexcept {
  heap_[position] = e;
  e.node->position_ = position;
}

void timer_queue::sift_up(std::size_t position, entry e) noexcept {
  while (position > 0) {
    const auto parent = (position - 1) / arity;
    if (!e.before(heap_[parent])) break;
    place(position, heap_[parent]);
    position = parent;
  }
  place(position, e);
}

void timer_queue::sift_down(std::size_t position, entry e) noexcept {
  const auto size = heap_.size();
  for (;;) {
    const auto first = position * arity + 1;
    if (first >= size) break;
    auto least = first;
    for (auto child = first + 1; child < first + arity && child < size; ++child)
      if (heap_[child].before(heap_[least])) least = child;
    if (!heap_[least].before(e)) break;
    place(position, heap_[least]);
    position = least;
  }
  place(position, e);
}

void timer_queue::arm(timer_node& node, steady_time due) {
  if (node.queue_ != nullptr) node.queue_->disarm(node);
  node.due_ = due;
  if (due == steady_time::max()) return;
  node.sequence_ = sequence_++;
  const entry e{due, node.sequence_, &node};
  heap_.push_back(e);
  node.queue_ = this;
  sift_up(heap_.size() - 1, e);
}

void timer_queue::disarm(timer_node& node) noexcept {
  if (node.queue_ != this) return;
  node.queue_ = nullptr;
  const auto position = node.position_;
  const auto last = heap_.back();
  heap_.pop_back();
  if (position == heap_.size()) return;
  if (position > 0 && last.before(heap_[(position - 1) / arity]))
    sift_up(position, last);
  else
    sift_down(position, last);
}

std::optional<steady_time> timer_queue::next() const noexcept {
  if (heap_.empty()) return std::nullopt;
  return heap_.front().due;
}

timer_node* timer_queue::pop_due(steady_time now) noexcept {
  if (heap_.empty() || heap_.front().due > now) return nullptr;
  auto* node = heap_.front().node;
  disarm(*node);
  return node;
}

}  // namespace weft
