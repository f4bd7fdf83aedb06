#include <weft/resilience/outcome.hpp>

namespace weft::resilience {

verdict verdict_of(errc code) noexcept {
  switch (code) {
    case errc::unknown:
    case errc::deadline_exceeded:
    case errc::internal:
    case errc::unavailable:
    case errc::data_loss:
      return verdict::failure;
    case errc::cancelled:
    case errc::resource_exhausted:
      return verdict::ignored;
    default:  // the callee understood the request and answered
      return verdict::success;
  }
}

verdict verdict_of_status(int http_status) noexcept {
  if (http_status == 429) return verdict::ignored;
  // 501 and 505 say that the request is wrong, not that the server is unwell.
  if (http_status == 408 || (http_status >= 500 && http_status != 501 && http_status != 505)) return verdict::failure;
  return verdict::success;
}

}  // namespace weft::resilience
