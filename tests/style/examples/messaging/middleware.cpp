#include <weft/messaging/router.hpp>
extern messaging::router& bus;
