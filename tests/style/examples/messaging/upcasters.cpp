#include <boost/describe/class.hpp>
#include <weft/messaging/router.hpp>
struct order_placed_v1 {
  int cents = 0;
};
BOOST_DESCRIBE_STRUCT(order_placed_v1, (), (cents))
struct order_placed_v2 {
  int cents = 0;
};
BOOST_DESCRIBE_STRUCT(order_placed_v2, (), (cents))
result<order_placed_v2> with_currency(order_placed_v1 old);
extern std::unique_ptr<messaging::broker> broker;
