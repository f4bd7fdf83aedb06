#pragma once
// The fields that are for one connection only (RFC 9110 7.6.1). Whoever passes a message on takes them out, in both
// directions, before adding fields of its own.
//     strip_hop_by_hop(request.headers);
#include <weft/http/headers.hpp>

namespace weft::http {

// Removes what Connection names, and Connection, Keep-Alive, Proxy-Connection, Proxy-Authenticate, Proxy-Authorization,
// TE, Trailer, Transfer-Encoding, Upgrade, HTTP2-Settings. Fields that are never of one connection stay even when
// Connection names them (Host, Content-*, Authorization, Cookie, Set-Cookie, Cache-Control, Date): naming them is a way
// to have a proxy drop what the server behind it relies on.
void strip_hop_by_hop(headers& h);

}  // namespace weft::http
