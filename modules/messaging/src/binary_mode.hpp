#pragma once
// Events whose attributes are headers.
#include <weft/messaging/event_view.hpp>

namespace weft::messaging {

// Whether it has one is known; errors say what is wrong with it.
[[nodiscard]] result<event_view> view_binary(const message& m);

}  // namespace weft::messaging
