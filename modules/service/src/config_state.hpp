#pragma once
// A configuration that was loaded: what its typed value does not say.
#include "config_node.hpp"
#include "config_schema.hpp"

#include <weft/service/config.hpp>

#include <string>
#include <vector>

namespace weft::service::detail {

struct config_state {
  config_sources sources;
  config_request request = config_request::run;
  std::vector<std::string> warnings;
  config_node raw;        // of all sources, for the places
  json::value effective;  // every setting; secrets redacted
  json::value given;      // what the sources said, secrets and all
};

// --help: every setting with its description and its value in `defaults`, the program's own.
[[nodiscard]] std::string help_text(const program_words& program, const config_schema& schema,
                                    const json::value& defaults, std::string_view prefix);

}  // namespace weft::service::detail
