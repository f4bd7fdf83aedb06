#include <weft/resilience/pipeline.hpp>
extern std::string json_text;
extern policies changed;
