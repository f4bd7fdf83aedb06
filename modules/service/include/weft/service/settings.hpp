#pragma once
// The host's own settings: what every service has, besides its own. Derive from them:
//
//     struct settings : service::service_settings { std::string greeting = "hello"; };
//     BOOST_DESCRIBE_STRUCT(settings, (service::service_settings), (greeting))
#include <weft/json/compiled_codec.hpp>
#include <weft/json/traits.hpp>
#include <weft/observe/log.hpp>
#include <weft/resilience/policy_set.hpp>
#include <weft/service/config.hpp>
#include <weft/service/secret.hpp>
#include <weft/service/secret_url.hpp>

#include <boost/describe/class.hpp>
#include <boost/describe/enum.hpp>
#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace weft::observe {
BOOST_DESCRIBE_ENUM(log_level, trace, debug, info, warning, error, critical, off)
BOOST_DESCRIBE_ENUM(log_format, automatic, pretty, json)
}  // namespace weft::observe

namespace weft::service {

// PEM files. Without a certificate the listener is plain. Files that change are read again, at SIGHUP in any case.
struct tls_settings {
  std::string certificate;
  std::string key;
  std::string client_authorities;  // clients must then show a certificate that one of these signed
  std::chrono::milliseconds reload_interval = std::chrono::minutes{1};
  std::chrono::milliseconds warn_before = std::chrono::days{14};
};
BOOST_DESCRIBE_STRUCT(tls_settings, (), (certificate, key, client_authorities, reload_interval, warn_before))

// One listener.
struct http_settings {
  std::string address = "0.0.0.0";  // or "::", or "unix:/run/service.sock"
  std::uint16_t port = 8080;        // 0: a free one
  tls_settings tls;
  std::uint64_t max_body_bytes = 8 << 20;
  std::uint32_t max_connections = 65'536;
  std::uint32_t max_connections_per_peer = 0;
  std::uint32_t max_requests = 0;
  std::uint32_t max_requests_per_client = 0;
  std::uint32_t max_connection_requests = 0;
  std::chrono::milliseconds max_connection_age{};
  std::uint32_t min_body_bytes_per_second = 240;
  std::vector<std::string> trusted_proxies;
  std::chrono::milliseconds head_timeout = std::chrono::seconds{10};
  std::chrono::milliseconds body_timeout = std::chrono::seconds{30};
  std::chrono::milliseconds idle_timeout = std::chrono::seconds{75};
  std::chrono::milliseconds request_timeout = std::chrono::minutes{5};

  void check(config_check& problems) const;
};
BOOST_DESCRIBE_STRUCT(http_settings, (),
                      (address, port, tls, max_body_bytes, max_connections, max_connections_per_peer, max_requests,
                       max_requests_per_client, max_connection_requests, max_connection_age, min_body_bytes_per_second,
                       trusted_proxies, head_timeout, body_timeout, idle_timeout, request_timeout))

struct log_settings {
  observe::log_level level = observe::log_level::info;
  observe::log_format format = observe::log_format::automatic;
};
BOOST_DESCRIBE_STRUCT(log_settings, (), (level, format))

struct health_settings {
  std::uint32_t memory_limit_mib = 0;
};
BOOST_DESCRIBE_STRUCT(health_settings, (), (memory_limit_mib))

struct drain_settings {
  std::chrono::milliseconds propagation_delay = std::chrono::seconds{5};
  std::chrono::milliseconds request_timeout = std::chrono::seconds{20};
  std::chrono::milliseconds hook_timeout = std::chrono::seconds{5};

  void check(config_check& problems) const;
};
BOOST_DESCRIBE_STRUCT(drain_settings, (), (propagation_delay, request_timeout, hook_timeout))

// Whether a caller's trace is recorded is the caller's decision; of the traces that begin here a tenth is, so that there
// is something to look at from the first day.
struct tracing_settings {
  double sample_ratio = 0.1;
};
BOOST_DESCRIBE_STRUCT(tracing_settings, (), (sample_ratio))

// A listener for /health and /metrics alone, plain, for those who operate the service.
struct management_settings {
  std::string address = "0.0.0.0";
  std::uint16_t port = 9090;

  void check(config_check& problems) const;
};
BOOST_DESCRIBE_STRUCT(management_settings, (), (address, port))

enum class registration_mode : std::uint8_t { automatic, off };
BOOST_DESCRIBE_ENUM(registration_mode, automatic, off)

// Where other services are found, and how this one is found by them.
struct discovery_settings {
  secret_url registry{"memory:"};  // see discovery/registry.hpp
  secret token;                    // of consul
  registration_mode registration = registration_mode::automatic;
  std::string advertise;
  std::string zone;
  std::map<std::string, std::string> labels;
  std::chrono::milliseconds ttl = std::chrono::seconds{15};
  std::chrono::milliseconds http_check{};
  std::chrono::milliseconds remove_critical_after = std::chrono::minutes{10};

  void check(config_check& problems) const;
};
BOOST_DESCRIBE_STRUCT(discovery_settings, (),
                      (registry, token, registration, advertise, zone, labels, ttl, http_check, remove_critical_after))

// Of every program, whatever it listens on.
struct host_settings {
  std::uint16_t cores = 1;
  log_settings log;
  tracing_settings tracing;
  health_settings health;
  drain_settings drain;
  std::optional<management_settings> management;
  discovery_settings discovery;
  std::map<std::string, resilience::policy> policies;  // by name; SIGHUP reads them again
  std::string ready_file;

  void check(config_check& problems) const;
};
BOOST_DESCRIBE_STRUCT(host_settings, (),
                      (cores, log, tracing, health, drain, management, discovery, policies, ready_file))

// Of a program that is one service. A program of several derives from host_settings, and gives each its http_settings.
struct service_settings : host_settings {
  http_settings http;
};
BOOST_DESCRIBE_STRUCT(service_settings, (host_settings), (http))

}  // namespace weft::service

// What --help and the schema say.
template <>
struct weft::json::traits<weft::service::tls_settings> {
  static constexpr field_note fields[] = {
      {.member = "certificate", .description = "PEM file: the certificate and its intermediates; empty: no TLS"},
      {.member = "key", .description = "PEM file: the private key"},
      {.member = "client_authorities",
       .description = "PEM file: clients must show a certificate that one of these authorities signed"},
      {.member = "reload_interval",
       .description = "how often the files are looked at, and read again when they have changed; 0s: at SIGHUP alone"},
      {.member = "warn_before", .description = "the log warns each day when the certificate ends within this time"}};
};
template <>
struct weft::json::traits<weft::service::http_settings> {
  static constexpr field_note fields[] = {
      {.member = "address", .description = "where to listen: a literal address, or unix:/path"},
      {.member = "port", .description = "0 takes a free one"},
      {.member = "max_body_bytes", .description = "of a request's content; 413 beyond"},
      {.member = "max_connections", .description = "of each core; 503 beyond"},
      {.member = "max_connections_per_peer", .description = "from one address; 0: no limit"},
      {.member = "max_requests", .description = "answered at the same time, of each core; 0: no limit"},
      {.member = "max_requests_per_client",
       .description = "answered at the same time for one client's address, of each core; 429 beyond; 0: no limit"},
      {.member = "max_connection_requests",
       .description = "after so many a connection is closed with the response; 0: no limit"},
      {.member = "max_connection_age",
       .description = "a connection older than this is closed with its next response; 0s: no limit"},
      {.member = "min_body_bytes_per_second", .description = "of content that is waited for; 408 below; 0: no limit"},
      {.member = "trusted_proxies",
       .description = "networks (10.0.0.0/8) whose X-Forwarded-For or Forwarded names the client"},
      {.member = "head_timeout", .description = "for a request's head to arrive"},
      {.member = "body_timeout", .description = "between two pieces of content"},
      {.member = "idle_timeout", .description = "between two requests of a connection"},
      {.member = "request_timeout", .description = "the longest that a request may take, whatever its caller says"}};
};
template <>
struct weft::json::traits<weft::service::log_settings> {
  static constexpr field_note fields[] = {
      {.member = "format", .description = "automatic: pretty on a terminal, else JSON lines"}};
};
template <>
struct weft::json::traits<weft::service::tracing_settings> {
  static constexpr field_note fields[] = {
      {.member = "sample_ratio", .description = "share of the traces that begin here which are recorded, 0 to 1"}};
};
template <>
struct weft::json::traits<weft::service::health_settings> {
  static constexpr field_note fields[] = {
      {.member = "memory_limit_mib", .description = "unhealthy when the process is larger; 0: no limit"}};
};
template <>
struct weft::json::traits<weft::service::drain_settings> {
  static constexpr field_note fields[] = {
      {.member = "propagation_delay",
       .description = "how long requests are still taken after readiness failed, for balancers to notice"},
      {.member = "request_timeout", .description = "for requests in flight to end; then they are cut off"},
      {.member = "hook_timeout", .description = "for each step of deregistering and closing"}};
};
template <>
struct weft::json::traits<weft::service::discovery_settings> {
  static constexpr field_note fields[] = {
      {.member = "registry",
       .description = "memory: (this process), static:posts=host:port,..., dns:///?domain=..., or consul://host:port"},
      {.member = "token", .description = "of consul; best a reference, ${env:CONSUL_TOKEN}"},
      {.member = "registration", .description = "off: others do not find this service here"},
      {.member = "advertise",
       .description = "the host that others use; empty: where it listens, or this machine's name"},
      {.member = "zone", .description = "of this machine; callers prefer their own"},
      {.member = "labels", .description = "of this instance, as in {version: \"2\"}"},
      {.member = "ttl", .description = "without a heartbeat for so long it counts as critical; 0s: no heartbeats"},
      {.member = "http_check", .description = "the registry asks /health this often; 0s: it does not"},
      {.member = "remove_critical_after", .description = "critical for so long, it is removed; 0s: never"}};
};
template <>
struct weft::json::traits<weft::service::host_settings> {
  static constexpr field_note fields[] = {
      {.member = "policies", .description = "of calls to others, by name; SIGHUP reads them again"},
      {.member = "management", .description = "/health and /metrics listen here, and then nowhere else"},
      {.member = "cores", .description = "event loops, each on a thread of its own"},
      {.member = "ready_file",
       .description = "written once the service listens: its name, process and addresses as JSON"}};
};

// What others derive from has these as its fields: compiled once, in settings_json.cpp.
WEFT_JSON_DECLARE_CODEC(weft::service::tls_settings)
WEFT_JSON_DECLARE_CODEC(weft::service::http_settings)
WEFT_JSON_DECLARE_CODEC(weft::service::log_settings)
WEFT_JSON_DECLARE_CODEC(weft::service::health_settings)
WEFT_JSON_DECLARE_CODEC(weft::service::drain_settings)
WEFT_JSON_DECLARE_CODEC(weft::service::tracing_settings)
WEFT_JSON_DECLARE_CODEC(weft::service::management_settings)
WEFT_JSON_DECLARE_CODEC(weft::service::discovery_settings)
WEFT_JSON_DECLARE_CODEC(weft::service::service_settings)
