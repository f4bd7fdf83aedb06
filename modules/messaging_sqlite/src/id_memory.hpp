#pragma once
// The ids of what was published lately, so that a message that is published again is recognised. Without I/O.
#include <weft/base/time.hpp>
#include <weft/runtime/timer.hpp>

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <unordered_set>

namespace weft::messaging {

struct remembered_id {
  std::uint64_t row = 0;  // in the file; rises
  std::string id;
  wall_time at;
};

class id_memory {
 public:
  // A window of zero: nothing is remembered.
  id_memory(duration window, std::size_t most) : window_{window}, most_{most} {}

  [[nodiscard]] bool on() const noexcept { return window_ > duration::zero(); }
  [[nodiscard]] bool contains(std::string_view id) const { return ids_.contains(id); }
  [[nodiscard]] std::uint64_t next_row() noexcept { return next_row_++; }
  void add(remembered_id r);
  // Those that are too old or too many. The last row of them, or of those that went before; zero: none ever did.
  std::uint64_t forget(wall_time now);
  void clear();

 private:
  duration window_;
  std::size_t most_;
  std::deque<remembered_id> in_order_;
  std::unordered_set<std::string_view> ids_;  // looked up only; they point into in_order_
  std::uint64_t next_row_ = 1, forgotten_ = 0;
};

}  // namespace weft::messaging
