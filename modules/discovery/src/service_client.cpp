#include <weft/base/saturating.hpp>
#include <weft/discovery/service_client.hpp>

#include <weft/http/limits.hpp>
#include <weft/observe/trace_context.hpp>
#include <weft/resilience/metrics.hpp>

namespace weft::discovery {

namespace {

cluster_options cluster_of(const service_client_options& o) {
  return {.service = o.service, .hosts = o.hosts, .check = o.check, .metrics = o.metrics, .on_event = {}};
}

// Content that can be read only once, lent to one attempt after another until somebody has read of it: a host that
// cannot be reached has not.
struct lent_content {
  http::body content;
  bool read = false;
};
class lent_source final : public http::body_source {
 public:
  explicit lent_source(std::shared_ptr<lent_content> c) : lent_{std::move(c)} {}
  task<result<std::string_view>> next() override {
    lent_->read = true;
    return lent_->content.next();
  }
  [[nodiscard]] std::optional<std::uint64_t> length() const override { return lent_->content.length(); }
  [[nodiscard]] const http::headers* trailers() const override { return &lent_->content.trailers(); }

 private:
  std::shared_ptr<lent_content> lent_;
};

// What stays the same from attempt to attempt.
struct one_call {
  http::request& prototype;
  service_call wanted;
  std::shared_ptr<lent_content> lent{};  // of streamed content
  std::vector<host_ptr> tried{};

  [[nodiscard]] http::request copy() const {
    http::request r{prototype.method(), prototype.target()};
    if (r.method() == http::method::other) r.set_method(prototype.method_name());
    r.headers = prototype.headers;
    r.content =
        lent ? http::body::stream(std::make_unique<lent_source>(lent)) : http::body::view(prototype.content.buffered());
    return r;
  }
};

bool ran_out_of_time(const resilience::outcome_view& o) {
  return o.code == errc::deadline_exceeded || o.status == 504 || o.status == 408;
}

}  // namespace

struct service_client::impl {
  impl(loop& l, registry& where, service_client_options o,
       std::unique_ptr<resilience::pipeline<http::response>> policies)
      : home{l},
        options{std::move(o)},
        hosts{l, where.watch(options.service), cluster_of(options)},
        wire{l, options.http},
        guard{std::move(policies)} {
    guard->set_breaker_scope(resilience::breaker_scope::call);
    if (options.metrics != nullptr) {
      counted.emplace(*options.metrics);
      guard->listen(*counted);
      calls = options.metrics->add_counter(
          "weft_client_calls_total", "Calls to other services by how they ended: the status, or the error's code.",
          {"service", "code"});
      took = options.metrics
                 ->add_histogram("weft_client_call_duration_seconds",
                                 "Time of calls to other services, all attempts and pauses included.", {"service"})
                 .with({options.service});
    }
  }

  task<result<http::response>> attempt(context ctx, resilience::attempt& a, one_call& call);
  task<result<>> dress(http::request& r, const context& ctx);
  task<result<>> wait_for_registry(const context& ctx);
  // What an attempt's outcome says about the host that was asked.
  resilience::outcome_view judge(const result<http::response>& answer, resilience::attempt& a, const context& ctx,
                                 duration given, duration took);
  void count(const result<http::response>& answer, duration elapsed) const;
  task<result<http::response>> exchange(context ctx, net::endpoint where, http::request r, answer_content wanted,
                                        resilience::attempt& a);

  loop& home;
  service_client_options options;
  cluster hosts;
  http::client wire;
  std::unique_ptr<resilience::pipeline<http::response>> guard;
  std::optional<resilience::policy_metrics> counted;
  observe::counter_family calls;
  observe::histogram took;
  duration slowest{};  // of late, of answers
};

// The first calls wait for the registry's first answer, for as long as they may take.
task<result<>> service_client::impl::wait_for_registry(const context& ctx) {
  if (hosts.registry().known) [[likely]]
    co_return result<>{};
  const auto bound = ctx.has_deadline() ? ctx : ctx.with_timeout(home, options.registry_timeout);
  if (auto waited = co_await hosts.ready(bound); !waited) co_return fail(waited.error().as_unprocessed());
  co_return result<>{};
}

void service_client::impl::count(const result<http::response>& answer, duration elapsed) const {
  if (options.metrics == nullptr) return;
  const auto code =
      answer ? std::to_string(http::to_int(answer->status)) : std::string{weft::to_string(answer.error().code())};
  calls.with({options.service, code}).add();
  took.record(elapsed);
}

resilience::outcome_view service_client::impl::judge(const result<http::response>& answer, resilience::attempt& a,
                                                     const context& ctx, duration given, duration took_it) {
  using resilience::deadline_kind;
  auto view = resilience::outcome_traits<http::response>::view(answer);
  if (view.verdict == resilience::verdict::success) slowest = std::max(saturating_multiply(slowest, 0.99), took_it);
  if (!ran_out_of_time(view) || !ctx.has_deadline()) return view;
  // The http client has a timeout of its own. Where callers alone say how long they wait, one that waited for a lot
  // longer than answers take of late has seen a host that does not answer.
  constexpr duration at_least = std::chrono::milliseconds{250};
  const auto enough = slowest > duration::zero()
                          ? std::min(std::max(saturating_multiply(slowest, 4), at_least), options.http.response_timeout)
                          : options.http.response_timeout;
  if (a.deadline() == deadline_kind::only && given >= enough) a.set_deadline(deadline_kind::own);
  if (a.deadline() != deadline_kind::own) {
    a.says_nothing();
    view.verdict = resilience::verdict::ignored;
  }
  return view;
}

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
  auto r = call.copy();
  if (auto dressed = co_await dress(r, ctx); !dressed) {
    a.refused_locally();
    co_return fail(std::move(dressed).error());
  }
  const auto began = home.now();
  const auto given = ctx.remaining(began);
  auto answer = co_await exchange(ctx, where, std::move(r), wanted.content, a);
  if (!answer && answer.error().unprocessed()) a.not_processed();
  if (call.lent && call.lent->read) a.commit();
  if (answer)
    if (const auto wait = http::retry_after(*answer, home.wall_now())) a.retry_after(*wait);
  const auto took_it = home.now() - began;
  const auto view = judge(answer, a, ctx, given, took_it);
  chosen->end(view, home.now(), took_it);
  // One instance is no service: the others decide what its failure means.
  if (view.verdict == resilience::verdict::failure && call.tried.size() == 1 &&
      hosts.hosts().others_answer(*chosen->where(), wanted.subset, home.now()))
    a.blame_peer();
  if (answer && answer->status == http::status::unauthorized && options.token != nullptr) options.token->forget();
  co_return answer;
}

service_client::service_client(loop& l, registry& where, service_client_options options,
                               std::unique_ptr<resilience::pipeline<http::response>> policies)
    : impl_{std::make_unique<impl>(l, where, std::move(options), std::move(policies))} {}

service_client::service_client(loop& l, registry& where, service_client_options options,
                               std::shared_ptr<resilience::policy_source> policies)
    : service_client{l, where, options,
                     std::make_unique<resilience::pipeline<http::response>>(l, std::move(policies))} {}

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
  const auto began = self.home.now();
  if (const auto whole = self.guard->whole_timeout(); whole != duration::max())
    ctx = ctx.with_deadline(later(began, whole));
  result<http::response> answer = fail(errc::internal);
  if (auto known = co_await self.wait_for_registry(ctx); !known) {
    answer = fail(std::move(known).error());
  } else {
    resilience::call_options options{.repeat = http::replay_of(r), .priority = call.priority, .record = call.record};
    one_call state{.prototype = r, .wanted = call};
    if (r.content.streamed())
      state.lent = std::make_shared<lent_content>(std::move(r.content));
    else if (r.content.buffered().size() > self.options.replay_bytes)
      options.repeat = resilience::replay::unsafe;  // once, unless it certainly was not taken
    answer = co_await self.guard->run(ctx, options, [&self, &state](const context& inner, resilience::attempt& a) {
      return self.attempt(inner, a, state);
    });
  }
  self.count(answer, self.home.now() - began);
  if (span.recording()) {
    if (call.record != nullptr)
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
