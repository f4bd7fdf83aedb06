#include <weft/http/client.hpp>
#include <weft/http/outcome.hpp>
extern http::client client;
extern http::request& request;
extern std::string user_id;
