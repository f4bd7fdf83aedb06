#include <boost/asio/steady_timer.hpp>
extern boost::asio::steady_timer timer;
