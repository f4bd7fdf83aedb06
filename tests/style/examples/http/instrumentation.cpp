#include <weft/http/server.hpp>
extern observe::tracer tracer;
extern observe::registry registry;
extern observe::logger log;
extern http::instruments instruments;
