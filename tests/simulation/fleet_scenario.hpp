#pragma once
// The fleet: five instances and two callers through crashes, slow hosts, partitions and a tenfold spike, all drawn from
// the seed; then the faults end, and what must hold is checked.
#include "fleet_caller.hpp"
#include "fleet_instance.hpp"

namespace fleet {

inline constexpr auto faults_end = std::chrono::seconds{18};
inline constexpr auto recovery = std::chrono::seconds{5};  // the stated time: from then on every call succeeds
inline constexpr auto load_ends = faults_end + recovery + std::chrono::seconds{4};

enum class protection : std::uint8_t {
  full,
  budget_alone,    // no breaker
  none,            // no breaker, no budget: to show the storm
  wedged_breaker,  // one that does not probe again in time: to show that it is noticed
};

struct run_summary {
  std::uint64_t offered = 0, sent = 0, arrived = 0, succeeded = 0, retries = 0;
  double floor = 0;  // what the budgets let through beside their ratio
  [[nodiscard]] double amplification() const {
    return sent == 0 ? 1 : static_cast<double>(arrived) / static_cast<double>(sent);
  }
  // More requests reached instances than the calls, a fifth more, and what the budgets' floors allow.
  [[nodiscard]] bool is_storm() const { return static_cast<double>(arrived) > 1.2 * static_cast<double>(sent) + floor; }
};

// Runs the fleet to its end; with full protection it fails the simulation where an invariant breaks.
run_summary run_fleet(weft::testkit::simulation& sim, protection how);

// Latencies of the calls, sorted, while one of the five instances is ten times slower. Nothing is retried, limited or
// ejected: only who is picked differs.
std::vector<weft::duration> run_with_one_slow_instance(weft::testkit::simulation& sim,
                                                       weft::discovery::algorithm balancing);

}  // namespace fleet
