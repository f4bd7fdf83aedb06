#pragma once
// What the program tcp_proxy is told over its control port, a line at a time, each answered by a line:
//
//     cut                  every connection is reset           ok 3 (connections)
//     refuse, admit        new connections                     ok
//     stall, flow          what passes                         ok
//     delay 50             milliseconds, each way              ok
//     figures              since the start                     ok accepted 7 refused 0 cut 3 bytes 123456
//
// Anything else: error ...
#include <string>
#include <string_view>

#include "tcp_proxy.hpp"

namespace weft::system_tests {

[[nodiscard]] std::string obey(tcp_proxy& proxy, std::string_view line);

}  // namespace weft::system_tests
