#pragma once
// Runs a scenario under many seeds, and makes a failing one repeatable.
//
//     TEST(Counter, SurvivesCrashes) {
//       auto report = explore({.name = "Counter.SurvivesCrashes", .seeds = 1000}, [](simulation& sim) {
//         ...
//         sim.check(total == acknowledged, "no acknowledged increment is lost");
//       });
//       EXPECT_TRUE(report.passed()) << report;
//     }
//
// A failing seed is run once more with the full trace, which is written to a file; the report says whether that run was
// the same, event for event. Environment: WEFT_SEED=7 runs only that seed; WEFT_SEEDS=100000 changes how many;
// WEFT_TRACE_DIR is where traces are written.
#include <weft/testkit/simulation.hpp>

#include <functional>
#include <iosfwd>
#include <string>
#include <vector>

namespace weft::testkit {

enum class after_failure : std::uint8_t { stop, go_on };

struct explore_options {
  std::string name = "simulation";  // as --gtest_filter takes it
  std::uint64_t seeds = 100, first_seed = 1;
  unsigned threads = 1;  // each runs its own simulations: the scenario must not share state between them
  after_failure on_failure = after_failure::stop;
  simulation_options simulation;  // the trace level is for runs that do not fail
  std::size_t tail_lines = 40;    // of the trace in the report
  std::string trace_directory;    // empty: WEFT_TRACE_DIR, or else the system's folder for temporary files
};

struct seed_failure {
  std::uint64_t seed = 0;
  std::string message;
  bool replayed_exactly = false;
  std::string trace_tail, trace_file, replay_command;
};

struct explore_report {
  std::string name;
  std::uint64_t seeds_run = 0, events = 0;
  duration virtual_time{};
  std::vector<seed_failure> failures;  // by seed

  [[nodiscard]] bool passed() const noexcept { return failures.empty(); }
  [[nodiscard]] std::string describe() const;
  friend std::ostream& operator<<(std::ostream& out, const explore_report& report);
};

using scenario = std::function<void(simulation&)>;

[[nodiscard]] explore_report explore(const explore_options& options, const scenario& run);

}  // namespace weft::testkit
