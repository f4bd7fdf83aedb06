#include <boost/describe/class.hpp>
using order_id = strong<struct order_id_tag>;
extern std::string text;
