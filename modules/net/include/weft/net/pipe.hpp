#pragma once
// Two streams in memory, each the other's peer: for tests, and for parts of one process that talk as if over a network.
//
//     auto [client, server] = net::make_pipe(loop, 64 * 1024);
//
// Each direction holds at most `capacity` bytes; a writer then waits for its reader. Ends, half-closes and resets are
// seen as over TCP. Both belong to the loop's thread; either may be destroyed first.
#include <weft/runtime/loop.hpp>

#include <memory>
#include <utility>

namespace weft::net {

[[nodiscard]] std::pair<std::unique_ptr<stream>, std::unique_ptr<stream>> make_pipe(loop& l,
                                                                                    std::size_t capacity = 64 * 1024);

}  // namespace weft::net
