#include <weft/runtime/sleep.hpp>
struct session {};
extern bool alive;
task<result<session>> open(context ctx);
task<void> serve(session& s);
