#pragma once
// Whether a failed attempt is tried again, and when.
//
//     retry_core policy{{.max_attempts = 3}};
//     retry_core::progress so_far;                        // one for each call
//     const auto next = policy.next(so_far, outcome, replay::safe, ctx.remaining(now), random);
//     if (next.again) co_await wait(next.delay);          // else next.why says why not
//
// Stateless but for the budget; any thread.
#include <weft/resilience/core/retry_budget.hpp>
#include <weft/resilience/outcome.hpp>
#include <weft/resilience/reason.hpp>
#include <weft/runtime/rng.hpp>

#include <bitset>
#include <memory>
#include <string_view>

namespace weft::resilience {

// retry::on, compiled.
class retry_conditions {
 public:
  explicit retry_conditions(const std::vector<std::string>& words);
  [[nodiscard]] static bool known(std::string_view word);
  [[nodiscard]] bool match(const outcome_view& o) const noexcept;

 private:
  bool add(std::string_view word);
  static constexpr int first_status = 100, last_status = 599;
  std::uint32_t codes_ = 0;
  std::bitset<last_status + 1> statuses_;
};

// The pause before retry number `retry_number` (from 1); `previous` is the last pause, zero before the first.
[[nodiscard]] duration backoff_delay(const retry& options, std::uint32_t retry_number, duration previous, rng& random);

class retry_core {
 public:
  struct progress {
    std::uint32_t attempts = 1;  // that have started
    duration previous{};
  };
  struct decision {
    bool again = false;
    reason why = reason::retried;  // when not again: what forbade it; `succeeded` or `not_retriable` when nothing did
    duration delay{};
  };

  explicit retry_core(const retry& options, std::shared_ptr<retry_budget_core> budget = {});

  // Decides after an attempt, and takes from the budget when it says `again`: call budget().retry_ended() when that
  // retry has ended. `remaining` is what is left of the deadline.
  [[nodiscard]] decision next(progress& so_far, const outcome_view& o, replay may_repeat, duration remaining,
                              rng& random) const;
  [[nodiscard]] retry_budget_core& budget() const noexcept { return *budget_; }
  [[nodiscard]] const std::shared_ptr<retry_budget_core>& shared_budget() const noexcept { return budget_; }
  [[nodiscard]] const retry& options() const noexcept { return options_; }

 private:
  [[nodiscard]] reason forbidden(const progress& so_far, const outcome_view& o, replay may_repeat) const noexcept;

  retry options_;
  retry_conditions conditions_;
  std::shared_ptr<retry_budget_core> budget_;
};

}  // namespace weft::resilience
