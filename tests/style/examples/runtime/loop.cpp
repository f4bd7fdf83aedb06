#include <weft/runtime/sleep.hpp>
using weft::loop;
