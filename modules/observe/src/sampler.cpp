#include <weft/observe/sampler.hpp>

#include <stdexcept>
#include <utility>

namespace weft::observe {
namespace {

class fixed_sampler final : public sampler {
 public:
  explicit fixed_sampler(sampling decision) : decision_{decision} {}
  sampling decide(const sampling_request&) const noexcept override { return decision_; }

 private:
  sampling decision_;
};

class by_trace_id final : public sampler {
 public:
  static constexpr double range = 0x1p56;
  explicit by_trace_id(double ratio) : threshold_{static_cast<std::uint64_t>(ratio * range)} {}

  sampling decide(const sampling_request& request) const noexcept override {
    std::uint64_t random = 0;
    for (std::size_t i = 9; i < 16; ++i) random = random << 8 | request.trace_id[i];
    return random < threshold_ ? sampling::record : sampling::drop;
  }

 private:
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
