#include <boost/describe/class.hpp>
#include <weft/json/value.hpp>
struct order {
  int id = 0;
};
BOOST_DESCRIBE_STRUCT(order, (), (id))
