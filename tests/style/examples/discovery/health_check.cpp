#include <weft/http/client.hpp>
extern http::client client;
extern discovery::instance instance;
extern health_judge judge;
