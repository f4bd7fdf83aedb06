#include <weft/base/saturating.hpp>
#include <weft/discovery/blocking_query.hpp>

#include <algorithm>

namespace weft::discovery {

blocking_query::question blocking_query::next(steady_time now) noexcept {
  if (counted_at_ == steady_time::min()) counted_at_ = now;
  const auto per_question = static_cast<double>(options_.refill.count());
  allowance_ = std::min(static_cast<double>(options_.burst),
                        allowance_ + static_cast<double>(time_between(counted_at_, now).count()) / per_question);
  counted_at_ = now;
  allowance_ -= 1;
  auto at = std::max(now, not_before_);
  if (allowance_ < 0) at = std::max(at, later(now, saturating_multiply(options_.refill, -allowance_)));
  const auto wait = index_ == 0 ? duration{} : options_.wait;
  return {.index = index_,
          .wait = wait,
          .timeout = saturating_add(saturating_add(options_.wait, options_.wait / 16), options_.way),
          .not_before = at};
}

void blocking_query::answered(std::uint64_t index, steady_time now) noexcept {
  delays_.succeeded(now);
  not_before_ = steady_time::min();
  index = std::max<std::uint64_t>(index, 1);
  index_ = index < index_ ? 0 : index;
}

void blocking_query::failed(steady_time now, rng& random) noexcept {
  not_before_ = later(now, delays_.next(now, random));
}

}  // namespace weft::discovery
