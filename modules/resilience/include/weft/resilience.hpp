#pragma once
#include <weft/resilience/pipeline.hpp>
#include <weft/resilience/policy_set.hpp>
#include <weft/resilience/presets.hpp>
