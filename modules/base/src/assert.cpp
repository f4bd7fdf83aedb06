#include <weft/base/assert.hpp>

#include <cstdio>
#include <cstdlib>

namespace weft {
void assertion_failed(const char* condition, const char* message, const char* file, int line) noexcept {
  std::fprintf(stderr, "%s:%d: broken invariant: %s (%s)\n", file, line, message, condition);
  std::abort();
}
}  // namespace weft
