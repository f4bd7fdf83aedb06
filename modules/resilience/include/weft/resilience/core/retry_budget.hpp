#pragma once
// What retries may cost, so that they never become the outage. Two kinds (policies.hpp): a part of the requests under
// way (Envoy, Finagle), and gRPC's token bucket (A6). One budget is shared by all who call the same thing, from any
// thread; a request that needs no retry touches its own shard only.
#include <weft/resilience/core/shard.hpp>
#include <weft/resilience/policies.hpp>

#include <atomic>

namespace weft::resilience {

class retry_budget_core {
 public:
  explicit retry_budget_core(const retry_budget& options) { configure(options); }
  void configure(const retry_budget& options) noexcept;

  // Around every request, first attempts included.
  void request_started() noexcept {
    if (kind() == budget_kind::active) active_.add(1, shard_index());
  }
  void request_ended() noexcept {
    if (kind() == budget_kind::active) active_.add(-1, shard_index());
  }
  // After each attempt.
  void attempt_succeeded() noexcept {
    if (kind() == budget_kind::tokens) give_back();
  }
  void attempt_failed() noexcept;

  // One retry, from its pause until it ends.
  [[nodiscard]] bool try_retry() noexcept;
  // One that goes to another instance because the first is to blame, while others answer. It counts, so that others
  // wait for it, and is not refused: the load is what the service has without that instance.
  void retry_elsewhere() noexcept { retries_.fetch_add(1, std::memory_order_relaxed); }
  void retry_ended() noexcept;

  [[nodiscard]] std::uint32_t active_requests() const noexcept;
  [[nodiscard]] std::uint32_t active_retries() const noexcept { return retries_.load(std::memory_order_relaxed); }
  [[nodiscard]] std::uint32_t allowed_retries() const noexcept;  // at this moment, of kind active
  [[nodiscard]] double tokens() const noexcept;

 private:
  [[nodiscard]] budget_kind kind() const noexcept { return kind_.load(std::memory_order_relaxed); }
  void give_back() noexcept;

  std::atomic<budget_kind> kind_{budget_kind::none};
  std::atomic<std::uint64_t> ratio_millionths_{0};
  std::atomic<std::uint32_t> min_concurrent_{0};
  std::atomic<std::int64_t> max_millitokens_{0}, millitokens_per_success_{0};
  sharded_counter active_;
  alignas(cache_line) std::atomic<std::uint32_t> retries_{0};
  std::atomic<std::int64_t> millitokens_{-1};  // below zero: not filled yet
};

}  // namespace weft::resilience
