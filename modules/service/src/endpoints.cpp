#include "endpoints.hpp"

namespace weft::service {

namespace {

http::response status_line(std::string_view status, http::status code) {
  return http::response::json_text("{\"status\":\"" + std::string{status} + "\"}", code);
}

task<result<http::response>> show_life() { co_return status_line("alive", http::status::ok); }

}  // namespace

task<void> host_endpoints::answer(callback_result<health_report> done) {
  done(co_await health_.run(context::background()));
}

task<health_report> host_endpoints::ask(loop& asking) {
  if (&asking == &first_) co_return co_await health_.run(context::background());
  auto start = [this](callback_result<health_report> done) {
    first_.post([this, to = std::move(done)]() mutable { asked_.spawn(answer(std::move(to))); });
  };
  auto [report] = co_await from_callback<health_report>(asking, std::move(start));
  co_return report;
}

task<result<http::response>> host_endpoints::show_health(loop& on) {
  auto report = co_await ask(on);
  if (!drain_.ready()) {
    report.healthy = false;
    report.lines.push_back({.name = "serving", .problem = "the service is draining"});
  }
  co_return http::response::json_text(report.to_json(on.wall_now()),
                                      report.healthy ? http::status::ok : http::status::service_unavailable);
}

task<result<http::response>> host_endpoints::show_readiness(loop& on) {
  if (!drain_.ready()) co_return status_line("draining", http::status::service_unavailable);
  const auto report = co_await ask(on);
  co_return report.healthy ? status_line("ready", http::status::ok)
                           : status_line("unhealthy", http::status::service_unavailable);
}

endpoints host_endpoints::on(loop& l) {
  return {.health = [this, &l](http::request&) { return show_health(l); },
          .live = [](http::request&) { return show_life(); },
          .ready = [this, &l](http::request&) { return show_readiness(l); },
          .metrics = http::expose_metrics(metrics_)};
}

}  // namespace weft::service
