#include <boost/describe/class.hpp>
#include <weft/json/decode.hpp>
