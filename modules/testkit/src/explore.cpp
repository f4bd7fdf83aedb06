#include <weft/testkit/explore.hpp>

#include <unistd.h>
#include <algorithm>
#include <atomic>
#include <charconv>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <ostream>
#include <thread>

// weft-style: allow thread in this file: seeds are independent, and each thread has its own simulations

namespace weft::testkit {

namespace {

// A broken assertion aborts the process: say under which seed, since there is no replay then.
thread_local char abort_note[512];

extern "C" void weft_testkit_aborted(int signal) {
  if (abort_note[0] != '\0') static_cast<void>(!::write(STDERR_FILENO, abort_note, std::strlen(abort_note)));
  std::signal(signal, SIG_DFL);
  std::raise(signal);
}

std::string program_name() {
  std::ifstream file{"/proc/self/cmdline", std::ios::binary};
  std::string name;
  std::getline(file, name, '\0');
  return name.empty() ? "./test" : name;
}

std::string command_for(const explore_options& options, std::uint64_t seed) {
  return "WEFT_SEED=" + std::to_string(seed) + " " + program_name() + " --gtest_filter=" + options.name;
}

class noted_seed {
 public:
  noted_seed(const explore_options& options, std::uint64_t seed) noexcept {
    const auto text = "weft: aborted in " + options.name + " under seed " + std::to_string(seed) +
                      "; replay: " + command_for(options, seed) + "\n";
    const auto size = std::min(text.size(), sizeof abort_note - 1);
    std::memcpy(abort_note, text.data(), size);
    abort_note[size] = '\0';
  }
  ~noted_seed() { abort_note[0] = '\0'; }
  noted_seed(const noted_seed&) = delete;
  noted_seed& operator=(const noted_seed&) = delete;
};

class abort_handler {
 public:
  abort_handler() noexcept : previous_{std::signal(SIGABRT, weft_testkit_aborted)} {}
  ~abort_handler() {
    if (previous_ != SIG_ERR) std::signal(SIGABRT, previous_);
  }
  abort_handler(const abort_handler&) = delete;
  abort_handler& operator=(const abort_handler&) = delete;

 private:
  void (*previous_)(int);
};

std::optional<std::uint64_t> number_from_environment(const char* name) {
  const char* text = std::getenv(name);
  if (text == nullptr || *text == '\0') return std::nullopt;
  std::uint64_t value = 0;
  const auto [end, problem] = std::from_chars(text, text + std::strlen(text), value);
  if (problem != std::errc{} || *end != '\0')
    throw std::invalid_argument{std::string{name} + "=" + text + ": expected a number"};
  return value;
}

struct outcome {
  bool failed = false;
  std::string message;
  std::uint64_t fingerprint = 0, events = 0;
  duration virtual_time{};
  std::string tail;
};

outcome run_seed(std::uint64_t seed, simulation_options options, const scenario& run, std::FILE* trace,
                 std::size_t tail_lines) {
  outcome o;
  simulation sim{seed, std::move(options)};
  sim.log().copy_to(trace);
  try {
    run(sim);
  } catch (const simulation_failed&) {
    // the message is in the simulation
  } catch (const std::exception& e) {
    sim.fail(std::string{"the scenario ended with an exception: "} + e.what());
  } catch (...) {
    sim.fail("the scenario ended with an unknown exception");
  }
  sim.log().copy_to(nullptr);
  o.failed = sim.failed();
  o.message = sim.failure();
  o.fingerprint = sim.fingerprint();
  o.events = sim.events();
  o.virtual_time = sim.elapsed();
  if (o.failed) o.tail = sim.log().tail(tail_lines);
  return o;
}

std::string trace_path(const explore_options& options, std::uint64_t seed) {
  std::filesystem::path folder = options.trace_directory;
  if (folder.empty())
    if (const char* given = std::getenv("WEFT_TRACE_DIR"); given != nullptr) folder = given;
  std::error_code problem;
  if (folder.empty()) folder = std::filesystem::temp_directory_path(problem);
  std::filesystem::create_directories(folder, problem);
  auto name = options.name;
  std::ranges::replace_if(name, [](char c) { return c == '/' || c == ' '; }, '_');
  return (folder / (name + "-seed" + std::to_string(seed) + ".trace")).string();
}

// Once more, with the whole trace.
seed_failure replay(const explore_options& options, std::uint64_t seed, const outcome& first, const scenario& run) {
  seed_failure f{.seed = seed, .message = first.message};
  auto with_trace = options.simulation;
  with_trace.trace = trace_level::all;
  f.trace_file = trace_path(options, seed);
  auto* file = std::fopen(f.trace_file.c_str(), "we");
  const auto second = run_seed(seed, std::move(with_trace), run, file, options.tail_lines);
  if (file != nullptr)
    std::fclose(file);
  else
    f.trace_file.clear();
  f.replayed_exactly = second.failed && second.message == first.message && second.fingerprint == first.fingerprint;
  f.trace_tail = second.failed ? second.tail : first.tail;
  f.replay_command = command_for(options, seed);
  return f;
}

class exploration {
 public:
  exploration(const explore_options& options, const scenario& run) : options_{options}, run_{run} {
    next_ = options.first_seed;
    end_ = options.first_seed + number_from_environment("WEFT_SEEDS").value_or(options.seeds);
    if (const auto only = number_from_environment("WEFT_SEED")) {
      next_ = *only;
      end_ = *only + 1;
    }
    report_.name = options.name;
  }

  explore_report go() {
    const abort_handler handler;
    std::vector<std::thread> others;
    for (unsigned i = 1; i < options_.threads; ++i) others.emplace_back([this] { work(); });
    work();
    for (auto& t : others) t.join();
    std::ranges::sort(report_.failures, {}, &seed_failure::seed);
    return std::move(report_);
  }

 private:
  void work() {
    for (;;) {
      const auto seed = next_.fetch_add(1);
      if (seed >= end_ || stopped_) return;
      const noted_seed note{options_, seed};
      const auto o = run_seed(seed, options_.simulation, run_, nullptr, options_.tail_lines);
      std::optional<seed_failure> failure;
      if (o.failed) {
        if (options_.on_failure == after_failure::stop && stopped_.exchange(true)) return;
        failure = replay(options_, seed, o, run_);
      }
      const std::lock_guard lock{mutex_};
      ++report_.seeds_run;
      report_.events += o.events;
      report_.virtual_time += o.virtual_time;
      if (failure) report_.failures.push_back(*std::move(failure));
    }
  }

  const explore_options& options_;
  const scenario& run_;
  std::atomic<std::uint64_t> next_{0};
  std::uint64_t end_ = 0;
  std::atomic<bool> stopped_{false};
  std::mutex mutex_;  // guards report_
  explore_report report_;
};

}  // namespace

explore_report explore(const explore_options& options, const scenario& run) { return exploration{options, run}.go(); }

std::string explore_report::describe() const {
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(virtual_time).count();
  auto text = name + ": " + std::to_string(seeds_run) + " seeds, " + std::to_string(events) + " events, " +
              std::to_string(seconds) + " s of virtual time, " + std::to_string(failures.size()) + " failed\n";
  for (const auto& f : failures) {
    text += "\nseed " + std::to_string(f.seed) + " failed: " + f.message + "\n";
    text += f.replayed_exactly ? "replayed: the same history, event for event\n"
                               : "replayed: NOT the same history; something in the scenario is not deterministic "
                                 "(a real clock, shared state between runs, the order of an unordered container)\n";
    text += "the end of the trace:\n" + f.trace_tail;
    if (!f.trace_file.empty()) text += "full trace: " + f.trace_file + "\n";
    text += "replay: " + f.replay_command + "\n";
  }
  return text;
}

std::ostream& operator<<(std::ostream& out, const explore_report& report) { return out << report.describe(); }

}  // namespace weft::testkit
