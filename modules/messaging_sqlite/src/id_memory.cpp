#include "id_memory.hpp"

#include <weft/base/saturating.hpp>

#include <algorithm>

namespace weft::messaging {

void id_memory::add(remembered_id r) {
  next_row_ = std::max(next_row_, r.row + 1);
  ids_.insert(in_order_.emplace_back(std::move(r)).id);
}

std::uint64_t id_memory::forget(wall_time now) {
  while (!in_order_.empty() && (in_order_.size() > most_ || time_between(in_order_.front().at, now) > window_)) {
    forgotten_ = in_order_.front().row;
    ids_.erase(in_order_.front().id);
    in_order_.pop_front();
  }
  return forgotten_;
}

void id_memory::clear() {
  ids_.clear();
  in_order_.clear();
}

}  // namespace weft::messaging
