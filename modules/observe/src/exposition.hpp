#pragma once
// Prometheus' text format, version 0.0.4
// (https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format).
#include <string>

namespace weft::observe::detail {

struct family;
// Appends the family's lines; nothing for one without series.
void expose(const family& f, std::string& out);

}  // namespace weft::observe::detail
