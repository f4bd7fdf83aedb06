#include <weft/json/decode.hpp>
#include <boost/describe/class.hpp>
struct {
  std::string name;
} user;
