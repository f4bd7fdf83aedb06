#include <boost/describe/class.hpp>
struct price_query {
  std::string sku;
};
BOOST_DESCRIBE_STRUCT(price_query, (), (sku))
struct price {
  int cents = 0;
};
BOOST_DESCRIBE_STRUCT(price, (), (cents))
extern messaging::router& router;
extern std::unique_ptr<messaging::broker> broker;
task<result<price>> look_up(context ctx, price_query q);
