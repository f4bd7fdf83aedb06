#include <weft/discovery/registry.hpp>
#include <weft/runtime/context.hpp>
#include <weft/runtime/loop.hpp>
extern weft::loop& loop;
extern weft::context ctx;
extern std::unique_ptr<discovery::registry> registry;
extern discovery::instance me;
extern steady_time now;
