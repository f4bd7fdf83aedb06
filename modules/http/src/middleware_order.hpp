#pragma once
// Orders of middleware that do nothing, or something else than they seem to: found when the routes are made.
#include <weft/http/message.hpp>

#include <optional>
#include <string>
#include <vector>

namespace weft::http::detail {

// What is wrong with the first that does not fit, and the remedy. The first one is the outermost. Middleware that is
// not of this module fits anywhere.
[[nodiscard]] std::optional<std::string> order_problem(const std::vector<middleware>& around);

}  // namespace weft::http::detail
