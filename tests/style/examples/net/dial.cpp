#include <weft/net/endpoint.hpp>
extern net::tls_context tls;
