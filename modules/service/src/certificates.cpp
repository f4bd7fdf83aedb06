#include "certificates.hpp"

#include <weft/base/saturating.hpp>

namespace weft::service {

namespace {

double seconds_of(wall_time at) { return std::chrono::duration<double>(at.time_since_epoch()).count(); }

}  // namespace

certificates::certificates(loop& l, const observe::logger& log, observe::registry& metrics)
    : loop_{l},
      log_{log},
      end_{metrics.add_gauge("weft_service_certificate_end_seconds",
                             "End of the listener's certificate since 1970, in seconds.", {"listener"})} {}

void certificates::add(std::string listener, const tls_settings& files, net::tls_context tls) {
  auto& e = *entries_.emplace_back(std::make_unique<entry>());
  e.end = end_.with({listener});
  e.end.set(seconds_of(tls.expires()));
  e.listener = std::move(listener);
  const bool by_itself = files.reload_interval > files.reload_interval.zero();
  e.watch.emplace(loop_, std::move(tls),
                  net::certificate_watch_options{
                      .interval = by_itself ? saturating_cast<duration>(files.reload_interval) : duration::max(),
                      .warn_before = saturating_cast<duration>(files.warn_before),
                      .notify = [this, &e](const net::certificate_notice& notice) { report(e, notice); }});
}

void certificates::look_now() noexcept {
  for (const auto& e : entries_) e->watch->look_now();
}

void certificates::report(const entry& e, const net::certificate_notice& notice) const {
  using event = net::certificate_notice::event;
  const auto end = format_rfc3339(std::chrono::floor<std::chrono::seconds>(notice.expires));
  constexpr auto remedy = "write a new one to its files; http.tls.reload_interval and SIGHUP put it into force";
  e.end.set(seconds_of(notice.expires));
  switch (notice.kind) {
    case event::reloaded:
      return log_.info("certificate renewed", {{"listener", e.listener}, {"ends", end}});
    case event::refused:
      return log_.error("the certificate was not renewed",
                        {{"listener", e.listener},
                         {"problem", notice.problem ? notice.problem->describe() : ""},
                         {"in_use", "the one before"}});
    case event::ends_soon:
      return log_.warning("the certificate ends soon", {{"listener", e.listener}, {"ends", end}, {"remedy", remedy}});
    case event::ended:
      return log_.error("the certificate has ended", {{"listener", e.listener}, {"ended", end}, {"remedy", remedy}});
  }
}

}  // namespace weft::service
