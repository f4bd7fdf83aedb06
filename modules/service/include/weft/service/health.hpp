#pragma once
// Whether the service is able to do its work: named checks, asked together.
//
//     app.health().add("database", [&](context ctx) { return ping(db, ctx); }, {.timeout = 1s});
//     auto report = co_await app.health().run(ctx);      // report.healthy, report.to_json(loop.wall_now())
//
// The checks run at the same time, each with its own timeout; one that does not come back is unhealthy and holds up
// nobody. A check runs at most once at a time: who asks meanwhile gets that run's answer, so that many askers cost no
// more than one. A check that throws is unhealthy; the report does not say what was thrown, the observer is told.
// Belongs to one loop.
#include <weft/base/error.hpp>
#include <weft/base/time.hpp>
#include <weft/observe/span.hpp>
#include <weft/runtime/context.hpp>
#include <weft/runtime/loop.hpp>
#include <weft/runtime/task.hpp>

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace weft::service {

// What a check adds to its line: {"rss_bytes", 12345}.
using health_details = std::vector<observe::attribute>;
using health_check = std::function<task<result<health_details>>(context)>;

enum class health_weight : std::uint8_t {
  critical,  // the service is unhealthy without it
  advisory,  // shown, and no more
};

struct health_options {
  duration timeout = std::chrono::seconds{2};
  health_weight weight = health_weight::critical;
  duration keep{};  // an answer is given again for that long
};

struct health_report {
  struct line {
    std::string name;
    bool healthy = false;
    health_weight weight = health_weight::critical;
    std::string problem;  // of an unhealthy one
    health_details details;
  };
  bool healthy = true;
  std::vector<line> lines;  // in the order they were added

  // {"status":"healthy","checks":{"database":{"status":"healthy",...}},"timestamp":"..."}
  [[nodiscard]] std::string to_json(wall_time at) const;
};

// Told once of what a check threw, until it throws something else.
using health_observer = std::function<void(std::string_view check, std::string_view thrown)>;

class health_checks {
 public:
  explicit health_checks(loop& l, health_observer observer = {});
  ~health_checks();  // the checks that run are destroyed
  health_checks(const health_checks&) = delete;
  health_checks& operator=(const health_checks&) = delete;

  // Throws std::invalid_argument when the name is taken.
  void add(std::string name, health_check check, health_options options = {});
  [[nodiscard]] task<health_report> run(context ctx);

 private:
  struct impl;
  std::unique_ptr<impl> impl_;
};

// The resident memory of this process: unhealthy above the limit; 0: only shown.
[[nodiscard]] health_check memory_check(std::uint64_t limit_bytes);

}  // namespace weft::service
