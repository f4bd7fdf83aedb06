#include <weft/runtime/context.hpp>
#include <weft/runtime/loop.hpp>
#include <weft/storage/database.hpp>
extern weft::loop& loop;
extern weft::context ctx;
extern std::unique_ptr<storage::database> db;
