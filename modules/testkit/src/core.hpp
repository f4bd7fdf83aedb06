#pragma once
// What a simulation is made of: the order of events, the machines, the network.
#include "event_queue.hpp"
#include "machine.hpp"
#include "network_state.hpp"

#include <weft/base/saturating.hpp>
#include <weft/testkit/simulation.hpp>

#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace weft::testkit {

// The steady clock starts at a day; the wall clock on 2026-01-01.
inline constexpr std::int64_t start_of_time = 86'400'000'000'000;

// `time` nanoseconds from `from`, which may be "never" either; at once for less than nothing.
[[nodiscard]] inline std::int64_t later_by(std::int64_t from, std::int64_t time) noexcept {
  using std::chrono::nanoseconds;
  return saturating_add(nanoseconds{from}, nanoseconds{std::max<std::int64_t>(0, time)}).count();
}

class core {
 public:
  core(simulation& s, std::uint64_t seed, simulation_options options);
  ~core();

  machine& add(std::string name);
  [[nodiscard]] machine* find(std::string_view name) noexcept;
  [[nodiscard]] machine* find(const address& a) noexcept;
  // Until the time, the condition, or a failure; false when there was nothing left to happen before.
  enum class outcome { time_is_up, condition_holds, failed, nothing_left };
  outcome run(std::int64_t until, const std::function<bool()>* condition);
  void arrange_call(duration after, machine& on, callback work);
  void apply(const fault_plan& plan);
  void heal_everything();
  [[nodiscard]] std::uint64_t seed_for(std::uint64_t purpose) const noexcept;
  [[nodiscard]] bool on(trace_level level) const noexcept { return log.on(level); }
  void trace(std::string_view host, std::initializer_list<std::string_view> parts) {
    log.add(now - start_of_time, host, parts);
  }
  void fail(std::string message);
  void stop_programs();  // for good, the last machine's first

  simulation& face;
  const std::uint64_t seed;
  simulation_options options;
  std::int64_t now = start_of_time;
  event_queue events;
  runnable_queue runnable;
  trace_log log;
  rng random;
  std::uint64_t steps_now = 0;  // since time last passed
  std::uint64_t event_count = 0, fingerprint = 0;
  bool running = false;
  bool failed = false;
  std::string failure;
  std::map<std::string, std::vector<dns_record>, std::less<>> dns;
  bool dns_available = true;
  network net;
  std::vector<std::unique_ptr<machine>> machines;
  std::vector<std::shared_ptr<void>> kept;

 private:
  struct arranged_call {
    callback work;
    machine* on = nullptr;
    unsigned boot = 0;
  };
  void happen(const event& e);

  std::vector<arranged_call> calls_;
  std::vector<std::uint32_t> unused_calls_;
  std::vector<fault_plan::step> faults_;
};

}  // namespace weft::testkit
