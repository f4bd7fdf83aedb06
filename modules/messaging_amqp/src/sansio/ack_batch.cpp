#include "ack_batch.hpp"

#include <algorithm>

namespace weft::messaging {

void ack_batch::acknowledge(std::uint64_t tag) {
  out_.erase(tag);
  acknowledged_.push_back(tag);
}

ack_batch::frames ack_batch::take() {
  frames f;
  std::ranges::sort(acknowledged_);
  auto covered = unnamed_ > 0   ? acknowledged_.begin()
                 : out_.empty() ? acknowledged_.end()
                                : std::ranges::lower_bound(acknowledged_, *out_.begin());
  if (covered - acknowledged_.begin() > 1)
    f.up_to = *(covered - 1);
  else
    covered = acknowledged_.begin();
  f.single.assign(covered, acknowledged_.end());
  acknowledged_.clear();
  return f;
}

void ack_batch::clear() noexcept {
  out_.clear();
  acknowledged_.clear();
}

}  // namespace weft::messaging
