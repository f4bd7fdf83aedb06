// Apart from method.cpp, since the variant's copying takes long to compile.
#include <weft/amqp/method.hpp>

namespace weft::amqp {

method::method(const method& other) = default;
method& method::operator=(const method& other) {
  return *this = method{other};
}  // NOLINT(bugprone-unhandled-self-assignment)

}  // namespace weft::amqp
