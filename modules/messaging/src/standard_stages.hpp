#pragma once
#include <weft/messaging/middleware.hpp>

namespace weft::messaging {

// dead_letter{} around retry{}, for a router that was given no middleware.
[[nodiscard]] stage standard_stages(stage next, const middleware_wiring& w);

}  // namespace weft::messaging
