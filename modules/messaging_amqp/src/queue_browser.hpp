#pragma once
// Looking into a queue: what is got is held unacknowledged, and goes back to its place when the channel is closed.
#include <weft/amqp/channel.hpp>
#include <weft/runtime/loop.hpp>

#include <vector>

namespace weft::messaging {

// The next messages, `limit` at most; fewer when there are no more, or when their bodies come to 256 MiB.
// errc::not_found: there is no such queue.
[[nodiscard]] task<result<std::vector<amqp::delivery>>> browse(loop& l, amqp::channel& ch, context ctx,
                                                               std::string queue, std::size_t limit);

}  // namespace weft::messaging
