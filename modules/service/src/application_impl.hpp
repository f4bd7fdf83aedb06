#pragma once
// The application's parts. application.cpp has its interface and core 0, application_start.cpp what happens before
// anything listens and on the other cores, application_reload.cpp SIGHUP.
#include "certificates.hpp"
#include "endpoints.hpp"
#include "listeners.hpp"
#include "process_metrics.hpp"
#include "self_registration.hpp"

#include <weft/runtime/cores.hpp>
#include <weft/runtime/from_callback.hpp>
#include <weft/runtime/sync.hpp>
#include <weft/service/application.hpp>

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace weft::service {

struct application::impl {
  impl(program_options p, const host_settings& s);

  void report_phase(drain_phase phase, std::string_view problem) const;
  void report_breaker(const resilience::breaker_event& e);
  void report_ready();

  // --- SIGTERM, SIGINT, SIGHUP ---
  [[nodiscard]] result<> prepare();
  result<> handle_signals();
  void begin_stop();
  void reload();
  task<void> run_reloads();
  task<void> end_reloads();
  task<bool> read_again();
  [[nodiscard]] bool has_certificates() const;

  // --- the cores ---
  // What each core runs until it is told to stop. The first one binds the listeners, then lets the others join.
  task<void> run_core(weft::loop& l, unsigned index);
  task<void> run_first();
  task<void> run_other(unsigned index);
  task<result<>> open_first(core_host& host);
  task<result<>> open_other(core_host& host, unsigned index);
  task<result<>> start_others();
  [[nodiscard]] result<> call_ready_hooks(const std::vector<bound_listener>& bound) const;
  task<void> serve_until_stopped(core_host& host);
  [[nodiscard]] result<std::unique_ptr<core_host>> make_host(unsigned index);
  void add_to_drain(unsigned index);
  task<void> drain_other(unsigned index, duration timeout);
  task<void> close_on(unsigned index, const drain_hook& hook, context ctx);
  void add_close(unsigned index, std::string name, drain_hook hook);
  void close_later(std::string name, drain_hook hook);  // on another core's thread

  // --- start hooks ---
  struct named_start {
    std::string name;
    start_hook hook;
  };
  // Told to stop, a hook has the drain's hook timeout to end.
  task<result<>> run_start_hooks(weft::loop& l, task_group& starting, std::vector<named_start>& hooks);
  task<result<>> run_start_hook(weft::loop& l, task_group& starting, const named_start& hook);
  [[nodiscard]] result<> check_policy_names() const;
  task<result<>> run_core_hooks(core_host& host, task_group& starting);

  program_options program;
  host_settings settings;
  std::optional<http_settings> http;
  observe::registry metrics;
  process_metrics of_process;
  std::shared_ptr<observe::log_sink> output;
  cores all;
  observe::logger log;
  health_checks health;
  resilience::policy_set policies;
  drain_sequence drain;
  std::optional<self_registration> registration;  // while it runs
  host_endpoints own_endpoints;
  std::vector<listener_plan> plans;
  std::vector<named_start> start_hooks;  // core 0's that have not run
  struct named_core_start {
    std::string name;
    core_start_hook hook;
  };
  std::vector<named_core_start> core_start_hooks;
  std::vector<std::function<void(const std::vector<bound_listener>&)>> ready_hooks;
  std::vector<std::function<task<void>()>> reload_hooks;
  std::shared_ptr<std::function<result<reread_settings>()>> reread;
  std::function<std::unique_ptr<observe::span_sink>(weft::loop&)> make_spans;

  // Beyond the first; each belongs to its own thread.
  struct other_core {
    explicit other_core(weft::loop& l) : may_start{l}, starting{l} {}
    event may_start;
    std::function<void(result<>)> started;
    core_host* host = nullptr;
    task_group starting;
    std::vector<named_start> start_hooks;
    std::vector<std::pair<std::string, drain_hook>> close_hooks;  // core 0 takes them once the core has started
    bool has_started = false;
  };
  std::vector<std::unique_ptr<other_core>> others;
  // The other core whose thread this is; null on any other thread.
  [[nodiscard]] other_core* calling_core() const noexcept;

  event stopping;
  task_group starting;  // its contexts are those of core 0's start hooks
  bool has_started = false;
  std::optional<certificates> tls;
  bool reload_wanted = false;
  event reloaded;  // set while no reload is under way
  std::optional<task_group> reloads;
  result<> outcome;
};

}  // namespace weft::service
