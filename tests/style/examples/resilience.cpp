#include <weft/resilience/outcome.hpp>
#include <weft/runtime/context.hpp>
#include <weft/runtime/loop.hpp>
extern weft::loop& loop;
extern weft::context ctx;
extern steady_time now;
extern weft::rng& random;
extern duration latency;
namespace http {
struct response {
  int status = 200;
};
}  // namespace http
