#include "listeners.hpp"

#include <weft/http/limits.hpp>
#include <weft/net/tls.hpp>
#include <weft/observe/sampler.hpp>

namespace weft::service {

loop_stalls::loop_stalls(loop& l, observe::registry& metrics, const observe::logger& log)
    : turn_observer{l, std::chrono::milliseconds{100}},
      seconds_{metrics.add_histogram("weft_loop_stall_seconds", "Turns of a loop that took 100 ms or more.")},
      log_{log} {}

void loop_stalls::observe(slow_turn& turn) {
  seconds_.record(turn.took);
  if (std::exchange(turn.explained, true)) return;
  log_.warning("the loop stood still", {{"duration_ms", std::chrono::duration<double, std::milli>(turn.took).count()}});
}

core_host::core_host(loop& l, unsigned index, const environment& process, std::unique_ptr<observe::span_sink> spans,
                     std::unique_ptr<discovery::registry> registry)
    : loop_{l},
      log_{process.log.on(l)},
      metrics_{process.metrics},
      registry_{std::move(registry)},
      sink_{std::move(spans)},
      tracer_{
          l,
          *sink_,
          {.service = process.service, .policy = observe::parent_based(observe::ratio_sampler(process.sample_ratio))}},
      core_{l, index, log_, tracer_, metrics_, *registry_, process.policies},
      tasks_{l} {}

void core_host::make_routes(const std::vector<listener_plan>& plans) {
  for (const auto& plan : plans)
    routes_.push_back(plan.make ? plan.make(core_).as_handler() : http::router{}.as_handler());
}

result<> core_host::listen(std::vector<listener_plan>& plans, const endpoints& own) {
  auto routes = std::exchange(routes_, {});
  for (std::size_t i = 0; i < plans.size(); ++i) {
    auto server = start(plans[i], std::move(routes.at(i)), own);
    if (!server) return fail(server.error().with_operation("listening for " + plans[i].name));
    servers_.push_back(*std::move(server));
  }
  stalls_.emplace(loop_, metrics_, log_);  // after those of the servers, which may know what it was
  return {};
}

result<std::unique_ptr<http::server>> core_host::start(listener_plan& plan, http::handler handle,
                                                       const endpoints& own) {
  if (plan.endpoints_here == endpoint_choice::served) handle = with_endpoints(own, std::move(handle));
  const http::instruments instruments{.spans = &tracer_, .metrics = &metrics_, .log = &log_};
  handle = http::wrap(std::move(handle), {http::instrument(loop_, instruments),
                                          http::limit_time(loop_, {.longest = plan.at.request_timeout})});
  http::server_options options{.max_body_bytes = plan.at.max_body_bytes,
                               .max_connections = plan.at.max_connections,
                               .max_connections_per_peer = plan.at.max_connections_per_peer,
                               .max_requests = plan.at.max_requests,
                               .max_requests_per_client = plan.at.max_requests_per_client,
                               .max_connection_requests = plan.at.max_connection_requests,
                               .max_connection_age = plan.at.max_connection_age > duration::zero()
                                                         ? duration{plan.at.max_connection_age}
                                                         : duration::max(),
                               .head_timeout = plan.at.head_timeout,
                               .body_timeout = plan.at.body_timeout,
                               .min_body_bytes_per_second = plan.at.min_body_bytes_per_second,
                               .idle_timeout = plan.at.idle_timeout,
                               .tls = plan.tls,
                               .trusted_proxies = plan.at.trusted_proxies};
  options.on_refused = http::instrument_refusals(loop_, instruments);
  options.on_problem = [this](const http::request& r, std::string_view what) {
    log_.warning(r.context(), "an answer broke off", {{"path", r.raw_path()}, {"problem", what}});
  };
  auto server = std::make_unique<http::server>(loop_, std::move(handle), std::move(options));
  address at;
  if (plan.bound) {
    at = *plan.bound;
  } else {
    WEFT_TRY(at, address_of(plan.at));
  }
  WEFT_TRY_VOID(server->listen(at, {.share_port = plan.port == port_sharing::shared}));
  if (!plan.bound) plan.bound = server->local();
  return server;
}

void core_host::start_draining() {
  for (const auto& server : servers_) server->start_draining();
}

task<void> core_host::drain(duration patience) {
  task_group all{loop_};
  for (const auto& server : servers_) all.spawn(server->drain(patience));
  co_await all.join();
}

http::handler with_endpoints(const endpoints& own, http::handler routes) {
  http::router router;
  router.get("/health", own.health);
  router.get("/health/live", own.live);
  router.get("/health/ready", own.ready);
  router.get("/metrics", own.metrics);
  return [host = router.as_handler(), inner = std::move(routes)](http::request& r) {
    const auto path = r.raw_path();
    const bool mine = path.starts_with("/health") || path == "/metrics";
    if (mine && (path == "/health" || path == "/health/live" || path == "/health/ready" || path == "/metrics"))
      return host(r);
    return inner(r);
  };
}

result<address> address_of(const http_settings& settings) {
  if (settings.address.starts_with("unix:")) return address::parse(settings.address);
  return address::parse_host(settings.address, settings.port);
}

result<std::optional<net::tls_context>> tls_of(const http_settings& settings) {
  const auto& tls = settings.tls;
  if (tls.certificate.empty()) return std::nullopt;
  net::tls_options options{.identities = {{net::pem::file(tls.certificate), net::pem::file(tls.key)}},
                           .alpn = {"http/1.1"}};
  if (!tls.client_authorities.empty()) {
    options.authorities = net::pem::file(tls.client_authorities);
    options.clients = net::client_certificates::required;
  }
  WEFT_TRY(auto made, net::tls_context::server(std::move(options)));
  return std::optional{std::move(made)};
}

}  // namespace weft::service
