#pragma once
// Outlier detection: takes out of balancing, for a while, the host that fails where others do not. As Envoy's
// (envoy.config.cluster.v3.OutlierDetection), whose defaults these are.
//
//     outlier_detector detector{options};
//     detector.set_hosts(n);
//     if (auto why = detector.report(host.outlier, call_result::server_error, now)) { ... }   // ejected
//     for (auto& change : detector.sweep(records, now)) { ... }                               // each `interval`
//
// A sans-I/O core: time comes from the caller, and a record for each host lies where the caller wants it. What says
// nothing about the host never counts: a 429, a refusal on this side, a cancelled call (call_result::ignored).
#include <weft/base/error.hpp>
#include <weft/resilience/outcome.hpp>
#include <weft/runtime/timer.hpp>

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace weft::discovery {

enum class call_result : std::uint8_t {
  success,        // it answered, be it that the caller is wrong (4xx)
  server_error,   // 5xx
  gateway_error,  // 502, 503, 504: a server error too
  local_failure,  // no answer: refused, reset, timed out
  ignored,        // says nothing about the host
};
[[nodiscard]] call_result classify(const resilience::outcome_view& outcome) noexcept;

// Whether the very first host may be ejected although that is more than the limit.
enum class first_ejection : std::uint8_t { always, within_limit };

struct outlier_options {
  // In a row; 0: off. Gateway errors and failures without an answer count among the 5xx, as in Envoy unless it is told
  // to split them; their own limits are for being stricter about them.
  std::uint32_t consecutive_5xx = 5;
  std::uint32_t consecutive_gateway_failures = 0;
  std::uint32_t consecutive_local_failures = 0;

  // Success rate of the last interval below mean - factor * standard deviation, over hosts with at least `..._requests`
  // calls in it, if there are at least `..._hosts` of these. A factor of 0: off.
  double success_rate_stdev_factor = 1.9;
  std::uint32_t success_rate_min_hosts = 5;
  std::uint32_t success_rate_min_requests = 100;

  // Failed calls of the last interval in percent, at least this; 0: off (Envoy: not enforced; when it is, 85).
  double failure_percentage = 0;
  std::uint32_t failure_percentage_min_hosts = 5;
  std::uint32_t failure_percentage_min_requests = 50;

  duration interval = std::chrono::seconds{10};       // between sweeps
  duration base_ejection = std::chrono::seconds{30};  // times the number of ejections that are not yet forgiven
  duration max_ejection = std::chrono::seconds{300};
  double max_ejection_percent = 10;  // of all hosts
  // With few hosts 10 % is less than one. Older Envoys, and Istio's users, got one ejection all the same; newer ones
  // have always_eject_one_host, off by default. A detector that never acts in a small service helps nobody.
  first_ejection first = first_ejection::always;

  // errc::invalid_argument names the field.
  [[nodiscard]] result<> validate() const;
};

enum class ejection_cause : std::uint8_t {
  consecutive_5xx,
  consecutive_gateway_failures,
  consecutive_local_failures,
  success_rate,
  failure_percentage,
};
[[nodiscard]] std::string_view to_string(ejection_cause c) noexcept;

// What the detector knows about one host.
struct outlier_record {
  std::uint32_t failures_in_row = 0, gateway_in_row = 0, local_in_row = 0;
  std::uint32_t requests = 0, succeeded = 0;  // since the last sweep
  std::uint32_t multiplier = 0;  // of base_ejection; one step less for each interval in which it answered mostly well
  bool ejected = false;
  steady_time ejected_at{};
  duration ejected_for{};
  std::string why;  // of the last ejection, for people: "5 failures in a row, for 30 s"
};

struct outlier_change {
  enum class kind : std::uint8_t { ejected, returned } what;
  outlier_record* record;
  ejection_cause cause{};  // of an ejection
};

class outlier_detector {
 public:
  explicit outlier_detector(outlier_options options = {}) : options_{options} {}
  [[nodiscard]] const outlier_options& options() const noexcept { return options_; }

  // How many there are now, ejected ones included.
  void set_hosts(std::size_t count) noexcept { hosts_ = count; }
  // Ends an ejection before its time, since the host has answered well; false when it was not ejected.
  bool restore(outlier_record& record) noexcept;
  // A host that was ejected is gone.
  void forget(outlier_record& record) noexcept;
  [[nodiscard]] std::size_t ejected() const noexcept { return ejected_; }

  // After each call. The cause, when this call ejects the host.
  std::optional<ejection_cause> report(outlier_record& record, call_result outcome, steady_time now);
  // Every interval, over all hosts.
  [[nodiscard]] std::vector<outlier_change> sweep(std::span<outlier_record* const> records, steady_time now);

 private:
  [[nodiscard]] bool may_eject() const noexcept;
  bool eject(outlier_record& record, steady_time now, std::string why);
  void sweep_success_rate(std::span<outlier_record* const> records, steady_time now, std::vector<outlier_change>& out);
  void sweep_failures(std::span<outlier_record* const> records, steady_time now, std::vector<outlier_change>& out);

  outlier_options options_;
  std::size_t hosts_ = 0, ejected_ = 0;
};

}  // namespace weft::discovery
