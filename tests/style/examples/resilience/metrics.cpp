#include <weft/observe/metrics.hpp>
#include <weft/resilience/pipeline.hpp>
extern observe::registry& registry;
extern resilience::pipeline<int>& guard;
