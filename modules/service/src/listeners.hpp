#pragma once
// What one core runs: its routes, their servers, and the host's own endpoints.
#include <weft/discovery/registry.hpp>
#include <weft/http/instrumentation.hpp>
#include <weft/http/server.hpp>
#include <weft/runtime/task_group.hpp>
#include <weft/service/application.hpp>

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace weft::service {

// Whether a listener answers /health and /metrics, too.
enum class endpoint_choice : std::uint8_t { served, elsewhere };
// Which cores have a part of the listener.
enum class plan_cores : std::uint8_t { all, first };

// A listener as it was asked for; the same for every core.
struct listener_plan {
  std::string name;
  http_settings at;
  routes_for_core make;                 // null: the host's endpoints only
  std::optional<net::tls_context> tls;  // shared by the cores
  std::optional<address> bound;         // set by core 0; the others take the same port
  endpoint_choice endpoints_here = endpoint_choice::served;
  plan_cores runs_on = plan_cores::all;
  registration_mode registration = registration_mode::automatic;
};

// The host's endpoints. Each answers on any core.
struct endpoints {
  http::handler health, live, ready, metrics;
};

// Counts what holds up a core's loop, and logs what nobody else can explain.
class loop_stalls final : public turn_observer {
 public:
  loop_stalls(loop& l, observe::registry& metrics, const observe::logger& log);
  void observe(slow_turn& turn) override;

 private:
  observe::histogram seconds_;
  const observe::logger& log_;
};

class core_host {
 public:
  // What every core of the process is given; outlives them.
  struct environment {
    const observe::logger& log;
    observe::registry& metrics;
    resilience::policy_set& policies;
    const std::string& service;
    double sample_ratio = 0.1;
    unsigned cores = 1;
  };
  core_host(loop& l, unsigned index, const environment& process, std::unique_ptr<observe::span_sink> spans,
            std::unique_ptr<discovery::registry> registry);

  // The routes of each plan that this core has a part of; what the program throws is the error. Then serves them: core
  // 0 binds, the others join it.
  result<> make_routes(const std::vector<listener_plan>& plans);
  result<> listen(std::vector<listener_plan>& plans, const endpoints& own);
  void start_draining();
  [[nodiscard]] task<void> drain(duration patience);

  [[nodiscard]] core& as_core() noexcept { return core_; }
  [[nodiscard]] task_group& tasks() noexcept { return tasks_; }

 private:
  [[nodiscard]] bool takes_part_in(const listener_plan& plan) const noexcept {
    return core_.index == 0 || plan.runs_on == plan_cores::all;
  }
  struct made_routes {
    http::handler handle;
    std::vector<http::middleware> around;  // what the host puts around it
  };
  [[nodiscard]] http::instruments instruments() noexcept {
    return {.spans = &tracer_, .metrics = &metrics_, .log = &log_};
  }
  [[nodiscard]] std::vector<http::middleware> around(const listener_plan& plan);
  result<std::unique_ptr<http::server>> start(listener_plan& plan, made_routes routes, const endpoints& own);

  loop& loop_;
  unsigned cores_;
  observe::logger log_;
  observe::registry& metrics_;
  std::unique_ptr<discovery::registry> registry_;
  std::unique_ptr<observe::span_sink> sink_;
  observe::tracer tracer_;
  core core_;
  std::vector<made_routes> routes_;  // of the plans, until they listen
  std::vector<std::unique_ptr<http::server>> servers_;
  std::optional<loop_stalls> stalls_;
  task_group tasks_;
};

// The handler of a listener: the host's endpoints by their exact paths, everything else by the routes.
[[nodiscard]] http::handler with_endpoints(const endpoints& own, http::handler routes);
[[nodiscard]] result<address> address_of(const http_settings& settings);
[[nodiscard]] result<std::optional<net::tls_context>> tls_of(const http_settings& settings);

}  // namespace weft::service
