#include <weft/amqp/message.hpp>
extern amqp::message& message;
