#include <weft/service/settings.hpp>

#include <weft/discovery/registry.hpp>
#include <weft/http/trusted_fields.hpp>
#include <weft/runtime/address.hpp>

#include <stdexcept>

namespace weft::service {

namespace {
void require_address(config_check& problems, const std::string& address) {
  problems.require(address.starts_with("unix:") || weft::address::parse_host(address, 0).has_value(), "address",
                   "expected a literal address such as 0.0.0.0 or ::1, or unix:/path");
}
void require_positive(config_check& problems, std::chrono::milliseconds time, std::string_view name) {
  problems.require(time > time.zero(), name, "must be longer than 0s");
}
}  // namespace

void http_settings::check(config_check& problems) const {
  require_address(problems, address);
  problems.require(!tls.certificate.empty() || tls.key.empty(), "tls.key", "needs tls.certificate as well");
  problems.require(tls.certificate.empty() || !tls.key.empty(), "tls.certificate", "needs tls.key as well");
  problems.require(!tls.certificate.empty() || tls.client_authorities.empty(), "tls.client_authorities",
                   "needs tls.certificate and tls.key as well");
  problems.require(tls.reload_interval >= tls.reload_interval.zero(), "tls.reload_interval", "must not be negative");
  problems.require(tls.warn_before >= tls.warn_before.zero(), "tls.warn_before", "must not be negative");
  problems.require(max_connections > 0, "max_connections", "must be at least 1");
  problems.require(max_connection_age >= max_connection_age.zero(), "max_connection_age", "must not be negative");
  try {
    static_cast<void>(http::peer_trust{{.trusted_networks = trusted_proxies}});
  } catch (const std::invalid_argument& e) {
    problems.add("trusted_proxies", e.what());
  }
  require_positive(problems, head_timeout, "head_timeout");
  require_positive(problems, body_timeout, "body_timeout");
  require_positive(problems, idle_timeout, "idle_timeout");
  require_positive(problems, request_timeout, "request_timeout");
}

void management_settings::check(config_check& problems) const { require_address(problems, address); }

void drain_settings::check(config_check& problems) const {
  problems.require(propagation_delay >= propagation_delay.zero(), "propagation_delay", "must not be negative");
  problems.require(request_timeout >= request_timeout.zero(), "request_timeout", "must not be negative");
  require_positive(problems, hook_timeout, "hook_timeout");
}

void discovery_settings::check(config_check& problems) const {
  const auto scheme = registry.scheme();
  std::string known;
  bool found = false;
  for (const auto& kind : weft::discovery::registry_kinds()) {
    found = found || kind.scheme == scheme;
    known.append(known.empty() ? "" : ", ").append(kind.scheme).append(":");
  }
  problems.require(found, "registry", "expected a URL that begins with one of " + known);
  for (const auto& [time, name] :
       {std::pair{ttl, "ttl"}, {http_check, "http_check"}, {remove_critical_after, "remove_critical_after"}})
    problems.require(time >= time.zero(), name, "must not be negative");
}

void host_settings::check(config_check& problems) const {
  for (const auto& found : resilience::lint(resilience::policies{policies})) {
    if (found.severity != resilience::severity::error) continue;
    problems.add(std::string_view{found.path}.substr(2), found.what + "; " + found.remedy);  // after "$."
  }
  problems.require(cores >= 1 && cores <= 256, "cores", "must be from 1 to 256");
  problems.require(tracing.sample_ratio >= 0 && tracing.sample_ratio <= 1, "tracing.sample_ratio",
                   "must be from 0 to 1");
}

}  // namespace weft::service
