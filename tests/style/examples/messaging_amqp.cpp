#include <weft/messaging/broker_factory.hpp>
#include <weft/runtime/context.hpp>
#include <weft/runtime/loop.hpp>
extern weft::loop& loop;
extern weft::context ctx;
extern messaging::broker_factory brokers;
