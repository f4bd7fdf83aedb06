#include <boost/describe/class.hpp>
struct order_placed {
  int cents = 0;
};
BOOST_DESCRIBE_STRUCT(order_placed, (), (cents))
extern json::value old_schema, new_schema;
