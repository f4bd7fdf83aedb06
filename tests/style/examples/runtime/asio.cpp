#include <boost/asio/ip/tcp.hpp>
extern boost::asio::ip::tcp::socket socket;
extern boost::asio::mutable_buffer buffer;
