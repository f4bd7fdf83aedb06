#include "listeners.hpp"

#include <weft/base/saturating.hpp>
#include <weft/http/limits.hpp>
#include <weft/net/tls.hpp>
#include <weft/observe/sampler.hpp>
#include <weft/runtime/guarded.hpp>

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
      cores_{process.cores},
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

result<> core_host::make_routes(const std::vector<listener_plan>& plans) {
  for (const auto& plan : plans) {
    made_routes made;
    if (takes_part_in(plan)) {
      made.around = around(plan);
      auto routes = guarded_call([&] { return plan.make ? plan.make(core_) : http::router{}; });
      if (!routes) return fail(std::move(routes).error().with_operation("making the routes of " + plan.name));
      // With what the host puts around them: an order that does nothing is refused here.
      auto checked = guarded_call([&] {
        routes->check_order(made.around);
        return routes->as_handler();
      });
      if (!checked) return fail(std::move(checked).error().with_operation("making the routes of " + plan.name));
      // This may be meant, since the server's limit is the operator's.
      const auto within = guarded_call([&] { routes->check_order({http::served_within(plan.at.max_body_bytes)}); });
      if (!within && core_.index == 0)
        log_.warning("a limit has no effect", {{"listener", plan.name}, {"problem", within.error().message()}});
      made.handle = *std::move(checked);
    }
    routes_.push_back(std::move(made));
  }
  return {};
}

result<> core_host::listen(std::vector<listener_plan>& plans, const endpoints& own) {
  auto routes = std::exchange(routes_, {});
  for (std::size_t i = 0; i < plans.size(); ++i) {
    if (!takes_part_in(plans[i])) continue;
    // The kernel would let both have the port, since each is to be shared with other cores.
    for (std::size_t j = 0; j < i; ++j)
      if (core_.index == 0 && plans[i].at.port != 0 && *plans[j].bound == address_of(plans[i].at))
        return fail(
            error{errc::already_exists, plans[j].name + " listens on " + plans[j].bound->to_string() + " already"}
                .with_operation("listening for " + plans[i].name)
                .with_remedy("give each listener a port of its own"));
    auto server = start(plans[i], std::move(routes.at(i)), own);
    if (!server) return fail(server.error().with_operation("listening for " + plans[i].name));
    servers_.push_back(*std::move(server));
  }
  stalls_.emplace(loop_, metrics_, log_);  // after those of the servers, which may know what it was
  return {};
}

// What the host puts around all routes.
std::vector<http::middleware> core_host::around(const listener_plan& plan) {
  return {http::instrument(loop_, instruments()),
          http::limit_time(loop_, {.longest = saturating_cast<duration>(plan.at.request_timeout)})};
}

result<std::unique_ptr<http::server>> core_host::start(listener_plan& plan, made_routes routes, const endpoints& own) {
  auto handle = std::move(routes.handle);
  if (plan.endpoints_here == endpoint_choice::served) handle = with_endpoints(own, std::move(handle));
  handle = http::wrap(std::move(handle), routes.around);
  http::server_options options{.max_body_bytes = plan.at.max_body_bytes,
                               .max_connections = plan.at.max_connections,
                               .max_connections_per_peer = plan.at.max_connections_per_peer,
                               .max_requests = plan.at.max_requests,
                               .max_requests_per_client = plan.at.max_requests_per_client,
                               .max_connection_requests = plan.at.max_connection_requests,
                               .max_connection_age = plan.at.max_connection_age > plan.at.max_connection_age.zero()
                                                         ? saturating_cast<duration>(plan.at.max_connection_age)
                                                         : duration::max(),
                               .head_timeout = saturating_cast<duration>(plan.at.head_timeout),
                               .body_timeout = saturating_cast<duration>(plan.at.body_timeout),
                               .min_body_bytes_per_second = plan.at.min_body_bytes_per_second,
                               .idle_timeout = saturating_cast<duration>(plan.at.idle_timeout),
                               .tls = plan.tls,
                               .trusted_proxies = plan.at.trusted_proxies};
  options.on_refused = http::instrument_refusals(loop_, instruments());
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
  WEFT_TRY_VOID(server->listen(at, {.share_port = cores_ > 1 && plan.runs_on == plan_cores::all}));
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
