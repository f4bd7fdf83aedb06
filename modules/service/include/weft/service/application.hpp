#pragma once
// The host of a service: configuration, loops, listeners, health, metrics, logs, signals and a graceful end.
//
//     int main(int argc, char** argv) {
//       service::application app{{.name = "hello"}, argc, argv};
//       http::router routes;
//       routes.get("/hello/{name}", hello);
//       app.serve(std::move(routes));
//       return app.run();
//     }
//
// Besides the routes it answers GET /health (200 or 503, every check), /health/live (the process runs), /health/ready
// (healthy and not draining) and /metrics. Requests get a trace position, a correlation id, a deadline, metrics and a
// line in the log. SIGTERM and SIGINT drain (drain.hpp says in which order); a second signal ends the process at once.
// SIGHUP reads the configuration and the certificates again: policies, with their states kept, and log.level change at
// once, then the reload hook runs. A wrong configuration is logged, and the one before goes on.
//
// What has to be there before the first request (a database, a broker) is opened by on_start(). When that fails, the
// on_close hooks run and the program does not start; when it is told to stop meanwhile, they run and it ends. A hook
// that takes long is named in the log.
//
// Each listener is registered under its name once all are bound, and taken out as the first step of the drain:
// settings.discovery says where. Calls to other services are made by what a core offers:
//
//     app.serve([](service::core& core) {
//       auto posts = std::make_shared<discovery::service_client>(                       // this core's own
//           core.loop, core.registry, discovery::service_client_options{.service = "posts", .caller = "users"},
//           core.policies.at("posts"));                                                // by policies.posts
//       http::router routes;
//       routes.get("/posts/{id}", [posts](http::request& r, std::string id) {
//         return show(r, *posts, std::move(id));
//       });
//       return routes;
//     });
//
// run() returns the program's exit code: 0 after a drain, 1 when the service could not start (the port is taken). A
// wrong configuration ends the program with 2 before that; a second signal as that signal does (130, 143 in a shell).
//
// Everything is set up before run(), on the thread that calls it, which becomes core 0. With settings.cores above 1 the
// function that serve() takes is called on the thread of each core, one core after the other: what it makes belongs to
// that core, so let its handlers own it, or keep one for each core.index. Routes that are given as they are, and the
// listeners of Unix sockets, stay on core 0.
#include <weft/http/router.hpp>
#include <weft/observe/log.hpp>
#include <weft/observe/metrics.hpp>
#include <weft/observe/span.hpp>
#include <weft/runtime/loop.hpp>
#include <weft/service/config.hpp>
#include <weft/service/drain.hpp>
#include <weft/service/health.hpp>
#include <weft/service/settings.hpp>

#include <concepts>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace weft::discovery {
class registry;
}

namespace weft::service {

// One loop of the program, as the functions that make things for it see it.
struct core {
  weft::loop& loop;
  unsigned index;
  const observe::logger& log;
  const observe::tracer& spans;
  observe::registry& metrics;        // of the process
  discovery::registry& registry;     // this core's way to it
  resilience::policy_set& policies;  // of the process
};

// Work before the first request. Its context ends when the program is told to stop.
using start_hook = std::function<task<result<>>(context)>;

using core_start_hook = std::function<task<result<>>(core&, context)>;

// What a core's routes need stays alive by their handlers, which own it.
using routes_for_core = std::function<http::router(core&)>;

struct listener_options {
  std::string name;                 // "" : the application's
  std::optional<http_settings> at;  // not given: the service_settings' http
  registration_mode registration = registration_mode::automatic;
};

// Where one listener is, once the application runs.
struct bound_listener {
  std::string name;
  address at;
  bool encrypted = false;
  // "http://127.0.0.1:8080"; for every interface, the loopback one.
  [[nodiscard]] std::string url() const;
};

class application {
 public:
  // Configured by service_settings alone. Ends the program as load_or_exit() does.
  application(program_options program, int argc, const char* const* argv);
  // Configured by a struct that derives from host_settings.
  template <std::derived_from<host_settings> T>
  application(program_options program, const configuration<T>& config)
      : application{std::move(program), static_cast<const host_settings&>(*config), http_of(*config),
                    config.warnings()} {
    rereads([latest = config]() mutable -> result<reread_settings> {
      WEFT_TRY(auto now, latest.reread());
      reread_settings read{*now, now.changes_since(latest)};
      latest = std::move(now);
      return read;
    });
  }
  // `http`: where serve() listens when it is not told; `warnings` go to the log.
  application(program_options program, const host_settings& settings, std::optional<http_settings> http,
              const std::vector<std::string>& warnings = {});
  ~application();
  application(const application&) = delete;
  application& operator=(const application&) = delete;

  [[nodiscard]] const host_settings& settings() const noexcept;
  [[nodiscard]] weft::loop& loop() noexcept;  // core 0's
  [[nodiscard]] const observe::logger& log() const noexcept;
  [[nodiscard]] observe::registry& metrics() noexcept;
  [[nodiscard]] health_checks& health() noexcept;  // on core 0
  [[nodiscard]] resilience::policy_set& policies() noexcept;

  // On core 0. Throws std::invalid_argument when nothing says where to listen.
  void serve(http::router routes, listener_options options = {});
  // Called once on each core's thread.
  void serve(routes_for_core make, listener_options options = {});

  // Before anything listens, on core 0, one after the other: those added before run(), then the routes of core 0 are
  // made, then those that were added while they were made. What is added while the routes of another core are made
  // runs on that core, as its on_close hooks do. Throws std::logic_error once the start is over.
  void on_start(std::string name, start_hook hook);
  // On every core, before its routes are made; on core 0 after the hooks above. Add them before run().
  void on_start_of_each_core(std::string name, core_start_hook hook);
  // Once every listener is bound.
  void on_ready(std::function<void(const std::vector<bound_listener>&)> hook);
  // Steps of the drain; see drain.hpp. They run on core 0, but for those that another core adds.
  void on_deregister(std::string name, drain_hook hook);
  void on_close(std::string name, drain_hook hook);
  // After SIGHUP, when the configuration was read again or there is none; those that were added run one after the other.
  // Signals that come meanwhile make them run once more.
  void on_reload(std::function<task<void>()> hook);
  // Where spans go, made for each core; without it the last 1,000 are kept in memory.
  void export_spans(std::function<std::unique_ptr<observe::span_sink>(weft::loop&)> make);

  [[nodiscard]] int run();
  // Begins the drain, as SIGTERM does. From any thread.
  void stop();

 private:
  struct reread_settings {
    host_settings settings;
    std::vector<std::string> changes;  // the paths that differ from before
  };
  void rereads(std::function<result<reread_settings>()> how);
  [[nodiscard]] static std::optional<http_settings> http_of(const host_settings&) { return std::nullopt; }
  [[nodiscard]] static std::optional<http_settings> http_of(const service_settings& s) { return s.http; }
  struct impl;
  std::unique_ptr<impl> impl_;
};

}  // namespace weft::service
