#include <boost/describe/class.hpp>
#include <weft/json/decode.hpp>
struct {
  std::string name;
} user;
