#include "application_impl.hpp"
#include "ready_file.hpp"

#include <weft/runtime/guarded.hpp>

#include <unistd.h>
#include <algorithm>
#include <csignal>
#include <cstdio>
#include <stdexcept>

namespace weft::service {

namespace {

// From now on the kernel handles the signal: it ends the process, whatever the loop is busy with.
void restore_default(int number) {
  std::signal(number, SIG_DFL);
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, number);
  ::pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
}

}  // namespace

std::string bound_listener::url() const {
  if (at.type() == address::kind::unix_path) return at.to_string();
  auto shown = at;
  if (at == address::any(at.port())) shown = address::loopback(at.port());
  if (at.type() == address::kind::ip6 && at.bytes() == std::array<std::uint8_t, 16>{})
    shown = *address::parse_host("::1", at.port());
  return (encrypted ? "https://" : "http://") + shown.to_string();
}

application::impl::impl(program_options p, const host_settings& s)
    : program{std::move(p)},
      settings{s},
      of_process{metrics, program.name, program.version},
      output{observe::make_log_output({.format = settings.log.format, .metrics = &metrics})},
      all{{.count = settings.cores}},
      log{all.at(0), output, {.service = program.name, .level = settings.log.level, .metrics = &metrics}},
      health{all.at(0),
             [this](std::string_view check, std::string_view thrown) {
               log.error("a health check threw an exception", {{"check", check}, {"exception", thrown}});
             }},
      policies{{settings.policies}},
      drain{all.at(0), settings.drain,
            [this](drain_phase phase, std::string_view problem) { report_phase(phase, problem); }},
      own_endpoints{all.at(0), health, drain, metrics},
      make_spans{[](weft::loop&) { return std::make_unique<observe::memory_spans>(); }},
      stopping{all.at(0)},
      starting{all.at(0)},
      reloaded{all.at(0)} {
  reloaded.set();
  reloads.emplace(all.at(0));
  health.add("memory", memory_check(std::uint64_t{settings.health.memory_limit_mib} << 20));
  for (unsigned i = 1; i < all.size(); ++i) others.push_back(std::make_unique<other_core>(all.at(i)));
  policies.on_breaker_change([this](const resilience::breaker_event& e) { report_breaker(e); });
  policies.measure(metrics);
  for (const auto& found : resilience::lint(resilience::policies{settings.policies}))
    if (found.severity == resilience::severity::warning) log.warning("configuration", {{"problem", found.describe()}});
  drain.on_deregister("registry", [this](context ctx) { return registration->leave(std::move(ctx)); });
}

// Any core's thread; the log belongs to the first one's.
void application::impl::report_breaker(const resilience::breaker_event& e) {
  all.at(0).post([this, name = std::string{e.name}, from = e.from, to = e.to, why = e.cause.describe()] {
    log.warning("circuit breaker", {{"policy", name}, {"from", to_string(from)}, {"to", to_string(to)}, {"why", why}});
  });
}

void application::impl::report_phase(drain_phase phase, std::string_view problem) const {
  if (problem.empty())
    log.info("drain", {{"phase", to_string(phase)}});
  else
    log.warning("a step of the drain failed", {{"phase", to_string(phase)}, {"problem", problem}});
}

result<> application::impl::prepare() {
  if (settings.management) {
    for (auto& plan : plans) plan.endpoints_here = endpoint_choice::elsewhere;
    plans.push_back({.name = "management",
                     .at = {.address = settings.management->address, .port = settings.management->port},
                     .registration = registration_mode::off});
  }
  for (auto& plan : plans) {
    // A Unix socket's file has one listener.
    if (plan.at.address.starts_with("unix:")) plan.runs_on = plan_cores::first;
    if (all.size() > 1 && plan.runs_on == plan_cores::first)
      log.info("this listener runs on core 0 alone",
               {{"name", plan.name},
                {"cores", settings.cores},
                {"remedy", "for all cores give serve() a function that makes the routes, and a port"}});
    auto made = tls_of(plan.at);
    if (!made) return fail(made.error().with_operation("TLS for " + plan.name));
    plan.tls = *std::move(made);
  }
  return handle_signals();
}

result<> application::impl::handle_signals() {
  std::signal(SIGPIPE, SIG_IGN);
  for (const int number : {SIGINT, SIGTERM}) {
    WEFT_TRY_VOID(all.at(0).on_signal(number, [this](int got) {
      log.info("stopping", {{"signal", got == SIGINT ? "SIGINT" : "SIGTERM"}, {"again", "ends at once"}});
      restore_default(SIGINT);
      restore_default(SIGTERM);
      begin_stop();
    }));
  }
  if (!reload_hooks.empty() || reread || has_certificates())
    WEFT_TRY_VOID(all.at(0).on_signal(SIGHUP, [this](int) { reload(); }));
  return {};
}

bool application::impl::has_certificates() const {
  return std::ranges::any_of(plans, [](const listener_plan& plan) { return plan.tls.has_value(); });
}

void application::impl::begin_stop() {
  starting.cancel();
  for (unsigned i = 1; i < all.size(); ++i) all.at(i).post([&other = *others[i - 1]] { other.starting.cancel(); });
  stopping.set();
}

task<void> application::impl::run_core(weft::loop&, unsigned index) {
  return index == 0 ? run_first() : run_other(index);
}

task<void> application::impl::run_first() {
  std::unique_ptr<core_host> host;
  if (auto made = make_host(0))
    host = *std::move(made);
  else
    outcome = fail(std::move(made).error());
  if (outcome) outcome = co_await open_first(*host);
  if (!outcome) {
    co_await drain.close();  // what was opened already
    if (stopping.is_set()) {
      log.info("stopped before it was ready");
      outcome = {};
    }
  } else {
    co_await serve_until_stopped(*host);
  }
  all.stop();
}

task<void> application::impl::serve_until_stopped(core_host& host) {
  drain.add({.start_draining = [&host] { host.start_draining(); },
             .drain = [&host](duration timeout) { return host.drain(timeout); }});
  for (unsigned i = 1; i < all.size(); ++i) add_to_drain(i);
  registration.emplace(all.at(0), host.as_core().registry, settings.discovery, log);
  for (const auto& plan : plans)
    if (plan.registration == registration_mode::automatic)
      registration->add({plan.name, *plan.bound, plan.tls.has_value()}, plan.endpoints_here);
  if (registration->expected()) registration->show_in(health);
  tls.emplace(all.at(0), log, metrics);
  for (const auto& plan : plans)
    if (plan.tls) tls->add(plan.name, plan.at.tls, *plan.tls);
  // What the registry did not hear at the drain's beginning, it may at its end.
  drain.on_close("registry", [this](context ctx) { return registration->leave(std::move(ctx)); });
  report_ready();
  registration->start();
  (void)co_await stopping.wait(context::background());
  co_await drain.run();
  co_await end_reloads();
  registration.reset();
}

// One that throws is a program that does not start.
result<> application::impl::call_ready_hooks(const std::vector<bound_listener>& bound) const {
  for (const auto& hook : ready_hooks) WEFT_TRY_VOID(guarded_call([&] { hook(bound); }));
  return {};
}

void application::impl::report_ready() {
  std::vector<bound_listener> bound;
  for (const auto& plan : plans) bound.push_back({plan.name, *plan.bound, plan.tls.has_value()});
  for (std::size_t i = 0; i < bound.size(); ++i)
    log.info("listening", {{"name", bound[i].name},
                           {"url", bound[i].url()},
                           {"pid", static_cast<std::int64_t>(::getpid())},
                           {"cores", plans[i].runs_on == plan_cores::all ? settings.cores : std::uint16_t{1}},
                           {"stop", "Ctrl-C or SIGTERM drains, a second one ends at once"}});
  if (auto called = call_ready_hooks(bound); !called) {
    outcome = fail(std::move(called).error().with_operation("a ready hook"));
    return begin_stop();
  }
  if (settings.ready_file.empty()) return;
  if (const auto written = write_ready_file(settings.ready_file, program.name, bound); !written)
    log.error("the ready file was not written", {{"problem", written.error().message()}});
}

application::application(program_options program, int argc, const char* const* argv)
    : application{program, load_or_exit<service_settings>(program, argc, argv)} {}

application::application(program_options program, const host_settings& settings, std::optional<http_settings> http,
                         const std::vector<std::string>& warnings)
    : impl_{std::make_unique<impl>(std::move(program), settings)} {
  impl_->http = std::move(http);
  for (const auto& warning : warnings) impl_->log.warning("configuration", {{"problem", warning}});
}

application::~application() = default;

const host_settings& application::settings() const noexcept { return impl_->settings; }
weft::loop& application::loop() noexcept { return impl_->all.at(0); }
const observe::logger& application::log() const noexcept { return impl_->log; }
observe::registry& application::metrics() noexcept { return impl_->metrics; }
health_checks& application::health() noexcept { return impl_->health; }
resilience::policy_set& application::policies() noexcept { return impl_->policies; }

void application::serve(http::router routes, listener_options options) {
  serve([made = std::move(routes)](core&) { return made; }, std::move(options));
  impl_->plans.back().runs_on = plan_cores::first;
}

void application::serve(routes_for_core make, listener_options options) {
  if (!options.at) options.at = impl_->http;
  if (!options.at) throw std::invalid_argument{"nothing says where to listen: pass listener_options::at"};
  impl_->plans.push_back({.name = options.name.empty() ? impl_->program.name : std::move(options.name),
                          .at = *std::move(options.at),
                          .make = std::move(make),
                          .registration = options.registration});
}

void application::on_start(std::string name, start_hook hook) {
  auto* other = impl_->calling_core();
  if (other != nullptr ? other->has_started : impl_->has_started)
    throw std::logic_error{"on_start(" + name + "): the start is over, and the hook would never run"};
  (other != nullptr ? other->start_hooks : impl_->start_hooks).push_back({std::move(name), std::move(hook)});
}
void application::on_start_of_each_core(std::string name, core_start_hook hook) {
  impl_->core_start_hooks.push_back({std::move(name), std::move(hook)});
}
void application::on_ready(std::function<void(const std::vector<bound_listener>&)> hook) {
  impl_->ready_hooks.push_back(std::move(hook));
}
void application::on_deregister(std::string name, drain_hook hook) {
  impl_->drain.on_deregister(std::move(name), std::move(hook));
}
void application::on_close(std::string name, drain_hook hook) {
  auto* other = impl_->calling_core();
  if (other == nullptr)
    impl_->drain.on_close(std::move(name), std::move(hook));
  else if (!other->has_started)
    other->close_hooks.emplace_back(std::move(name), std::move(hook));
  else
    impl_->close_later(std::move(name), std::move(hook));
}
void application::on_reload(std::function<task<void>()> hook) { impl_->reload_hooks.push_back(std::move(hook)); }
void application::export_spans(std::function<std::unique_ptr<observe::span_sink>(weft::loop&)> make) {
  impl_->make_spans = std::move(make);
}

void application::rereads(std::function<result<reread_settings>()> how) {
  impl_->reread = std::make_shared<std::function<result<reread_settings>()>>(std::move(how));
}

int application::run() {
  const auto failed = [this](std::string_view problem) {
    std::fprintf(stderr, "%s did not start: %.*s\n", impl_->program.name.c_str(), static_cast<int>(problem.size()),
                 problem.data());
    return 1;
  };
  if (const auto prepared = impl_->prepare(); !prepared) return failed(prepared.error().describe());
  try {
    impl_->all.run([this](weft::loop& l, unsigned index) { return impl_->run_core(l, index); });
  } catch (...) {
    return failed(current_exception_error().message());
  }
  if (!impl_->settings.ready_file.empty()) std::remove(impl_->settings.ready_file.c_str());
  if (!impl_->outcome) return failed(impl_->outcome.error().describe());
  return 0;
}

void application::stop() {
  impl_->all.at(0).post([this] { impl_->begin_stop(); });
}

}  // namespace weft::service
