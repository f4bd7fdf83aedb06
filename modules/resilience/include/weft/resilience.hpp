#pragma once
#include <weft/resilience/pipeline.hpp>
