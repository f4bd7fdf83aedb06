#pragma once
// The parts of a URI that stand in a request: the host with its port (RFC 3986 3.2.2, 3.2.3), and the path with its
// query (3.3, 3.4).
#include <cstdint>
#include <string_view>

namespace weft::http::http1 {

enum class port_rule : std::uint8_t { optional, required };

// host [":" port] as the Host field has it: a registered name with well-formed percent encodings, an IPv4 address, or
// an IPv6 or later address in brackets; no user name. A port is at most 65535; required, it is also not 0, and the host
// not empty. "" is valid when the port is optional: what is asked for has no authority (RFC 9112 3.2).
[[nodiscard]] bool valid_authority(std::string_view text, port_rule port) noexcept;

// "/path[?query]". The path holds what RFC 3986 allows and well-formed percent encodings. So does the query, and also
// "[]{}|", which browsers send there as they are (WHATWG URL 1.3, the query percent-encode set).
[[nodiscard]] bool valid_path_and_query(std::string_view text) noexcept;

}  // namespace weft::http::http1
