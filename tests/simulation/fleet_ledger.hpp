#pragma once
// What is known about a run of the fleet, on all hosts together and through their crashes.
#include <weft/runtime/timer.hpp>

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace fleet {

struct ledger {
  std::uint64_t offered = 0;    // calls that clients made
  std::uint64_t sent = 0;       // calls of which at least one attempt was made
  std::uint64_t succeeded = 0;  // calls
  std::uint64_t arrived = 0;    // requests at instances, whatever became of them
  std::uint64_t shed = 0;       // of these, answered 503 since the queue was full

  std::vector<std::uint8_t> arrivals_of;                // by the number of the call
  std::map<std::string, double, std::less<>> slowdown;  // of an instance, where it is not 1

  std::vector<weft::duration> latencies;  // of calls that succeeded, when asked for
  bool keep_latencies = false;
};

}  // namespace fleet
