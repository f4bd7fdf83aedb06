#pragma once
// The certificates of the listeners while the program runs: read again at SIGHUP and when their files have changed,
// and a warning before they end. Handshakes use the new ones at once; what does not load leaves the old ones in use.
// Belongs to one loop; the contexts may be in use on others.
#include <weft/net/tls.hpp>
#include <weft/observe/log.hpp>
#include <weft/observe/metrics.hpp>
#include <weft/runtime/task_group.hpp>
#include <weft/service/settings.hpp>

#include <memory>
#include <string>
#include <vector>

namespace weft::service {

class certificates {
 public:
  // weft_service_certificate_end_seconds{listener}: when the certificate ends, in seconds since 1970.
  certificates(loop& l, const observe::logger& log, observe::registry& metrics);

  // Before start().
  void add(std::string listener, const tls_settings& files, net::tls_context tls);
  void start();
  // All of them, whether their files have changed or not.
  task<void> renew_all();
  [[nodiscard]] bool empty() const noexcept { return entries_.empty(); }

 private:
  struct entry {
    std::string listener;
    tls_settings files;
    net::tls_context tls;
    observe::gauge ends;
    std::string seen;                         // of the files, when they were read last
    std::string problem;                      // that was logged last
    steady_time warned = steady_time::min();  // about its end
  };
  task<void> watch(entry& e, context ctx);
  task<void> renew(entry& e);
  void look_at_end(entry& e);
  [[nodiscard]] task<std::string> state_of_files(const entry& e);

  loop& loop_;
  const observe::logger& log_;
  observe::gauge_family ends_;
  std::vector<std::unique_ptr<entry>> entries_;
  task_group tasks_;
};

}  // namespace weft::service
