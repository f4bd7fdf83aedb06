#pragma once
// A system of hosts in virtual time, on one thread, from one seed: the same seed gives the same history.
//
//     simulation sim{42};
//     auto& server = sim.add_host("server");
//     server.on_boot([](host& h) { return serve(h.loop(), 8080); });
//     auto& client = sim.add_host("client");
//     auto answer = sim.run(client, ask(client.loop(), "server", 8080));
//     sim.partition({"client"}, {"server"});
//     sim.run_for(30s);                          // takes no time
//     sim.check(answer.has_value(), "the first question was answered");
//
// Time passes only when every host waits. What runs in a host must reach the world through its loop and its disk alone.
// A simulation and all that was made from it belong to one thread; it outlives what its hosts' loops gave out.
//
// What programs refer to must outlive them, and they live until the simulation ends. So make such state part of it:
//
//     auto& book = sim.make<ledger>();           // destroyed after the last program
#include <weft/runtime/when.hpp>
#include <weft/testkit/faults.hpp>
#include <weft/testkit/host.hpp>
#include <weft/testkit/trace.hpp>

#include <cstdint>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace weft::testkit {

struct simulation_options {
  network_options network;
  disk_options disk;
  trace_level trace = trace_level::off;
  std::size_t trace_lines = 20'000;                   // kept for tail()
  duration offload = std::chrono::microseconds{100};  // what offload() takes; the work itself runs at once
  duration run_limit = std::chrono::hours{24};        // virtual; run(task) fails beyond
  std::uint64_t steps_at_once = 1'000'000;            // more without time passing is a livelock, and fails
};

// Thrown by the run functions once a check has failed, so that the scenario ends.
class simulation_failed : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

class simulation {
 public:
  explicit simulation(std::uint64_t seed, simulation_options options = {});
  ~simulation();
  simulation(const simulation&) = delete;
  simulation& operator=(const simulation&) = delete;

  [[nodiscard]] std::uint64_t seed() const noexcept;
  // For the scenario's own choices; apart from those that hosts, network and disks draw from.
  [[nodiscard]] rng& random() noexcept;
  [[nodiscard]] steady_time now() const noexcept;
  [[nodiscard]] duration elapsed() const noexcept;  // since the start

  host& add_host(std::string name);               // throws std::invalid_argument when the name is taken
  [[nodiscard]] host& at(std::string_view name);  // throws std::invalid_argument when there is none
  [[nodiscard]] std::vector<std::string> hosts() const;

  // State that programs share: lives until every program has been destroyed, the newest first.
  template <class T, class... Arguments>
  T& make(Arguments&&... arguments) {
    auto made = std::make_shared<T>(std::forward<Arguments>(arguments)...);
    keep(made);
    return *made;
  }

  void run_for(duration time);
  // Until the condition holds, which is asked after every event; false when it does not within `limit`.
  bool run_until(const std::function<bool()>& condition, duration limit);
  // The task, on that host, to its value or exception.
  template <class T>
  T run(host& on, task<T> work);

  // Both directions.
  void set_link(std::string_view a, std::string_view b, const link_options& link);
  void set_link_one_way(std::string_view from, std::string_view to, const link_options& link);
  // Segments are lost, and sent again until it is healed.
  void partition(const host_names& from, const host_names& to, partition_kind kind = partition_kind::both_ways);
  void heal();  // every partition; links slowed by slow_link() are as before
  void slow_link(std::string_view a, std::string_view b, const link_options& link);
  void heal_everything();  // see fault_plan
  void reset_connections(std::string_view a, std::string_view b);
  // What query_dns() answers; A and AAAA records also count for resolve(). Empty: no such name. Host names resolve by
  // themselves.
  void set_dns(std::string name, std::vector<dns_record> records);
  void set_dns_available(bool available) noexcept;  // otherwise errc::unavailable
  void apply(const fault_plan& plan);

  // The first failure stays. The run functions stop at it, destroy every program, and throw simulation_failed; check()
  // itself only returns what it was given, so that it may be called anywhere.
  bool check(bool condition, std::string_view message);
  void fail(std::string message);
  [[nodiscard]] bool failed() const noexcept;
  [[nodiscard]] const std::string& failure() const noexcept;

  void trace(std::string_view text);
  [[nodiscard]] trace_log& log() noexcept;
  // Of every event so far, whatever the trace level: equal for equal histories.
  [[nodiscard]] std::uint64_t fingerprint() const noexcept;
  [[nodiscard]] std::uint64_t events() const noexcept;
  [[nodiscard]] std::size_t open_connections() const noexcept;  // with either end alive

 private:
  void run_to_end(host& on, task_group& group);
  [[noreturn]] void end_failed();
  void keep(std::shared_ptr<void> state);
  std::unique_ptr<class core> core_;
};

namespace detail {
inline task<void> store_end(task<void> work, std::exception_ptr& problem) {
  try {
    co_await std::move(work);
  } catch (...) {
    problem = std::current_exception();
  }
}
}  // namespace detail

template <class T>
T simulation::run(host& on, task<T> work) {
  std::exception_ptr problem;
  if constexpr (std::is_void_v<T>) {
    task_group group{on.loop()};
    group.spawn(detail::store_end(std::move(work), problem));
    run_to_end(on, group);
    if (problem) std::rethrow_exception(problem);
  } else {
    std::optional<T> value;
    task_group group{on.loop()};
    group.spawn(weft::detail::store(std::move(work), value, problem));
    run_to_end(on, group);
    if (problem) std::rethrow_exception(problem);
    return *std::move(value);
  }
}

}  // namespace weft::testkit
