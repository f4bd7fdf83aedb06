#include <weft/base/saturating.hpp>
#include <weft/discovery/cluster.hpp>
#include <weft/runtime/backoff.hpp>
#include <weft/runtime/guarded.hpp>
#include <weft/runtime/sleep.hpp>
#include <weft/runtime/sync.hpp>
#include <weft/runtime/task_group.hpp>

#include <array>
#include <map>
#include <stdexcept>

namespace weft::discovery {
namespace {

// Handles are resolved once; without a registry of metrics they count nothing.
struct cluster_metrics {
  cluster_metrics() = default;
  cluster_metrics(observe::registry& r, const std::string& service) {
    const auto states = r.add_gauge("weft_discovery_hosts", "Instances of a service by state.", {"service", "state"});
    known = states.with({service, "known"});
    healthy = states.with({service, "healthy"});
    ejected = states.with({service, "ejected"});
    const auto picks =
        r.add_counter("weft_discovery_picks_total", "Picks of an instance by reason.", {"service", "reason"});
    for (std::size_t i = 0; i < by_reason.size(); ++i)
      by_reason[i] = picks.with({service, to_string(static_cast<pick_reason>(i))});
    nothing = picks.with({service, "none"});
    ejections =
        r.add_counter("weft_discovery_ejections_total", "Ejections of an instance by cause.", {"service", "cause"});
    const auto all_checks =
        r.add_counter("weft_discovery_health_checks_total", "Active health checks by result.", {"service", "result"});
    good_checks = all_checks.with({service, "good"});
    bad_checks = all_checks.with({service, "bad"});
    registry_failures = r.add_counter("weft_discovery_registry_failures_total",
                                      "Questions that the registry did not answer.", {"service"})
                            .with({service});
  }
  observe::gauge known, healthy, ejected;
  std::array<observe::counter, pick_reasons> by_reason;
  observe::counter nothing, good_checks, bad_checks, registry_failures;
  observe::counter_family ejections;
};

// A broken watch that fails at once must not take the loop; a good one waits by itself.
constexpr backoff_options pauses_after_failure{.initial = std::chrono::milliseconds{100},
                                               .max = std::chrono::seconds{5}};

}  // namespace

struct cluster::impl {
  impl(loop& l, std::unique_ptr<watch> w, cluster_options o)
      : home{l},
        options{std::move(o)},
        hosts{options.service, options.hosts, l.random()},
        source{std::move(w)},
        answered{l},
        work{l} {
    if (options.metrics != nullptr) metrics = cluster_metrics{*options.metrics, options.service};
    hosts.on_event = [this](const host_event& e) { happened(e); };
    if (options.check) prober.emplace(l, probe_client_options(*options.check));
  }

  void happened(const host_event& e) {
    if (e.cause && options.metrics != nullptr) metrics.ejections.with({options.service, to_string(*e.cause)}).add();
    if (e.what == host_event::kind::left) probes.erase(e.which.info.id);
    if (e.what == host_event::kind::joined) joined = true;
    count_states();
    if (options.on_event) options.on_event(e);  // guarded by host_set
  }

  void count_states() {
    if (options.metrics == nullptr) return;
    const auto c = hosts.count();
    metrics.known.set(static_cast<double>(c.known));
    metrics.healthy.set(static_cast<double>(c.healthy));
    metrics.ejected.set(static_cast<double>(c.ejected));
  }

  static task<void> follow(impl& self, context ctx) {
    backoff delays{pauses_after_failure};
    for (;;) {
      const auto ask = [&self, &ctx] { return self.source->next(ctx); };
      auto next = co_await guarded_await(ask);  // a watch may be anybody's
      if (!ctx.check(self.home.now())) co_return;
      if (!next) {
        self.metrics.registry_failures.add();
        self.state.current = false;
        self.state.trouble = std::move(next).error();
        if (!co_await sleep(self.home, ctx, delays.next(self.home.now(), self.home.random()))) co_return;
        continue;
      }
      delays.succeeded(self.home.now());
      self.state = {.known = true, .current = true, .last_answer = self.home.now()};
      self.hosts.update(*next, self.home.now());
      self.count_states();
      if (self.options.check && self.joined) self.start_probes();
      self.joined = false;
      self.answered.set();
    }
  }

  static task<void> sweep(impl& self, context ctx, duration interval) {
    while (co_await sleep(self.home, ctx, interval)) self.hosts.sweep(self.home.now());
  }

  // A group each, so that the checks of an instance end when it leaves.
  void start_probes() {
    for (const auto& h : hosts.hosts()) {
      auto& group = probes[h->info.id];
      if (group != nullptr) continue;
      group = std::make_unique<task_group>(home);
      if (options.check->initial == initial_health::unhealthy) hosts.check_failed(*h, "not checked yet");
      group->spawn(keep_probing(*this, h, group->derive(context{})));
    }
  }

  static task<void> keep_probing(impl& self, host_ptr h, context ctx) {
    const auto& check = *self.options.check;
    health_judge judge{check};
    // The first checks of many instances spread over a part of the interval.
    auto pause = self.jittered(duration::zero());
    while (co_await sleep(self.home, ctx, pause)) {
      auto good = co_await probe(self.home, ctx, *self.prober, check, h->info.where);
      if (!ctx.check(self.home.now())) co_return;
      (good ? self.metrics.good_checks : self.metrics.bad_checks).add();
      if (judge.report(good ? health_judge::answer::good : health_judge::answer::bad)) {
        if (judge.healthy())
          self.hosts.check_passed(*h, self.home.now());
        else
          self.hosts.check_failed(*h, good ? "" : good.error().describe());
      }
      pause = self.jittered(check.interval);
    }
  }

  duration jittered(duration base) {
    const auto& check = *options.check;
    return saturating_add(base, saturating_multiply(check.interval, check.jitter * home.random().uniform()));
  }

  loop& home;
  cluster_options options;
  cluster_metrics metrics;
  host_set hosts;
  std::unique_ptr<watch> source;
  registry_view state;
  event answered;
  bool joined = false;
  std::optional<http::client> prober;
  std::map<std::string, std::unique_ptr<task_group>> probes;  // by id
  task_group work;
};

cluster::cluster(loop& l, std::unique_ptr<watch> source, cluster_options options) {
  if (options.check)
    if (const auto good = options.check->validate(); !good)
      throw std::invalid_argument{options.service + ": check: " + good.error().describe()};
  impl_ = std::make_unique<impl>(l, std::move(source), std::move(options));
  const auto ctx = impl_->work.derive(context{});
  impl_->work.spawn(impl::follow(*impl_, ctx));
  if (impl_->options.hosts.outlier) impl_->work.spawn(impl::sweep(*impl_, ctx, impl_->options.hosts.outlier->interval));
}

cluster::~cluster() = default;

task<result<>> cluster::ready(context ctx) {
  while (!impl_->state.known) {
    auto waited = co_await impl_->answered.wait(ctx);
    if (waited) continue;
    auto problem = std::move(waited).error();
    problem = error{problem.code(), impl_->state.trouble
                                        ? "the registry has not answered: " + impl_->state.trouble->describe()
                                        : std::string{"the registry has not answered yet"}};
    co_return fail(problem.with_operation("finding " + impl_->options.service));
  }
  co_return result<>{};
}

result<picked> cluster::pick(const pick_request& request) {
  auto chosen = impl_->hosts.pick(request, impl_->home.now());
  if (chosen) [[likely]] {
    impl_->metrics.by_reason[static_cast<std::size_t>(chosen->reason())].add();
    return chosen;
  }
  impl_->metrics.nothing.add();
  if (chosen.error().code() != errc::unavailable || impl_->state.current) return chosen;
  return fail(error{errc::unavailable, impl_->options.service + ": " + describe()}.as_unprocessed());
}

const host_set& cluster::hosts() const noexcept { return impl_->hosts; }
const registry_view& cluster::registry() const noexcept { return impl_->state; }

std::string cluster::describe() const {
  const auto& s = impl_->state;
  auto text = impl_->hosts.describe();
  if (s.current) return text;
  text += "; registry: ";
  text += s.trouble ? s.trouble->describe() : "no answer yet";
  if (s.known) {
    const auto age = std::chrono::duration_cast<std::chrono::seconds>(time_between(s.last_answer, impl_->home.now()));
    text += " (last answer " + std::to_string(age.count()) + " s ago)";
  }
  return text;
}

}  // namespace weft::discovery
