#include <boost/describe/class.hpp>
#include <weft/messaging/broker_factory.hpp>
#include <weft/messaging/topic.hpp>
#include <weft/runtime/context.hpp>
#include <weft/runtime/loop.hpp>
extern weft::loop& loop;
extern weft::context ctx;
extern std::unique_ptr<messaging::broker> broker;
extern messaging::broker_factory brokers;
struct order_placed {
  std::string id;
};
BOOST_DESCRIBE_STRUCT(order_placed, (), (id))
inline constexpr messaging::topic<order_placed> orders_placed{"orders.placed.v1"};
