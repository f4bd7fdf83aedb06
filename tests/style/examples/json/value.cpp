#include <boost/describe/class.hpp>
#include <weft/json/decode.hpp>
extern std::string text;
struct order {
  int id = 0;
};
BOOST_DESCRIBE_STRUCT(order, (), (id))
