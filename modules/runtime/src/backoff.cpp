#include <weft/base/saturating.hpp>
#include <weft/runtime/backoff.hpp>

#include <algorithm>
#include <cmath>
#include <string>

namespace weft {

result<> backoff_options::validate(std::string_view name) const {
  const auto wrong = [&](std::string_view field, std::string_view why) {
    return fail(errc::invalid_argument, std::string{name}.append(".").append(field).append(": ").append(why));
  };
  if (initial <= duration::zero()) return wrong("initial", "must be positive");
  if (max < initial) return wrong("max", "must be at least initial");
  if (!(multiplier >= 1) || !std::isfinite(multiplier)) return wrong("multiplier", "must be a number of at least 1");
  if (!(jitter >= 0 && jitter <= 1)) return wrong("jitter", "must be between 0 and 1");
  return {};
}

duration backoff_delay(const backoff_options& options, std::uint32_t failures, double drawn) {
  if (failures == 0) return duration::zero();
  const auto full =
      std::min(saturating_multiply(options.initial, std::pow(options.multiplier, static_cast<double>(failures - 1))),
               options.max);
  return saturating_multiply(full, 1 - options.jitter * (1 - drawn));
}

duration backoff_delay(const backoff_options& options, std::uint32_t failures, rng& random) {
  return backoff_delay(options, failures, random.uniform());
}

duration backoff::next(steady_time now, rng& random) {
  if (works_since_ && time_between(*works_since_, now) >= std::max(last_, options_.initial)) failures_ = 0;
  works_since_.reset();
  if (failures_ < UINT32_MAX) ++failures_;
  return last_ = backoff_delay(options_, failures_, random);
}

void backoff::succeeded(steady_time now) {
  if (!works_since_) works_since_ = now;
}

}  // namespace weft
