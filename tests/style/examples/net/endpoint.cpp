#include <weft/net/dial.hpp>
extern weft::loop& loop;
extern context ctx;
extern net::tls_context tls;
