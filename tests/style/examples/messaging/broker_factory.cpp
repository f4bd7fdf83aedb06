#include <weft/messaging/memory_broker.hpp>
messaging::broker_opener amqp_brokers();
struct messaging_settings {
  std::string broker_url;
};
extern messaging_settings settings;
