#pragma once
// A circuit breaker's state machine (Nygard, "Release It!"; resilience4j's windows, rates and half-open rule).
//
//     breaker_core breaker{{.failure_ratio = 0.5, .break_for = 5s}, "posts"};
//     const auto permit = breaker.try_acquire(now);
//     if (!permit.admitted()) { ... }                      // breaker.cause() says why, retry_after(now) until when
//     ...                                                  // the call
//     breaker.record(permit, verdict::failure, latency, now, random);     // once for each admitted permit
//
// Every permit carries the epoch in which it was given; a state change begins a new one, so that a result of a call
// that started before the breaker tripped decides nothing. Half-open admits `probes` calls in all, each with a deadline
// of its own: one that is not reported by then counts as failed, so half-open ends in bounded time. An ignored outcome
// gives a probe's place back.
//
// Threads: any method from any thread. While closed, a call costs one load and one addition to the caller's own shard
// (by count: to a shared cursor); state changes and half-open take a spin lock.
#include <weft/resilience/core/call_window.hpp>
#include <weft/resilience/core/spin_lock.hpp>
#include <weft/resilience/outcome.hpp>
#include <weft/resilience/policies.hpp>
#include <weft/runtime/rng.hpp>

#include <array>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace weft::resilience {

enum class breaker_state : std::uint8_t {
  closed,
  open,
  half_open,
  isolated,  // open until someone closes it
};
[[nodiscard]] std::string_view to_string(breaker_state s) noexcept;

// Why a breaker is in its state; plain numbers, made into text when someone reads it.
struct breaker_cause {
  enum class kind : std::uint8_t {
    none,
    failure_ratio,  // "7 of 10 failed in 10 s"
    slow_ratio,     // "7 of 10 took 1 s or more in 10 s"
    consecutive,    // "5 failed in a row"
    probes_failed,  // "1 of 1 probes failed"
    probes_passed,
    break_over,
    by_hand,
  };
  kind why = kind::none;
  std::uint32_t part = 0, whole = 0;
  duration window{};  // zero: the last `whole` calls
  duration slow_after{};
  [[nodiscard]] std::string describe() const;
};

struct breaker_event {
  std::string_view name;
  breaker_state from, to;
  breaker_cause cause;
  steady_time at;
  duration until_probe{};  // to open: for how long
};

class breaker_core {
 public:
  enum class permit_kind : std::uint8_t { refused, counted, probe };
  struct permit {
    std::uint32_t epoch = 0;
    permit_kind kind = permit_kind::refused;
    std::uint8_t slot = 0;
    [[nodiscard]] bool admitted() const noexcept { return kind != permit_kind::refused; }
  };

  // Throws std::invalid_argument when lint() finds an error.
  explicit breaker_core(const circuit_breaker& options, std::string name = "circuit_breaker");
  breaker_core(const breaker_core&) = delete;
  breaker_core& operator=(const breaker_core&) = delete;

  [[nodiscard]] permit try_acquire(steady_time now) {
    const auto word = word_.load(std::memory_order_acquire);
    if (state_of(word) == breaker_state::closed) [[likely]]
      return {epoch_of(word), permit_kind::counted, 0};
    return acquire_slowly(now);
  }
  // `latency` is that of the call alone, without waits in queues.
  void record(permit p, verdict v, duration latency, steady_time now, rng& random);
  // Whether the state in which the permit was given still lasts.
  [[nodiscard]] bool current(permit p) const noexcept {
    return p.admitted() && epoch_of(word_.load(std::memory_order_acquire)) == p.epoch;
  }

  void open(steady_time now, rng& random);  // as if it had tripped
  void close(steady_time now);
  void isolate(steady_time now);

  [[nodiscard]] breaker_state state() const noexcept { return state_of(word_.load(std::memory_order_acquire)); }
  [[nodiscard]] breaker_cause cause() const;
  [[nodiscard]] duration retry_after(steady_time now) const noexcept;  // zero when it may admit
  [[nodiscard]] call_totals totals(steady_time now) const;
  [[nodiscard]] const std::string& name() const noexcept { return name_; }
  // How long a probe may take: a pipeline cuts its deadline to it.
  [[nodiscard]] duration probe_timeout() const;
  [[nodiscard]] circuit_breaker options() const;

  // New options, same state; the window's contents are kept when its shape is the same.
  void configure(const circuit_breaker& options);
  // Called after each change, on the thread that caused it, outside the lock. Set it before the breaker is in use.
  void on_change(std::function<void(const breaker_event&)> listener) { listener_ = std::move(listener); }
  // The same for others beside its owner, at any time: once for each `who`, false when that one watches already.
  bool watch(const void* who, std::function<void(const breaker_event&)> watcher);
  void unwatch(const void* who);

 private:
  static breaker_state state_of(std::uint64_t word) noexcept { return static_cast<breaker_state>(word & 0xff); }
  static std::uint32_t epoch_of(std::uint64_t word) noexcept { return static_cast<std::uint32_t>(word >> 32); }
  struct window {
    explicit window(const circuit_breaker& options);
    duration width;
    std::unique_ptr<time_window> by_time;
    std::unique_ptr<count_window> by_count;
    [[nodiscard]] call_totals totals(steady_time now) const;
  };
  struct probe {
    enum class phase : std::uint8_t { unused, under_way, counted } phase = phase::unused;
    steady_time deadline{};
  };
  static constexpr std::size_t most_probes = 32;

  permit acquire_slowly(steady_time now);
  void record_counted(std::uint32_t epoch, verdict v, duration latency, steady_time now, rng& random);
  [[nodiscard]] bool worth_judging(bool bad, std::uint64_t slot) const noexcept;
  void judge(std::uint32_t epoch, std::uint32_t in_a_row, steady_time now, rng& random);
  [[nodiscard]] breaker_cause verdict_on(const call_totals& seen, std::uint32_t in_a_row, const window& w) const;
  void record_probe(permit p, verdict v, duration latency, steady_time now, rng* random);
  // Under the lock; each returns the event to tell, if any, in `told`.
  void fail_overdue_probes(steady_time now);
  void conclude_probes(steady_time now, rng* random, std::optional<breaker_event>& told);
  void trip(breaker_cause why, steady_time now, rng* random, std::optional<breaker_event>& told);
  void enter(breaker_state next, breaker_cause why, steady_time now, std::optional<breaker_event>& told);
  void tell(const std::optional<breaker_event>& told) const;

  std::string name_;
  std::function<void(const breaker_event&)> listener_;

  alignas(cache_line) std::atomic<std::uint64_t> word_{0};  // epoch and state
  std::atomic<window*> window_;
  std::atomic<std::int64_t> slow_after_;
  std::atomic<std::uint32_t> consecutive_limit_;
  std::atomic<std::uint32_t> minimum_;

  alignas(cache_line) std::atomic<std::uint32_t> in_a_row_{0};
  std::atomic<std::uint64_t> last_bad_slot_{no_slot};  // when judging a success is worth while
  std::atomic<std::uint64_t> last_judged_slot_{no_slot};
  std::atomic<std::uint32_t> last_total_{0};
  std::atomic<steady_time::rep> open_until_{0};
  static constexpr std::uint64_t no_slot = ~std::uint64_t{0};

  mutable spin_lock lock_;  // what follows
  circuit_breaker options_;
  breaker_cause cause_;
  std::vector<std::unique_ptr<window>> windows_;  // the last is in use; writers may still be in the others
  std::array<probe, most_probes> probes_{};
  std::uint32_t probe_failures_ = 0, probe_slows_ = 0, probes_counted_ = 0, probes_under_way_ = 0;
  std::uint32_t trips_ = 0;  // since it was last closed
  std::vector<std::pair<const void*, std::shared_ptr<const std::function<void(const breaker_event&)>>>> watchers_;
};

}  // namespace weft::resilience
