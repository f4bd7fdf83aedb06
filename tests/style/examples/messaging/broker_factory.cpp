#include <weft/messaging/memory_broker.hpp>
extern weft::loop& loop;
extern context ctx;
messaging::broker_opener amqp_brokers();
struct messaging_settings {
  std::string broker_url;
};
extern messaging_settings settings;
