#pragma once
// From the raw tree to JSON: each text becomes what the setting at its path wants.
#include "config_node.hpp"
#include "config_schema.hpp"

#include <optional>
#include <vector>

namespace weft::service::detail {

// What cannot be converted is left out and told in `problems`, so that the rest can still be checked.
[[nodiscard]] json::value to_typed(const config_node& root, const config_schema& schema,
                                   std::vector<config_problem>& problems);

}  // namespace weft::service::detail
