#include <weft/runtime/stream.hpp>
extern std::unique_ptr<weft::stream> stream;
