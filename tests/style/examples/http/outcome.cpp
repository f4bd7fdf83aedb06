#include <weft/resilience/pipeline.hpp>
