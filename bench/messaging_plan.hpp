#pragma once
// What every program beside another in ./dev bench messaging is told, and the line of JSON that it answers with.
//
//     --mode publish    publishes --count persistent messages of 256 bytes to a new queue, --window unconfirmed at
//                       most; with --rate so many a second, each one's latency counted from the moment it was due
//     --mode consume    consumes --count of them with --prefetch, acknowledging every --ack-every, and deletes the
//                       queue
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace weft::bench {

enum class broker_work : std::uint8_t { publish, consume };

struct messaging_plan {
  std::string url = "amqp://weft:weft@127.0.0.1:24672/", queue = "weft.bench", queue_type = "classic";
  broker_work mode = broker_work::publish;
  std::size_t count = 50'000, window = 256, ack_every = 50;
  std::uint16_t prefetch = 250;
  double rate = 0;  // a second; 0: as fast as it goes

  // Throws std::invalid_argument for what it does not know.
  static messaging_plan parse(int argc, char** argv) {
    messaging_plan p;
    for (int i = 1; i + 1 < argc; i += 2) {
      const std::string_view name = argv[i];
      const std::string value = argv[i + 1];
      if (name == "--url")
        p.url = value;
      else if (name == "--queue")
        p.queue = value;
      else if (name == "--queue-type")
        p.queue_type = value;
      else if (name == "--mode")
        p.mode = value == "consume" ? broker_work::consume : broker_work::publish;
      else if (name == "--count")
        p.count = std::stoul(value);
      else if (name == "--window")
        p.window = std::stoul(value);
      else if (name == "--prefetch")
        p.prefetch = static_cast<std::uint16_t>(std::stoul(value));
      else if (name == "--ack-every")
        p.ack_every = std::max(1UL, std::stoul(value));
      else if (name == "--rate")
        p.rate = std::stod(value);
      else
        throw std::invalid_argument{"no option " + std::string{name}};
    }
    return p;
  }
  [[nodiscard]] std::chrono::nanoseconds due(std::size_t number) const {
    return rate > 0 ? std::chrono::nanoseconds{static_cast<std::int64_t>(1e9 * static_cast<double>(number) / rate)}
                    : std::chrono::nanoseconds{0};
  }
};

// From its making to report(): time, CPU of this process, and latencies.
class messaging_measure {
 public:
  messaging_measure() : began_{now()}, cpu_{cpu_seconds()} {}
  [[nodiscard]] static std::chrono::steady_clock::time_point now() { return std::chrono::steady_clock::now(); }
  [[nodiscard]] std::chrono::nanoseconds elapsed() const { return now() - began_; }
  void settled(std::chrono::nanoseconds latency) { latencies_.push_back(latency.count()); }

  void report(const messaging_plan& p, std::size_t count) {
    const double seconds = std::chrono::duration<double>(elapsed()).count();
    const double cpu = cpu_seconds() - cpu_;
    std::ranges::sort(latencies_);
    const auto at = [this](double part) {
      if (latencies_.empty()) return 0.0;
      const auto last = static_cast<double>(latencies_.size() - 1);
      return static_cast<double>(latencies_[static_cast<std::size_t>(part * last)]) / 1000;
    };
    std::printf(
        "{\"mode\": \"%s\", \"count\": %zu, \"seconds\": %.3f, \"per_second\": %.0f, \"cpu_us\": %.3f, "
        "\"p50_us\": %.0f, \"p99_us\": %.0f}\n",
        p.mode == broker_work::publish ? "publish" : "consume", count, seconds, static_cast<double>(count) / seconds,
        1e6 * cpu / static_cast<double>(count), at(0.5), at(0.99));
  }

 private:
  [[nodiscard]] static double cpu_seconds() {
    rusage used{};
    ::getrusage(RUSAGE_SELF, &used);
    const auto seconds = [](const timeval& t) {
      return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
    };
    return seconds(used.ru_utime) + seconds(used.ru_stime);
  }
  std::chrono::steady_clock::time_point began_;
  double cpu_;
  std::vector<std::int64_t> latencies_;
};

inline constexpr std::size_t messaging_body_size = 256;

}  // namespace weft::bench
