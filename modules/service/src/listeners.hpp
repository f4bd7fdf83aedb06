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
// Whether other cores listen on the same port.
enum class port_sharing : std::uint8_t { alone, shared };

// A listener as it was asked for; the same for every core.
struct listener_plan {
  std::string name;
  http_settings at;
  routes_for_core make;                 // null: the host's endpoints only
  std::optional<net::tls_context> tls;  // shared by the cores
  std::optional<address> bound;         // set by core 0; the others take the same port
  endpoint_choice endpoints_here = endpoint_choice::served;
  port_sharing port = port_sharing::alone;
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
    double sample_ratio = 0;
  };
  core_host(loop& l, unsigned index, const environment& process, std::unique_ptr<observe::span_sink> spans,
            std::unique_ptr<discovery::registry> registry);

  // The routes of each plan; then serves them: core 0 binds, the others join it.
  void make_routes(const std::vector<listener_plan>& plans);
  result<> listen(std::vector<listener_plan>& plans, const endpoints& own);
  void start_draining();
  [[nodiscard]] task<void> drain(duration patience);

  [[nodiscard]] core& as_core() noexcept { return core_; }
  [[nodiscard]] task_group& tasks() noexcept { return tasks_; }

 private:
  result<std::unique_ptr<http::server>> start(listener_plan& plan, http::handler handle, const endpoints& own);

  loop& loop_;
  observe::logger log_;
  observe::registry& metrics_;
  std::unique_ptr<discovery::registry> registry_;
  std::unique_ptr<observe::span_sink> sink_;
  observe::tracer tracer_;
  core core_;
  std::vector<http::handler> routes_;  // of the plans, until they listen
  std::vector<std::unique_ptr<http::server>> servers_;
  std::optional<loop_stalls> stalls_;
  task_group tasks_;
};

// The handler of a listener: the host's endpoints by their exact paths, everything else by the routes.
[[nodiscard]] http::handler with_endpoints(const endpoints& own, http::handler routes);
[[nodiscard]] result<address> address_of(const http_settings& settings);
[[nodiscard]] result<std::optional<net::tls_context>> tls_of(const http_settings& settings);

}  // namespace weft::service
