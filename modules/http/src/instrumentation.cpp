#include <weft/http/instrumentation.hpp>
#include <weft/observe/correlation.hpp>
#include <weft/observe/trace_context.hpp>

#include "layer.hpp"
#include "stall_watch.hpp"

#include <weft/base/saturating.hpp>

#include <algorithm>
#include <exception>

namespace weft::http {

namespace {

struct instrumentation {
  loop* home;
  instruments with;
  instrumentation_options options;
  observe::counter_family requests;
  observe::histogram_family seconds;
  observe::gauge in_flight;
  std::shared_ptr<detail::stall_watch> stalls;
};

std::vector<std::string_view> values_of(const headers& h, std::string_view name) {
  std::vector<std::string_view> values;
  for (const auto& f : h)
    if (equal_ignoring_case(f.name, name)) values.push_back(f.value);
  return values;
}

context incoming_context(const instrumentation& self, const request& r) {
  auto ctx = observe::correlation::ensure(r.context(), r.headers.get(self.options.correlation_header).value_or(""),
                                          self.home->random());
  if (self.options.traces == instrumentation_options::remote_traces::restarted) return ctx;
  auto position = observe::extract(values_of(r.headers, observe::traceparent_header),
                                   values_of(r.headers, observe::tracestate_header));
  return position.valid() ? ctx.with_trace(std::move(position)) : ctx;
}

// Methods that are not registered would be as many label values as anyone likes.
std::string_view method_label(const request& r) { return r.method() == method::other ? "_OTHER" : r.method_name(); }
std::string_view route_label(const request& r) { return r.route().empty() ? "unmatched" : r.route(); }

void report_exception(const observe::logger* log, const request& r, std::string_view what) {
  if (log != nullptr)
    log->error(r.context(), "the handler threw",
               {{"method", method_label(r)}, {"route", route_label(r)}, {"exception", what}});
}

task<result<response>> guarded(const handler& inner, const observe::logger* log, request& r) {
  try {
    co_return co_await inner(r);
  } catch (const std::exception& e) {
    report_exception(log, r, e.what());
  } catch (...) {
    report_exception(log, r, "not a std::exception");
  }
  co_return fail(errc::internal, "the handler threw");
}

class counted_in {
 public:
  explicit counted_in(observe::gauge g) : gauge_{g} { gauge_.add(); }
  ~counted_in() { gauge_.subtract(); }
  counted_in(const counted_in&) = delete;
  counted_in& operator=(const counted_in&) = delete;

 private:
  observe::gauge gauge_;
};

void describe(observe::span& span, const request& r, const error* problem, status s) {
  if (!span.recording()) return;
  span.rename(std::string{method_label(r)} + (r.route().empty() ? "" : " " + std::string{r.route()}));
  span.set("http.request.method", r.method_name());
  if (!r.route().empty()) span.set("http.route", r.route());
  span.set("url.path", r.raw_path());
  span.set("http.response.status_code", to_int(s));
  if (problem != nullptr && to_int(s) >= 500)
    span.fail(*problem);
  else if (to_int(s) >= 500)
    span.set_status(observe::span_status::error);
}

// What is known of every request, refused or not.
// What passes by itself is a warning; what stays until somebody does something is an error: a bug, a full disk.
observe::log_level level_of(status s) {
  if (s == status::internal_server_error || s == status::insufficient_storage) return observe::log_level::error;
  return to_int(s) >= 500 ? observe::log_level::warning : observe::log_level::info;
}

void log_line(const observe::logger& log, const context& ctx, const request& r, status s,
              std::initializer_list<observe::field> more) {
  const auto level = level_of(s);
  if (!log.enabled(level)) return;
  const auto client = r.client().host();
  std::vector<observe::field> fields{
      {"method", r.method_name()}, {"path", r.raw_path()}, {"route", route_label(r)}, {"status", to_int(s)}};
  fields.insert(fields.end(), more);
  if (!client.empty()) fields.push_back({"peer", client});
  if (const auto agent = r.headers.get("user-agent")) fields.push_back({"user_agent", *agent});
  log.write(level, ctx, "request", fields);
}

void log_answer(const observe::logger& log, const request& r, const response& answer, const error* problem,
                duration took) {
  const observe::field time{"duration_ms", std::chrono::duration<double, std::milli>(took).count()};
  const auto bytes = answer.content.length();
  if (problem != nullptr)
    log_line(log, r.context(), r, answer.status, {time, {"error", problem->message()}});
  else if (bytes)
    log_line(log, r.context(), r, answer.status, {time, {"bytes", *bytes}});
  else
    log_line(log, r.context(), r, answer.status, {time});
}

task<result<response>> observed(const detail::layer<instrumentation>& layer, request& r) {
  const auto& self = layer.options;
  const auto started = self.home->clock();
  const counted_in flying{self.in_flight};
  const detail::stall_watch::active under_way{*self.stalls, r};
  auto ctx = incoming_context(self, r);
  const auto is_quiet = [&](std::string_view path) {
    return std::ranges::find(self.options.quiet_routes, path) != self.options.quiet_routes.end();
  };
  observe::span span;
  if (self.with.spans != nullptr && !is_quiet(r.raw_path())) {
    span = self.with.spans->start(ctx, method_label(r), {.kind = observe::span_kind::server});
    ctx = span.ctx();
  }
  r.set_context(std::move(ctx));

  auto answer = co_await guarded(layer.inner, self.with.log, r);
  std::optional<error> failure;
  if (!answer) {
    failure = answer.error();
    answer = response::from(*failure, r);
  }
  const auto* problem = failure ? &*failure : nullptr;
  const auto s = answer->status;
  const auto took = time_between(started, self.home->clock());
  if (self.with.metrics != nullptr) {
    self.requests.with({method_label(r), route_label(r), std::to_string(to_int(s))}).add();
    self.seconds.with({method_label(r), route_label(r)}).record(took);
  }
  describe(span, r, problem, s);
  if (self.with.log != nullptr && (to_int(s) >= 500 || !is_quiet(route_label(r))))
    log_answer(*self.with.log, r, *answer, problem, took);
  answer->headers.set(self.options.correlation_header, r.context().correlation_id());
  co_return answer;
}

void refused(const instrumentation& self, const request& r, response& answer, std::string_view why) {
  const auto ctx = incoming_context(self, r);
  if (self.with.metrics != nullptr)
    self.requests.with({method_label(r), route_label(r), std::to_string(to_int(answer.status))}).add();
  if (self.with.log != nullptr) log_line(*self.with.log, ctx, r, answer.status, {{"refused", why}});
  answer.headers.set(self.options.correlation_header, ctx.correlation_id());
}

observe::counter_family request_counter(observe::registry& m) {
  return m.add_counter("weft_http_server_requests_total", "Requests that were answered.",
                       {"method", "route", "status"});
}

task<result<response>> caught(const detail::layer<const observe::logger*>& self, request& r) {
  return guarded(self.inner, self.options, r);
}

task<result<response>> exposition(const observe::registry& metrics) {
  response r{status::ok, metrics.expose()};
  r.headers.add_view("Content-Type", observe::registry::content_type);
  co_return r;
}

}  // namespace

middleware instrument(loop& l, instruments with, instrumentation_options options) {
  instrumentation self{.home = &l,
                       .with = with,
                       .options = std::move(options),
                       .requests = {},
                       .seconds = {},
                       .in_flight = {},
                       .stalls = {}};
  if (auto* m = with.metrics; m != nullptr) {
    self.requests = request_counter(*m);
    self.seconds = m->add_histogram("weft_http_server_request_duration_seconds",
                                    "Time from a request's head to its answer.", {"method", "route"});
    self.in_flight = m->add_gauge("weft_http_server_requests_in_flight", "Requests that are being answered.");
  }
  self.stalls = std::make_shared<detail::stall_watch>(l, self.options.stall_threshold, with.metrics, with.log);
  return detail::make_middleware("instrument", std::move(self), observed);
}

std::function<void(const request&, response&, std::string_view)> instrument_refusals(loop& l, instruments with,
                                                                                     instrumentation_options options) {
  const auto self = std::make_shared<instrumentation>(instrumentation{.home = &l,
                                                                      .with = with,
                                                                      .options = std::move(options),
                                                                      .requests = {},
                                                                      .seconds = {},
                                                                      .in_flight = {},
                                                                      .stalls = {}});
  if (with.metrics != nullptr) self->requests = request_counter(*with.metrics);
  return [self](const request& r, response& answer, std::string_view why) { refused(*self, r, answer, why); };
}

middleware catch_exceptions(const observe::logger* log) {
  return detail::make_middleware("catch_exceptions", log, caught);
}

handler expose_metrics(const observe::registry& metrics) {
  return [&metrics](request&) { return exposition(metrics); };
}

}  // namespace weft::http
