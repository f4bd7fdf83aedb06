#include <weft/discovery/service_client.hpp>

#include <weft/http/limits.hpp>
#include <weft/observe/trace_context.hpp>
#include <weft/resilience/metrics.hpp>

namespace weft::discovery {

namespace {

cluster_options cluster_of(const service_client_options& o) {
  return {.service = o.service, .hosts = o.hosts, .check = o.check, .metrics = o.metrics, .on_event = {}};
}

// What stays the same from attempt to attempt.
struct one_call {
  http::request& prototype;
  service_call wanted;
  bool replayable;
  std::vector<host_ptr> tried{};
};

}  // namespace

struct service_client::impl {
  impl(loop& l, registry& where, service_client_options o,
       std::unique_ptr<resilience::pipeline<http::response>> policies)
      : home{l},
        options{std::move(o)},
        hosts{l, where.watch(options.service), cluster_of(options)},
        wire{l, options.http},
        guard{std::move(policies)} {
    if (options.metrics != nullptr) {
      counted.emplace(*options.metrics);
      guard->listen(*counted);
    }
  }

  task<result<http::response>> attempt(context ctx, resilience::attempt& a, one_call& call);
  task<result<>> dress(http::request& r, const context& ctx);
  task<result<http::response>> exchange(context ctx, net::endpoint where, http::request r, answer_content wanted,
                                        resilience::attempt& a);

  loop& home;
  service_client_options options;
  cluster hosts;
  http::client wire;
  std::unique_ptr<resilience::pipeline<http::response>> guard;
  std::optional<resilience::policy_metrics> counted;
};

// Puts on what every call carries.
task<result<>> service_client::impl::dress(http::request& r, const context& ctx) {
  if (!options.caller.empty()) r.headers.set("X-Service-Name", options.caller);
  if (!ctx.correlation_id().empty()) r.headers.set("X-Correlation-ID", ctx.correlation_id());
  if (ctx.trace().valid()) {
    const auto trace = observe::inject(ctx.trace());
    r.headers.set("traceparent", trace.traceparent);
    if (!trace.tracestate.empty()) r.headers.set("tracestate", trace.tracestate);
  }
  if (options.token != nullptr && !r.headers.contains("authorization")) {
    WEFT_CO_TRY(const auto authorization, co_await options.token->authorization(ctx));
    r.headers.set("Authorization", authorization);
  }
  co_return http::send_timeout(r, ctx, home.now());
}

task<result<http::response>> service_client::impl::exchange(context ctx, net::endpoint where, http::request r,
                                                            answer_content wanted, resilience::attempt& a) {
  const auto peer = where.authority();
  auto answer = co_await wire.send_to(std::move(ctx), std::move(where), std::move(r));
  if (!answer || wanted == answer_content::streamed) co_return answer;
  auto content = co_await answer->content.text(options.content_limit);
  if (content) co_return answer;
  auto problem = std::move(content).error().with_operation("reading the answer's content").with_peer(peer);
  if (answer->content.exceeded_limit()) {
    a.commit();  // another instance would send as much
    problem = std::move(problem).with_remedy("raise service_client_options::content_limit, or stream it by send()");
  }
  co_return fail(std::move(problem));
}

task<result<http::response>> service_client::impl::attempt(context ctx, resilience::attempt& a, one_call& call) {
  const auto& wanted = call.wanted;
  auto chosen = hosts.pick({.subset = wanted.subset,
                            .key = wanted.key.empty() ? std::nullopt : std::optional{stable_hash(wanted.key)},
                            .tried = call.tried});
  if (!chosen) {
    a.refused_locally();
    co_return fail(std::move(chosen).error());
  }
  const auto where = chosen->target().where;
  call.tried.push_back(chosen->where());
  a.set_peer(where.authority());
  http::request r{call.prototype.method(), call.prototype.target(),
                  http::body::view(call.prototype.content.buffered())};
  if (r.method() == http::method::other) r.set_method(call.prototype.method_name());
  r.headers = call.prototype.headers;
  if (auto dressed = co_await dress(r, ctx); !dressed) {
    a.refused_locally();
    co_return fail(std::move(dressed).error());
  }
  if (!call.replayable) {
    a.commit();
    r.content = std::move(call.prototype.content);  // it goes with the only attempt there is
  }
  const auto began = home.now();
  auto answer = co_await exchange(ctx, where, std::move(r), wanted.content, a);
  if (!answer && answer.error().unprocessed()) a.not_processed();
  if (answer)
    if (const auto wait = http::retry_after(*answer, home.wall_now())) a.retry_after(*wait);
  chosen->end(resilience::outcome_traits<http::response>::view(answer), home.now(), home.now() - began);
  if (answer && answer->status == http::status::unauthorized && options.token != nullptr) options.token->forget();
  co_return answer;
}

service_client::service_client(loop& l, registry& where, service_client_options options,
                               std::unique_ptr<resilience::pipeline<http::response>> policies)
    : impl_{std::make_unique<impl>(l, where, std::move(options), std::move(policies))} {}

service_client::service_client(loop& l, registry& where, service_client_options options,
                               std::shared_ptr<resilience::policy_source> policies)
    : service_client{l, where, options,
                     policies ? std::make_unique<resilience::pipeline<http::response>>(l, std::move(policies))
                              : std::make_unique<resilience::pipeline<http::response>>(l, options.service)} {}

service_client::~service_client() = default;

task<result<>> service_client::ready(context ctx) { return impl_->hosts.ready(std::move(ctx)); }
const cluster& service_client::instances() const noexcept { return impl_->hosts; }
const resilience::pipeline<http::response>& service_client::policies() const noexcept { return *impl_->guard; }
const service_client_options& service_client::options() const noexcept { return impl_->options; }
http::client_stats service_client::connections() const noexcept { return impl_->wire.stats(); }

task<result<http::response>> service_client::send(context ctx, http::request r, service_call call) {
  auto& self = *impl_;
  observe::span span;
  resilience::decision_record own_record;
  if (self.options.tracer != nullptr) {
    span = self.options.tracer->start(
        ctx, std::string{r.method_name()} + " " + self.options.service,
        {.kind = observe::span_kind::client,
         .attributes = {{"http.request.method", std::string{r.method_name()}}, {"peer.service", self.options.service}},
         .links = {}});
    ctx = span.ctx();
    if (call.record == nullptr && span.recording()) call.record = &own_record;
  }
  one_call state{.prototype = r,
                 .wanted = call,
                 .replayable = !r.content.streamed() && r.content.buffered().size() <= self.options.replay_bytes};
  resilience::call_options options{.repeat = http::replay_of(r), .priority = call.priority, .record = call.record};
  auto answer =
      co_await self.guard->run(ctx, options, [&self, &state](const context& attempt_ctx, resilience::attempt& a) {
        return self.attempt(attempt_ctx, a, state);
      });
  if (span.recording()) {
    for (const auto& d : call.record->entries()) span.add_event(d.describe());
    if (answer)
      span.set("http.response.status_code", http::to_int(answer->status));
    else
      span.fail(answer.error());
  }
  co_return answer;
}

task<result<http::response>> service_client::post_json(context ctx, std::string path, std::string json,
                                                       service_call call) {
  http::request r{http::method::post, path, std::move(json)};
  r.headers.add_view("Content-Type", "application/json");
  call.content = answer_content::whole;
  return send(std::move(ctx), std::move(r), call);
}

}  // namespace weft::discovery
