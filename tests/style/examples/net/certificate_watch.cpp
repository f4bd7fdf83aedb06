#include <csignal>
#include <weft/net/tls.hpp>
#include <weft/runtime/epoll_loop.hpp>
extern weft::epoll_loop& loop;
extern net::tls_context tls;
void warn(std::string_view what, wall_time expires);
