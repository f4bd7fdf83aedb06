#pragma once
// Durations for people: "300 ms", "1.5 s", "10 s", "2 min".
#include <weft/runtime/timer.hpp>

#include <string>

namespace weft::resilience::text {

[[nodiscard]] std::string of(duration d);

}  // namespace weft::resilience::text
