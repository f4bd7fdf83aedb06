#pragma once
// The test kit: the simulator and the explorer.
#include <weft/testkit/explore.hpp>
#include <weft/testkit/run.hpp>
#include <weft/testkit/simulation.hpp>
