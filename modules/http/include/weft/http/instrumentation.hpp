#pragma once
// What every server wants to know about every request: trace, correlation id, metrics, a line in the log; and a handler
// that throws is answered 500 instead of ending the connection.
//
//     routes.use(instrument(loop, {.spans = &tracer, .metrics = &registry, .log = &log}));    // the first to be used
//
// The caller's traceparent is continued (W3C Trace Context) and its X-Correlation-ID kept, when they are valid; else
// both begin here. The request's context carries them, the response names the correlation id. Metrics are
// weft_http_server_requests_total{method,route,status}, weft_http_server_request_duration_seconds{method,route} and
// weft_http_server_requests_in_flight; the route is the pattern, so that paths do not multiply them. The time ends when
// the handler has answered, before streamed content; it is the clock's, so that a handler that computes without ever
// suspending shows how long. Log lines have the path without its query.
//
// A handler that holds up the loop delays everything else there: a turn of the loop that takes `stall_threshold` is
// counted in weft_http_server_stalls_total{route} and logged as a warning with the route, or with the routes that were
// under way when it could be any of them (the label is then "several").
//
// What the server refuses before there is a route (400, 413, 414, 431, 503, 505, ...) has a log line, the counter with
// the route "unmatched", and a correlation id through server_options::on_refused:
//
//     http::server server{loop, routes.as_handler(), {.on_refused = http::instrument_refusals(loop, instruments)}};
//
// Errors are made responses here, as they are by the server. Belongs to one loop, as its tracer does; the registry and
// the log may be shared. All of them outlive the handler.
#include <weft/http/message.hpp>
#include <weft/observe/log.hpp>
#include <weft/observe/metrics.hpp>
#include <weft/observe/span.hpp>
#include <weft/runtime/loop.hpp>

#include <chrono>
#include <functional>
#include <string>
#include <vector>

namespace weft::http {

// Null leaves that one out.
struct instruments {
  const observe::tracer* spans = nullptr;
  observe::registry* metrics = nullptr;
  const observe::logger* log = nullptr;
};

struct instrumentation_options {
  std::string correlation_header = "X-Correlation-ID";
  // Whether callers' trace positions are continued. At the edge, where anyone may send them, begin anew.
  enum class remote_traces : std::uint8_t { continued, restarted };
  remote_traces traces = remote_traces::continued;
  // Routes that answer without a log line and a span: the ones that machines ask every few seconds.
  std::vector<std::string> quiet_routes{"/health", "/health/live", "/health/ready", "/metrics"};
  duration stall_threshold = std::chrono::milliseconds{100};  // of a turn of the loop; duration::max(): never
};
[[nodiscard]] middleware instrument(loop& l, instruments with, instrumentation_options options = {});

// For server_options::on_refused.
[[nodiscard]] std::function<void(const request&, response&, std::string_view why)> instrument_refusals(
    loop& l, instruments with, instrumentation_options options = {});

// Only the last part: an exception becomes 500, and a log line with the trace id. `log` may be null.
[[nodiscard]] middleware catch_exceptions(const observe::logger* log);

// GET /metrics: the registry in Prometheus' text format.
[[nodiscard]] handler expose_metrics(const observe::registry& metrics);

}  // namespace weft::http
