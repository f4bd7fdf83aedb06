#include <vector>
extern std::vector<std::string_view> traceparents, tracestates;
extern weft::rng& rng;
