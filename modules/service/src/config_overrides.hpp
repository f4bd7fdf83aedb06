#pragma once
// The two sources that name one setting at a time: the environment and the command line.
#include "config_node.hpp"
#include "config_schema.hpp"

#include <weft/service/config.hpp>

#include <string>
#include <vector>

namespace weft::service::detail {

struct command_line {
  config_request request = config_request::run;
  std::vector<std::string> files;
  config_node overrides{.is = config_node::kind::map};
};

[[nodiscard]] command_line read_command_line(const std::vector<std::string>& arguments, const config_schema& schema,
                                             std::vector<config_problem>& problems);

// "http.port" as "WEFT_HTTP_PORT".
[[nodiscard]] std::string variable_name(std::string_view prefix, const setting& s, std::string_view separator = "_");

// A variable with the prefix that names no setting is only a warning: others write the environment as well.
[[nodiscard]] config_node read_environment(const config_sources& sources, const config_schema& schema,
                                           std::vector<config_problem>& problems, std::vector<std::string>& warnings);

}  // namespace weft::service::detail
