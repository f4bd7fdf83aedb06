#pragma once
// What the market prints once it is open: commands to try, in a terminal.
#include "settings.hpp"

#include <weft/service/application.hpp>

#include <string>
#include <vector>

namespace market {

[[nodiscard]] std::string invitation(const settings& config,
                                     const std::vector<weft::service::bound_listener>& listeners);

}  // namespace market
