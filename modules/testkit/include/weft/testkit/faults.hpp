#pragma once
// What goes wrong, and when: scripted, or drawn from a seed. A plan is a value: print it, change it, apply it.
//
//     fault_plan plan;
//     plan.at(3s).crash("a").partition({"b"}, {"c", "d"});
//     plan.at(9s).heal_everything();
//     sim.apply(plan);
//
//     sim.apply(fault_plan::random(sim.random(), {.hosts = {"a", "b", "c"}, .until = 60s}));
//
// Times count from the moment the plan is applied.
#include <weft/runtime/rng.hpp>
#include <weft/testkit/disk_options.hpp>
#include <weft/testkit/network.hpp>

#include <functional>
#include <string>
#include <vector>

namespace weft::testkit {

class simulation;
using host_names = std::vector<std::string>;

enum class crash_kind : std::uint8_t {
  power,    // nobody is told; what was not synced is lost, or partly
  process,  // the kernel goes on: it closes the connections and keeps what was written
};
enum class partition_kind : std::uint8_t {
  both_ways,
  one_way,  // from the first group to the second
};

// Means and ranges for fault_plan::random. A mean of zero leaves that fault out. Between two faults of a kind lies a
// time uniform in (0, 2 * mean).
struct random_faults {
  host_names hosts;                          // who may be hit
  duration until = std::chrono::minutes{1};  // then everything heals, and stays whole
  std::size_t down_at_once = 1;              // how many of `hosts` may be crashed or paused at a time
  duration crash_every = std::chrono::seconds{10};
  duration down_least = std::chrono::milliseconds{50}, down_most = std::chrono::seconds{5};
  double process_crash = 0.3;  // how many of the crashes are of the process alone
  duration pause_every = std::chrono::seconds{20};
  duration pause_most = std::chrono::seconds{3};
  duration partition_every = std::chrono::seconds{10};
  duration partition_most = std::chrono::seconds{8};
  double one_way = 0.3;                            // how many of the partitions are
  duration slow_every = std::chrono::seconds{15};  // a link gets late, lossy and thin
  duration slow_most = std::chrono::seconds{8};
  duration reset_every = std::chrono::seconds{20};  // all connections between two hosts
  duration skew_most{};                             // wall clocks are off by up to this, from the start
};

class fault_plan {
 public:
  // The faults that follow happen then.
  fault_plan& at(duration after) noexcept { return now_ = after, *this; }

  fault_plan& crash(std::string host, crash_kind kind = crash_kind::power);
  fault_plan& restart(std::string host);  // one that runs loses its power first
  fault_plan& pause(std::string host);    // the process stands still; its kernel does not
  fault_plan& resume(std::string host);
  fault_plan& partition(host_names from, host_names to, partition_kind kind = partition_kind::both_ways);
  fault_plan& heal();  // every partition, every slow link
  fault_plan& slow(std::string a, std::string b, link_options link);
  fault_plan& reset(std::string a, std::string b);  // the connections between the two
  fault_plan& skew(std::string host, duration by);
  fault_plan& disk(std::string host, disk_options options);
  // Partitions, links, disks; who is paused resumes, who is down restarts. Clocks stay skewed.
  fault_plan& heal_everything();
  fault_plan& run(std::function<void(simulation&)> action);

  [[nodiscard]] static fault_plan random(rng& random, const random_faults& options);

  struct step {
    duration at{};
    std::string what;  // for people
    std::function<void(simulation&)> action;
  };
  [[nodiscard]] const std::vector<step>& steps() const noexcept { return steps_; }
  [[nodiscard]] std::string describe() const;  // a line for each step

 private:
  fault_plan& add(std::string what, std::function<void(simulation&)> action);

  duration now_{};
  std::vector<step> steps_;
};

}  // namespace weft::testkit
