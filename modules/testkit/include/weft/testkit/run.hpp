#pragma once
// A test of one task on one simulated host, in virtual time.
//
//     TEST(Retry, WaitsBetweenTries) {
//       testkit::run([](loop& l) { return retries_three_times(l); });   // returns in no time
//     }
//
// For several hosts, faults, or time moved by hand (sim.run_for), use simulation itself.
#include <weft/testkit/simulation.hpp>

#include <concepts>

namespace weft::testkit {

// `function` takes a loop& or a host& and returns a task; its value comes back.
template <class Function>
auto run(Function function, simulation_options options = {}) {
  simulation sim{1, std::move(options)};
  auto& only = sim.add_host("host");
  if constexpr (std::invocable<Function&, host&>)
    return sim.run(only, function(only));
  else
    return sim.run(only, function(only.loop()));
}

}  // namespace weft::testkit
