#include <weft/messaging/broker_factory.hpp>
extern messaging::broker_factory brokers;
