#include <weft/base/saturating.hpp>
#include <weft/discovery/outlier.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace weft::discovery {
namespace {

double seconds(duration d) { return std::chrono::duration<double>(d).count(); }
double percent(std::uint32_t part, std::uint32_t of) { return 100.0 * part / of; }

}  // namespace

call_result classify(const resilience::outcome_view& outcome) noexcept {
  using resilience::verdict;
  if (outcome.local || outcome.verdict == verdict::ignored) return call_result::ignored;
  if (outcome.verdict == verdict::success) return call_result::success;
  if (outcome.status >= 502 && outcome.status <= 504) return call_result::gateway_error;
  if (outcome.status != 0) return call_result::server_error;
  // Of errors without a status, these are what the network says; the others an application said.
  if (outcome.code == errc::unavailable || outcome.code == errc::deadline_exceeded) return call_result::local_failure;
  return call_result::server_error;
}

std::string_view to_string(ejection_cause c) noexcept {
  switch (c) {
    case ejection_cause::consecutive_5xx:
      return "consecutive_5xx";
    case ejection_cause::consecutive_gateway_failures:
      return "consecutive_gateway_failures";
    case ejection_cause::consecutive_local_failures:
      return "consecutive_local_failures";
    case ejection_cause::success_rate:
      return "success_rate";
    case ejection_cause::failure_percentage:
      return "failure_percentage";
  }
  return "unknown";
}

result<> outlier_options::validate() const {
  const auto wrong = [](std::string_view field, std::string_view must) {
    return fail(errc::invalid_argument, std::string{field} + " must be " + std::string{must});
  };
  if (!(success_rate_stdev_factor >= 0)) return wrong("success_rate_stdev_factor", "0 or more");
  if (!(failure_percentage >= 0 && failure_percentage <= 100)) return wrong("failure_percentage", "from 0 to 100");
  if (!(max_ejection_percent >= 0 && max_ejection_percent <= 100))
    return wrong("max_ejection_percent", "from 0 to 100");
  if (interval <= duration::zero()) return wrong("interval", "more than 0");
  if (base_ejection <= duration::zero()) return wrong("base_ejection", "more than 0");
  if (max_ejection < base_ejection) return wrong("max_ejection", "at least base_ejection");
  return {};
}

void outlier_detector::forget(outlier_record& record) noexcept {
  if (record.ejected) --ejected_;
  record = {};
}

bool outlier_detector::restore(outlier_record& record) noexcept {
  if (!record.ejected) return false;
  record.ejected = false;
  record.failures_in_row = record.gateway_in_row = record.local_in_row = 0;
  --ejected_;
  return true;
}

bool outlier_detector::may_eject() const noexcept {
  if (ejected_ == 0 && options_.first == first_ejection::always) return hosts_ > 0;
  return 100.0 * static_cast<double>(ejected_ + 1) <= options_.max_ejection_percent * static_cast<double>(hosts_);
}

bool outlier_detector::eject(outlier_record& record, steady_time now, std::string why) {
  if (record.ejected || !may_eject()) return false;
  // Not beyond the step that reaches the longest ejection: from there it would take that many good sweeps to forgive.
  if (saturating_multiply(options_.base_ejection, record.multiplier) < options_.max_ejection) ++record.multiplier;
  record.ejected = true;
  record.ejected_at = now;
  record.ejected_for = std::min(saturating_multiply(options_.base_ejection, record.multiplier), options_.max_ejection);
  record.why = fmt::format("{}, for {:.6g} s", why, seconds(record.ejected_for));
  ++ejected_;
  return true;
}

std::optional<ejection_cause> outlier_detector::report(outlier_record& record, call_result outcome, steady_time now) {
  if (outcome == call_result::ignored) return std::nullopt;
  ++record.requests;
  if (outcome == call_result::success) {
    ++record.succeeded;
    record.failures_in_row = record.gateway_in_row = record.local_in_row = 0;
    return std::nullopt;
  }
  ++record.failures_in_row;
  record.gateway_in_row = outcome == call_result::server_error ? 0 : record.gateway_in_row + 1;
  record.local_in_row = outcome == call_result::local_failure ? record.local_in_row + 1 : 0;

  const auto reached = [](std::uint32_t count, std::uint32_t limit) { return limit != 0 && count >= limit; };
  if (reached(record.local_in_row, options_.consecutive_local_failures) &&
      eject(record, now, fmt::format("{} calls in a row without an answer", record.local_in_row)))
    return ejection_cause::consecutive_local_failures;
  if (reached(record.gateway_in_row, options_.consecutive_gateway_failures) &&
      eject(record, now, fmt::format("{} gateway failures in a row", record.gateway_in_row)))
    return ejection_cause::consecutive_gateway_failures;
  if (reached(record.failures_in_row, options_.consecutive_5xx) &&
      eject(record, now, fmt::format("{} failures in a row", record.failures_in_row)))
    return ejection_cause::consecutive_5xx;
  return std::nullopt;
}

std::vector<outlier_change> outlier_detector::sweep(std::span<outlier_record* const> records, steady_time now) {
  std::vector<outlier_change> changes;
  for (auto* record : records) {
    if (!record->ejected) {
      // An interval without calls shows nothing, and one of mostly failures shows the contrary.
      const bool good = record->succeeded > 0 && record->succeeded >= record->requests - record->succeeded;
      if (record->multiplier > 0 && good) --record->multiplier;
    } else if (time_between(record->ejected_at, now) >= record->ejected_for) {
      restore(*record);
      changes.push_back({outlier_change::kind::returned, record});
    }
  }
  sweep_success_rate(records, now, changes);
  sweep_failures(records, now, changes);
  for (auto* record : records) record->requests = record->succeeded = 0;
  return changes;
}

void outlier_detector::sweep_success_rate(std::span<outlier_record* const> records, steady_time now,
                                          std::vector<outlier_change>& out) {
  if (options_.success_rate_stdev_factor <= 0) return;
  std::vector<std::pair<outlier_record*, double>> measured;
  for (auto* record : records)
    if (!record->ejected && record->requests > 0 && record->requests >= options_.success_rate_min_requests)
      measured.emplace_back(record, percent(record->succeeded, record->requests));
  if (measured.empty() || measured.size() < options_.success_rate_min_hosts) return;

  const auto count = static_cast<double>(measured.size());
  double sum = 0, squares = 0;
  for (const auto& [record, rate] : measured) sum += rate;
  const auto mean = sum / count;
  for (const auto& [record, rate] : measured) squares += (rate - mean) * (rate - mean);
  const auto deviation = std::sqrt(squares / count);
  const auto threshold = mean - options_.success_rate_stdev_factor * deviation;
  for (const auto& [record, rate] : measured)
    if (rate < threshold &&
        eject(*record, now,
              fmt::format("success rate {:.1f} % of {} calls, below {:.1f} % (mean {:.1f}, deviation {:.1f})", rate,
                          record->requests, threshold, mean, deviation)))
      out.push_back({outlier_change::kind::ejected, record, ejection_cause::success_rate});
}

void outlier_detector::sweep_failures(std::span<outlier_record* const> records, steady_time now,
                                      std::vector<outlier_change>& out) {
  if (options_.failure_percentage <= 0) return;
  std::vector<outlier_record*> measured;
  for (auto* record : records)
    if (!record->ejected && record->requests > 0 && record->requests >= options_.failure_percentage_min_requests)
      measured.push_back(record);
  if (measured.size() < options_.failure_percentage_min_hosts) return;
  for (auto* record : measured) {
    const auto failed = percent(record->requests - record->succeeded, record->requests);
    if (failed >= options_.failure_percentage &&
        eject(*record, now,
              fmt::format("{:.1f} % of {} calls failed, at least {:.1f} %", failed, record->requests,
                          options_.failure_percentage)))
      out.push_back({outlier_change::kind::ejected, record, ejection_cause::failure_percentage});
  }
}

}  // namespace weft::discovery
