#include <weft/http/message.hpp>
extern http::request& request;
