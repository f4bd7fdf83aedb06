#include <weft/discovery/blocking_query.hpp>

#include <algorithm>

namespace weft::discovery {

blocking_query::question blocking_query::next(steady_time now) noexcept {
  if (counted_at_ == steady_time::min()) counted_at_ = now;
  const auto per_question = static_cast<double>(options_.refill.count());
  allowance_ = std::min(static_cast<double>(options_.burst),
                        allowance_ + static_cast<double>((now - counted_at_).count()) / per_question);
  counted_at_ = now;
  allowance_ -= 1;
  auto at = std::max(now, not_before_);
  if (allowance_ < 0) at = std::max(at, now + duration{static_cast<duration::rep>(-allowance_ * per_question)});
  const auto wait = index_ == 0 ? duration{} : options_.wait;
  return {
      .index = index_, .wait = wait, .timeout = options_.wait + options_.wait / 16 + options_.way, .not_before = at};
}

void blocking_query::answered(std::uint64_t index, steady_time) noexcept {
  failures_ = 0;
  not_before_ = steady_time::min();
  index = std::max<std::uint64_t>(index, 1);
  index_ = index < index_ ? 0 : index;
}

void blocking_query::failed(steady_time now, rng& random) noexcept {
  auto most = options_.first_backoff;
  for (unsigned i = 0; i < failures_ && most < options_.last_backoff; ++i) most *= 2;
  most = std::min(most, options_.last_backoff);
  ++failures_;
  // Never nothing: half of it is certain, so that a server that refuses at once is left alone.
  not_before_ =
      now + most / 2 + duration{static_cast<duration::rep>(random.uniform() * static_cast<double>((most / 2).count()))};
}

}  // namespace weft::discovery
