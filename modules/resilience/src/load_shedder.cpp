#include <weft/resilience/core/load_shedder.hpp>
#include <weft/resilience/lint.hpp>

#include <cmath>

namespace weft::resilience {

void load_shedder_core::configure(const load_shed& options) {
  static_cast<void>(checked(options, "load_shed"));
  const auto set = [&](priority p, double share) {
    shares_[static_cast<std::size_t>(p)].store(static_cast<std::uint32_t>(std::lround(options.max_in_flight * share)));
  };
  set(priority::critical, options.critical);
  set(priority::high, options.high);
  set(priority::normal, options.normal);
  set(priority::low, options.low);
}

}  // namespace weft::resilience
