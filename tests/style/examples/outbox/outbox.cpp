#include <weft/messaging/publisher.hpp>
extern messaging::publisher bus;
extern order_placed order;
