#include <weft/http/server.hpp>
extern service::drain_settings settings;
extern http::server& server;
