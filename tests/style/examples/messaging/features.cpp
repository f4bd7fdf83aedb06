#include <weft/messaging/broker.hpp>
extern messaging::broker& bus;
