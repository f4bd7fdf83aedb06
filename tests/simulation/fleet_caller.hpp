#pragma once
// A host that calls the fleet: a service_client with every policy between it and the instances, and the calls it makes.
#include "fleet_ledger.hpp"

#include <weft/discovery/service_client.hpp>
#include <weft/runtime/task_group.hpp>
#include <weft/testkit.hpp>

#include <memory>
#include <string>

namespace fleet {

// What stands between a caller and the fleet; every value may be drawn from the seed.
struct guard_options {
  weft::resilience::timeout overall{.after = std::chrono::seconds{2}};
  weft::resilience::rate_limit rate{.limit = 150, .burst = 50};  // about what a spike brings
  weft::resilience::bulkhead bulkhead{
      .max_concurrent = 256, .max_queued = 32, .queue_timeout = std::chrono::milliseconds{250}};
  weft::resilience::retry retry{.max_attempts = 3, .base_delay = std::chrono::milliseconds{50}};
  weft::resilience::circuit_breaker breaker{.minimum_throughput = 20,
                                            .window = std::chrono::seconds{5},
                                            .break_for = std::chrono::seconds{1},
                                            .break_multiplier = 2,
                                            .max_break_for = std::chrono::seconds{2},
                                            .probes = 3,
                                            .probe_timeout = std::chrono::seconds{1}};
  weft::resilience::adaptive_concurrency adaptive{
      .initial_limit = 60, .min_limit = 10, .mode = weft::resilience::policy_mode::off};
  weft::resilience::timeout attempt{.after = std::chrono::milliseconds{500}};
};

struct load {
  double per_second = 15;  // of one caller, as a Poisson process
  weft::duration spike_from{}, spike_until{};
  double spike_factor = 10;
  weft::duration until{};      // no call is made from then on
  weft::duration calm_from{};  // a call made from then on has to succeed
  double unsafe = 0.2;         // of the calls: POST without an idempotency key
  double own_deadline = 0.5;   // of the calls: the caller waits for less than the policies allow
};

class caller {
 public:
  caller(weft::testkit::host& h, ledger& book, std::unique_ptr<weft::discovery::registry> where,
         weft::discovery::service_client_options options, const guard_options& guards);

  // Returns when the load ends; calls are still under way then.
  weft::task<void> run(load what);

  [[nodiscard]] bool idle() const noexcept { return calls_.empty(); }
  // Checks what must hold when every call has ended.
  void check_nothing_is_left(weft::testkit::simulation& sim) const;
  [[nodiscard]] std::uint64_t retries() const noexcept {
    return client_.policies().count(weft::resilience::reason::retried);
  }

 private:
  struct one_call;
  weft::task<void> call(load what);
  void check_answer(const one_call& c, const weft::result<std::string>& answer, const load& what);
  void check_bounds();

  weft::testkit::host& host_;
  ledger& book_;
  guard_options guards_;
  std::size_t max_connections_, max_waiting_;
  std::unique_ptr<weft::discovery::registry> registry_;
  std::shared_ptr<weft::resilience::retry_core> retry_;
  std::shared_ptr<weft::resilience::breaker_core> breaker_;
  std::shared_ptr<weft::resilience::bulkhead_core> bulkhead_;
  weft::discovery::service_client client_;
  weft::task_group calls_;
};

}  // namespace fleet
