#include <weft/observe/sampler.hpp>

#include <charconv>
#include <cmath>
#include <optional>
#include <stdexcept>
#include <string_view>
#include <utility>

namespace weft::observe {
namespace {

// What stands between separators, from the front of `text`, which loses it.
std::string_view next_part(std::string_view& text, char separator) noexcept {
  const auto end = text.find(separator);
  const auto part = text.substr(0, end);
  text = end == std::string_view::npos ? std::string_view{} : text.substr(end + 1);
  return part;
}

// "rv" of the "ot" entry of a tracestate: the randomness of a trace whose id may have none.
std::optional<std::uint64_t> explicit_randomness(std::string_view state) noexcept {
  constexpr std::string_view vendor = "ot=", key = "rv:";
  constexpr std::size_t digits = 14;
  while (!state.empty()) {
    auto entry = next_part(state, ',');
    if (!entry.starts_with(vendor)) continue;
    entry.remove_prefix(vendor.size());
    while (!entry.empty()) {
      auto value = next_part(entry, ';');
      if (!value.starts_with(key)) continue;
      value.remove_prefix(key.size());
      std::uint64_t random = 0;
      const auto read = std::from_chars(value.data(), value.data() + value.size(), random, 16);
      if (value.size() != digits || read.ec != std::errc{} || read.ptr != value.data() + value.size()) return {};
      return random;
    }
    return {};
  }
  return {};
}

class fixed_sampler final : public sampler {
 public:
  explicit fixed_sampler(sampling decision) : decision_{decision} {}
  sampling decide(const sampling_request&) const noexcept override { return decision_; }

 private:
  sampling decision_;
};

// OpenTelemetry, "TraceState: Probability Sampling": recorded when the randomness R reaches the rejection threshold T.
class by_trace_id final : public sampler {
 public:
  static constexpr double range = 0x1p56;
  explicit by_trace_id(double ratio) : threshold_{static_cast<std::uint64_t>(std::round((1 - ratio) * range))} {}

  sampling decide(const sampling_request& request) const noexcept override {
    return randomness(request) >= threshold_ ? sampling::record : sampling::drop;
  }

 private:
  static std::uint64_t randomness(const sampling_request& request) noexcept {
    if (const auto given = explicit_randomness(request.parent.state)) return *given;
    std::uint64_t random = 0;
    for (std::size_t i = 9; i < 16; ++i) random = random << 8 | request.trace_id[i];
    return random;
  }

  std::uint64_t threshold_;
};

class following_parent final : public sampler {
 public:
  explicit following_parent(std::shared_ptr<const sampler> root) : root_{std::move(root)} {}
  sampling decide(const sampling_request& request) const noexcept override {
    if (!request.parent.valid()) return root_->decide(request);
    return request.parent.sampled() ? sampling::record : sampling::drop;
  }

 private:
  std::shared_ptr<const sampler> root_;
};

}  // namespace

std::shared_ptr<const sampler> always_sampler() { return std::make_shared<fixed_sampler>(sampling::record); }
std::shared_ptr<const sampler> never_sampler() { return std::make_shared<fixed_sampler>(sampling::drop); }
std::shared_ptr<const sampler> ratio_sampler(double ratio) {
  if (!(ratio >= 0 && ratio <= 1)) throw std::invalid_argument{"a sampling ratio is between 0 and 1"};
  return std::make_shared<by_trace_id>(ratio);
}
std::shared_ptr<const sampler> parent_based(std::shared_ptr<const sampler> root) {
  if (!root) throw std::invalid_argument{"parent_based needs a sampler for traces that begin here"};
  return std::make_shared<following_parent>(std::move(root));
}

}  // namespace weft::observe
