#pragma once
// The certificates of the listeners while the program runs: net::certificate_watch, with its notices in the log and the
// end of each certificate as a metric. Belongs to one loop; the contexts may be in use on others.
#include <weft/net/certificate_watch.hpp>
#include <weft/observe/log.hpp>
#include <weft/observe/metrics.hpp>
#include <weft/service/settings.hpp>

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace weft::service {

class certificates {
 public:
  // weft_service_certificate_end_seconds{listener}: when the certificate ends, in seconds since 1970.
  certificates(loop& l, const observe::logger& log, observe::registry& metrics);

  // Watches it from now on.
  void add(std::string listener, const tls_settings& files, net::tls_context tls);
  // At SIGHUP.
  void look_now() noexcept;

 private:
  struct entry {
    std::string listener;
    observe::gauge end;
    std::optional<net::certificate_watch> watch;
  };
  void report(const entry& e, const net::certificate_notice& notice) const;

  loop& loop_;
  const observe::logger& log_;
  observe::gauge_family end_;
  std::vector<std::unique_ptr<entry>> entries_;
};

}  // namespace weft::service
