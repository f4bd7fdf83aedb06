#include <weft/net/dial.hpp>
extern net::tls_context tls;
