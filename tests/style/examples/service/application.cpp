#include <weft/discovery/service_client.hpp>
using weft::loop;
extern service::application& app;
task<result<http::response>> hello(http::request& r, std::string name);
task<result<http::response>> show(http::request& r, discovery::service_client& posts, std::string id);
