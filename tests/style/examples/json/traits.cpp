#include <boost/describe/class.hpp>
#include <boost/describe/enum.hpp>
enum class payment { card, other };
BOOST_DESCRIBE_ENUM(payment, card, other)
