#include <weft/messaging/broker.hpp>
extern messaging::consumer& consumer;
extern error problem;
extern raw_delivery d;
