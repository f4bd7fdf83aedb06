#include <weft/observe/metrics.hpp>
extern observe::span_exporter& exporter;
extern observe::registry metrics;
