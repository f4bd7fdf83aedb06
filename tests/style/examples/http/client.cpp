#include <boost/describe/class.hpp>
struct user_view {
  std::string name;
};
BOOST_DESCRIBE_STRUCT(user_view, (), (name))
