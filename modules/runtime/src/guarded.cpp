#include <weft/runtime/guarded.hpp>

#include <exception>

namespace weft {

error current_exception_error(std::string_view operation) {
  const auto of = [&](std::string_view message) {
    error problem{errc::internal, message};
    return operation.empty() ? problem : problem.with_operation(operation);
  };
  try {
    throw;
  } catch (const std::exception& e) {
    return of(e.what());
  } catch (...) {
    return of("an exception that is no std::exception was thrown");
  }
}

}  // namespace weft
