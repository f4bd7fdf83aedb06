#include <weft/net/endpoint.hpp>
extern weft::loop& loop;
extern context ctx;
extern net::tls_context tls;
