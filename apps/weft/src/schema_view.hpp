#pragma once
// Schemas, findings and differences as text and as JSON.
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "schema_files.hpp"
#include "schema_findings.hpp"
#include "terminal.hpp"

namespace weft::cli {

struct check_extent {
  std::size_t types = 0, versions = 0;
};

// exit_status::failed when there is a problem among them, undecided when there is only what cannot be judged.
exit_status print_findings(const terminal& to, const std::vector<finding>& found, check_extent extent);

void print_types(const terminal& to, const schema_files& all);

struct difference {
  const std::string& type;
  std::uint32_t older_version;
  const json::value& older;
  std::uint32_t newer_version;
  const json::value& newer;
};
// The fields that differ, and in which direction the two can be read.
void print_difference(const terminal& to, const difference& d);

}  // namespace weft::cli
