#pragma once
#include <weft/messaging/broker.hpp>
#include <weft/messaging/broker_admin.hpp>

#include <string_view>

namespace weft::cli {

// errc::unimplemented for a broker that does not let anybody look into it.
[[nodiscard]] result<messaging::broker_admin*> admin_of(messaging::broker& b);

}  // namespace weft::cli
