#include <weft/service/application.hpp>

#include "endpoints.hpp"
#include "listeners.hpp"
#include "ready_file.hpp"
#include "self_registration.hpp"

#include <weft/runtime/blocking.hpp>
#include <weft/runtime/cores.hpp>
#include <weft/runtime/from_callback.hpp>
#include <weft/runtime/sync.hpp>

#include <unistd.h>
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

struct application::impl {
  impl(program_options p, const host_settings& s);

  void tell(drain_phase phase, std::string_view problem) const;
  [[nodiscard]] result<> prepare();
  result<> handle_signals();
  void begin_stop();
  void reload();
  task<void> run_reload();
  task<bool> read_again();
  void tell_breaker(const resilience::breaker_event& e);

  // What each core runs until it is told to stop. The first one binds the listeners, then lets the others join.
  task<void> run_core(weft::loop& l, unsigned index);
  task<void> run_first();
  task<result<>> run_start_hooks();
  task<result<>> open(core_host& host);
  task<void> run_other(unsigned index);
  [[nodiscard]] result<std::unique_ptr<core_host>> make_host(unsigned index);
  task<result<>> start_others();
  void report_ready();
  void add_to_drain(unsigned index);
  task<void> drain_other(unsigned index, duration patience);

  program_options program;
  host_settings settings;
  std::optional<http_settings> http;
  observe::registry metrics;
  std::shared_ptr<observe::log_sink> output;
  cores all;
  observe::logger log;
  health_checks health;
  resilience::policy_set policies;
  drain_sequence drain;
  std::optional<self_registration> registration;  // while it runs
  host_endpoints own_endpoints;
  std::vector<listener_plan> plans;
  struct named_start {
    std::string name;
    start_hook hook;
  };
  std::vector<named_start> start_hooks;  // those that have not run
  std::vector<std::function<void(const std::vector<bound_listener>&)>> ready_hooks;
  std::function<task<void>()> reload_hook;
  std::shared_ptr<std::function<result<reread_settings>()>> reread;
  std::function<std::unique_ptr<observe::span_sink>(weft::loop&)> make_spans;

  struct other_core {  // beyond the first; each belongs to its own thread
    explicit other_core(weft::loop& l) : may_start{l} {}
    event may_start;
    std::function<void(result<>)> started;
    core_host* host = nullptr;
  };
  std::vector<std::unique_ptr<other_core>> others;
  event stopping;
  task_group starting;  // its contexts are those of the start hooks
  task_group reloads;
  result<> outcome;
};

application::impl::impl(program_options p, const host_settings& s)
    : program{std::move(p)},
      settings{s},
      output{observe::make_log_output({.format = settings.log.format, .metrics = &metrics})},
      all{{.count = settings.cores}},
      log{all.at(0), output, {.service = program.name, .level = settings.log.level, .metrics = &metrics}},
      health{all.at(0)},
      policies{{settings.policies}},
      drain{all.at(0), settings.drain, [this](drain_phase phase, std::string_view what) { tell(phase, what); }},
      own_endpoints{all.at(0), health, drain, metrics},
      make_spans{[](weft::loop&) { return std::make_unique<observe::memory_spans>(); }},
      stopping{all.at(0)},
      starting{all.at(0)},
      reloads{all.at(0)} {
  health.add("memory", memory_check(std::uint64_t{settings.health.memory_limit_mib} << 20));
  for (unsigned i = 1; i < all.size(); ++i) others.push_back(std::make_unique<other_core>(all.at(i)));
  policies.on_breaker_change([this](const resilience::breaker_event& e) { tell_breaker(e); });
  for (const auto& found : resilience::lint(resilience::policies{settings.policies}))
    if (found.severity == resilience::severity::warning) log.warning("configuration", {{"problem", found.describe()}});
  drain.on_deregister("registry", [this](context ctx) { return registration->leave(std::move(ctx)); });
}

// Any core's thread; the log belongs to the first one's.
void application::impl::tell_breaker(const resilience::breaker_event& e) {
  all.at(0).post([this, name = std::string{e.name}, from = e.from, to = e.to, why = e.cause.describe()] {
    log.warning("circuit breaker", {{"policy", name}, {"from", to_string(from)}, {"to", to_string(to)}, {"why", why}});
  });
}

void application::impl::tell(drain_phase phase, std::string_view problem) const {
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
    plan.port = all.size() > 1 ? port_sharing::shared : port_sharing::alone;
    auto tls = tls_of(plan.at);
    if (!tls) return fail(tls.error().with_operation("TLS for " + plan.name));
    plan.tls = *std::move(tls);
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
  if (reload_hook || reread) WEFT_TRY_VOID(all.at(0).on_signal(SIGHUP, [this](int) { reload(); }));
  return {};
}

void application::impl::begin_stop() {
  starting.cancel();
  stopping.set();
}

// Whether what was read is in force.
task<bool> application::impl::read_again() {
  auto read = co_await blocking(all.at(0), [how = reread] { return (*how)(); });
  result<> applied;
  if (read)
    applied = policies.apply({read->settings.policies}, all.at(0).now());
  else
    applied = fail(std::move(read).error());
  if (!applied) {
    log.error("the configuration was not reloaded",
              {{"problem", applied.error().message()}, {"in force", "as before"}});
    co_return false;
  }
  std::string now, later;
  for (const auto& path : read->changes) {
    auto& list = path.starts_with("policies") ? now : later;
    list.append(list.empty() ? "" : ", ").append(path);
  }
  log.info("configuration reloaded", {{"changed", now.empty() ? "nothing" : now},
                                      {"changes with the next start", later.empty() ? "nothing" : later}});
  co_return true;
}

task<void> application::impl::run_reload() {
  try {
    if (reread && !co_await read_again()) co_return;
    if (reload_hook) co_await reload_hook();
  } catch (const std::exception& e) {
    log.error("reloading failed", {{"problem", e.what()}});
  }
}

void application::impl::reload() {
  if (!reloads.empty()) return;  // the one that runs reads what is there now, too
  reloads.spawn(run_reload());
}

result<std::unique_ptr<core_host>> application::impl::make_host(unsigned index) {
  auto& l = all.at(index);
  WEFT_TRY(auto registry,
           discovery::open_registry(l, settings.discovery.registry.reveal(),
                                    {.memory = nullptr, .consul_token = settings.discovery.token.reveal()}));
  const core_host::environment process{log, metrics, policies, program.name, settings.tracing.sample_ratio};
  return std::make_unique<core_host>(l, index, process, make_spans(l), std::move(registry));
}

task<void> application::impl::run_core(weft::loop&, unsigned index) {
  return index == 0 ? run_first() : run_other(index);
}

namespace {
// What it was that could not be opened, before what went wrong on the way.
error of_hook(std::string_view name, const error& e) {
  return error{e.code(), std::string{name} + ": " + std::string{e.message()}}
      .with_operation(e.operation())
      .with_peer(e.peer())
      .with_remedy(e.remedy());
}
}  // namespace

task<result<>> application::impl::run_start_hooks() {
  for (const auto& [name, hook] : std::exchange(start_hooks, {})) {
    const auto done = co_await hook(starting.derive(context::background()));
    if (!done) co_return fail(of_hook(name, done.error()));
  }
  co_return result<>{};
}

// Everything that must be there before the first request, then the listeners.
task<result<>> application::impl::open(core_host& host) {
  WEFT_CO_TRY_VOID(co_await run_start_hooks());
  host.make_routes(plans);
  WEFT_CO_TRY_VOID(co_await run_start_hooks());
  if (stopping.is_set()) co_return fail(errc::cancelled, "stopped before it was ready");
  WEFT_CO_TRY_VOID(host.listen(plans, own_endpoints.on(all.at(0))));
  co_return co_await start_others();
}

task<void> application::impl::run_first() {
  std::unique_ptr<core_host> host;
  if (auto made = make_host(0))
    host = *std::move(made);
  else
    outcome = fail(std::move(made).error().with_operation("discovery.registry"));
  if (outcome) outcome = co_await open(*host);
  if (!outcome) {
    co_await drain.close();  // what was opened already
    if (stopping.is_set()) {
      log.info("stopped before it was ready");
      outcome = {};
    }
  } else {
    drain.add({.start_draining = [&host] { host->start_draining(); },
               .drain = [&host](duration patience) { return host->drain(patience); }});
    for (unsigned i = 1; i < all.size(); ++i) add_to_drain(i);
    registration.emplace(all.at(0), host->as_core().registry, settings.discovery, log);
    for (const auto& plan : plans)
      if (plan.registration == registration_mode::automatic)
        registration->add({plan.name, *plan.bound, plan.tls.has_value()}, plan.endpoints_here);
    if (registration->expected()) registration->show_in(health);
    report_ready();
    registration->start();
    (void)co_await stopping.wait(context::background());
    co_await drain.run();
    co_await reloads.stop();
    registration.reset();
  }
  all.stop();
}

task<result<>> application::impl::start_others() {
  for (unsigned i = 1; i < all.size(); ++i) {
    auto& other = *others[i - 1];
    // One after the other: the start is not where the time goes, and the first problem is the one to tell.
    auto start = [this, i, &other](callback_result<result<>> done) {
      auto to = std::make_shared<callback_result<result<>>>(std::move(done));
      all.at(i).post([&other, to] {
        other.started = [to](result<> how) { (*to)(std::move(how)); };
        other.may_start.set();
      });
    };
    auto [how] = co_await from_callback<result<>>(all.at(0), std::move(start));
    if (!how) co_return how;
  }
  co_return result<>{};
}

task<void> application::impl::run_other(unsigned index) {
  auto& self = *others[index - 1];
  const auto until = all.stopping(index);
  if (!co_await self.may_start.wait(until)) co_return;
  auto made = make_host(index);
  if (!made) {
    self.started(fail(std::move(made).error().with_operation("discovery.registry")));
    co_return;
  }
  const auto host = *std::move(made);
  self.host = host.get();
  host->make_routes(plans);
  self.started(host->listen(plans, own_endpoints.on(all.at(index))));
  event never{all.at(index)};
  (void)co_await never.wait(until);
  self.host = nullptr;
}

void application::impl::add_to_drain(unsigned index) {
  drain.add({.start_draining =
                 [this, index] { all.at(index).post([&self = *others[index - 1]] { self.host->start_draining(); }); },
             .drain = [this, index](duration patience) { return drain_other(index, patience); }});
}

namespace {
task<void> drain_and_tell(core_host& host, duration patience, callback_result<> done) {
  co_await host.drain(patience);
  done();
}
}  // namespace

task<void> application::impl::drain_other(unsigned index, duration patience) {
  auto start = [this, index, patience](callback_result<> done) {
    all.at(index).post([&self = *others[index - 1], patience, to = std::move(done)]() mutable {
      self.host->tasks().spawn(drain_and_tell(*self.host, patience, std::move(to)));
    });
  };
  (void)co_await from_callback<>(all.at(0), std::move(start));
}

void application::impl::report_ready() {
  std::vector<bound_listener> bound;
  for (const auto& plan : plans) bound.push_back({plan.name, *plan.bound, plan.tls.has_value()});
  for (const auto& listener : bound)
    log.info("listening", {{"name", listener.name},
                           {"url", listener.url()},
                           {"pid", static_cast<std::int64_t>(::getpid())},
                           {"cores", settings.cores},
                           {"stop", "Ctrl-C or SIGTERM drains, a second one ends at once"}});
  for (const auto& hook : ready_hooks) hook(bound);
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
  if (impl_->settings.cores > 1)
    throw std::invalid_argument{"cores is " + std::to_string(impl_->settings.cores) +
                                ", but these routes are one core's: pass a function that makes them for each"};
  serve([made = std::move(routes)](core&) { return made; }, std::move(options));
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
  impl_->start_hooks.push_back({std::move(name), std::move(hook)});
}
void application::on_ready(std::function<void(const std::vector<bound_listener>&)> hook) {
  impl_->ready_hooks.push_back(std::move(hook));
}
void application::on_deregister(std::string name, drain_hook hook) {
  impl_->drain.on_deregister(std::move(name), std::move(hook));
}
void application::on_close(std::string name, drain_hook hook) {
  impl_->drain.on_close(std::move(name), std::move(hook));
}
void application::on_reload(std::function<task<void>()> hook) { impl_->reload_hook = std::move(hook); }
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
  } catch (const std::exception& e) {
    return failed(e.what());
  }
  if (!impl_->settings.ready_file.empty()) std::remove(impl_->settings.ready_file.c_str());
  if (!impl_->outcome) return failed(impl_->outcome.error().describe());
  return 0;
}

void application::stop() {
  impl_->all.at(0).post([this] { impl_->begin_stop(); });
}

}  // namespace weft::service
