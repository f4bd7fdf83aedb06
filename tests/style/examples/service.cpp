#include <weft/runtime/context.hpp>
#include <weft/runtime/loop.hpp>
extern weft::loop& loop;
extern weft::context ctx;
