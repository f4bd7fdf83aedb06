#include "admin.hpp"

namespace weft::cli {

result<messaging::broker_admin*> admin_of(messaging::broker& b) {
  if (auto* admin = b.admin()) return admin;
  return fail(errc::unimplemented, "the broker " + b.features().broker + " does not let anybody look into it");
}

}  // namespace weft::cli
