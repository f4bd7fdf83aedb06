#include "text.hpp"

namespace weft::resilience::text {

std::string of(duration d) {
  using namespace std::chrono_literals;
  struct unit {
    duration size;
    const char* name;
  };
  static constexpr unit units[] = {{1h, " h"}, {1min, " min"}, {1s, " s"}, {1ms, " ms"}, {1us, " us"}, {1ns, " ns"}};
  if (d == duration::max()) return "ever";
  if (d < duration::zero()) return d == duration::min() ? "-ever" : "-" + of(-d);
  if (d == duration::zero()) return "0 s";
  for (const auto& u : units) {
    if (d < u.size) continue;
    const auto whole = d / u.size;
    const auto tenth = (d % u.size) * 10 / u.size;
    // 90 s reads better than 1.5 min.
    if (u.size >= 1min && d % u.size != duration::zero() && d < 10 * u.size) continue;
    auto text = std::to_string(whole);
    if (tenth != 0 && whole < 100) text.append(".").append(std::to_string(tenth));
    return text + u.name;
  }
  return "0 s";
}

}  // namespace weft::resilience::text
