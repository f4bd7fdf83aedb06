#include <boost/describe/class.hpp>
struct post {
  int id = 0;
};
BOOST_DESCRIBE_STRUCT(post, (), (id))
