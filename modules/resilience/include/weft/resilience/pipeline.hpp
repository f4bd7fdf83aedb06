#pragma once
// Policies around a call, the first named outermost.
//
//     resilience::pipeline<http::response> guard{loop, "pricing",
//                                                resilience::timeout{.after = 1s},             // of the whole
//                                                resilience::retry{.max_attempts = 3, .base_delay = 50ms},
//                                                resilience::circuit_breaker{.failure_ratio = 0.5, .break_for = 5s},
//                                                resilience::timeout{.after = 300ms}};         // of each attempt
//     auto found = co_await guard.run(ctx, [&](const context& ctx) { return pricing.get_raw(ctx, path); });
//
// The operation is called once for each attempt with a context whose deadline is cut to what is left, and gives a
// task<result<T>>; it may also take an `attempt&` (attempt.hpp). It must honour its context; a task that is still
// suspended a moment after its deadline is destroyed. What goes wrong comes back as an error that tells what happened;
// nothing is thrown. `outcome_traits<T>` (outcome.hpp) says which results are failures.
//
// Order. fallback, then cache, come first. Around all attempts: load_shed and whatever stands before retry. Around
// each attempt: what stands after retry; around each copy of one: what stands after hedge. A circuit_breaker stands
// before the bulkhead and limits of its side. Each kind occurs once, or once on each side of retry. What breaks these
// rules throws std::invalid_argument that says why. A refusal by one of these policies is never an outcome to the
// others: it trips no breaker, takes no latency sample, and is not retried.
//
// State. Options make a state of the pipeline's own; a shared_ptr to a core (breaker_core, bulkhead_core, ...) shares
// it with other pipelines, of other loops too: one breaker for each host, say.
//
// A deadline of the caller's that is shorter than an attempt's own timeout says nothing about the callee when it
// passes: no breaker counts it. What an operation, a fallback or a weigher throws becomes errc::internal. A pipeline
// belongs to one loop. It may be destroyed while calls are under way; a background refresh ends with it. Cost while all
// is well: one coroutine frame, from the pool, and one context when a timeout cuts the deadline.
#include <weft/resilience/core/cache.hpp>
#include <weft/resilience/detail/bounded_call.hpp>
#include <weft/resilience/detail/engine.hpp>
#include <weft/resilience/detail/flight.hpp>
#include <weft/resilience/metrics.hpp>
#include <weft/resilience/policy_source.hpp>
#include <weft/resilience/weight.hpp>
#include <weft/runtime/guarded.hpp>
#include <weft/runtime/sleep.hpp>
#include <weft/runtime/task_group.hpp>

#include <concepts>
#include <functional>

namespace weft::resilience {

// Answers when everything inside it has failed; a caller that gave up, or whose request is wrong, gets no fallback.
template <class T>
struct fallback {
  std::function<task<result<T>>(const context& ctx, const error& last)> handle;
  policy_mode mode = policy_mode::enforce;

  [[nodiscard]] static fallback value(T v) {
    return {[v = std::move(v)](const context&, const error&) { return give(v); }};
  }

 private:
  static task<result<T>> give(T v) { co_return v; }
};

// Answers from before, by call_options::cache_key. One caller fetches at a time for each key, the others wait for it.
template <class T>
struct cache {
  cache_options options{};
  std::function<std::uint64_t(const T&)> weigh;  // bytes; without it weight_of() of weight.hpp
};

// A limit for each call_options::limit_key, in a store that may be shared: keyed_rate_limit{store, {.limit = 100}}.
using keyed_rate_limit = detail::keyed_limiter;

using detail::breaker_scope;

template <class Operation, class T>
concept operation_of = std::is_invocable_r_v<task<result<T>>, Operation&, const context&> ||
                       std::is_invocable_r_v<task<result<T>>, Operation&, const context&, attempt&>;

template <class T>
class pipeline {
 public:
  // Throws std::invalid_argument for options or an order that cannot work.
  template <class... Policies>
  pipeline(loop& l, std::string name, Policies... outermost_first);
  // With the policies of that name, and their state, from a policy_set; `typed` are fallback and cache. Throws
  // std::invalid_argument for null: policy_set::at() says which name is wrong.
  template <class... Typed>
  pipeline(loop& l, std::shared_ptr<policy_source> source, Typed... typed);

  template <operation_of<T> Operation>
  [[nodiscard]] task<result<T>> run(context ctx, Operation operation) {
    return run(std::move(ctx), call_options{}, std::move(operation));
  }
  template <operation_of<T> Operation>
  [[nodiscard]] task<result<T>> run(context ctx, call_options options, Operation operation) {
    if (source_) [[unlikely]]
      follow_source();
    if (fallback_ || cache_)
      return with_answers(shared_, engine_, std::move(ctx), std::move(options), std::move(operation));
    return attempts(engine_, std::move(ctx), std::move(options), std::move(operation));
  }

  // Told of every decision from now on; must outlive the pipeline and its calls.
  void listen(policy_listener& l);
  // Counts every decision in these metrics (metrics.hpp) from now on; they outlive the pipeline.
  void measure(observe::registry& metrics);
  // What a circuit_breaker inside retry counts: by default each attempt. breaker_scope::call is for operations whose
  // attempts go to different instances of a service: it asks once for each call and counts how that ended, and a
  // failure that attempt::blame_peer() lays on one instance is none of the service. Before the first call.
  void set_breaker_scope(breaker_scope s) noexcept;
  // The longest that a call takes by its own policies; duration::max() without a timeout.
  [[nodiscard]] duration whole_timeout();
  // How often this was done, or would have been done by a policy in shadow mode.
  [[nodiscard]] std::uint64_t count(reason r) const noexcept { return counts_->acted[static_cast<std::size_t>(r)]; }
  [[nodiscard]] std::uint64_t shadow_count(reason r) const noexcept {
    return counts_->shadow[static_cast<std::size_t>(r)];
  }
  [[nodiscard]] const std::string& name() const noexcept { return name_; }

 private:
  struct cached {
    explicit cached(const cache<T>& c) : options{c}, values{c.options} {}
    cache<T> options;
    cache_core<T> values;
    detail::flights flights;
  };
  struct answers {
    std::optional<fallback<T>> otherwise;
    std::optional<cached> before;
    std::unique_ptr<task_group> refreshes;
  };
  template <class Operation>
  static task<result<T>> attempts(detail::engine_ref e, context ctx, call_options options, Operation operation);
  template <class Operation>
  static task<result<T>> with_answers(std::shared_ptr<answers> shared, detail::engine_ref e, context ctx,
                                      call_options options, Operation operation);
  template <class Operation>
  static task<result<T>> through_cache(std::shared_ptr<answers> shared, detail::engine_ref e, context ctx,
                                       call_options options, Operation operation);
  template <class Operation>
  static task<void> refresh(cached& c, detail::engine_ref e, context ctx, call_options options, Operation operation,
                            detail::flights::lead lead);
  static void keep(cached& c, const std::string& key, const result<T>& got, steady_time now);
  static bool failed_for_itself(const context& ctx, steady_time began, const detail::engine& e,
                                const decision_record& record);
  // A cache gives out copies, and knows how large they are.
  static constexpr bool can_cache = std::is_copy_constructible_v<T> && weighable<T>;

  void add(std::vector<detail::stage>& stages, fallback<T> f);
  void add(std::vector<detail::stage>& stages, cache<T> c);
  template <class Policy>
  void add(std::vector<detail::stage>& stages, Policy p) {
    stages.push_back(detail::make_stage(std::move(p)));
  }
  void follow_source();

  loop& loop_;
  std::string name_;
  std::shared_ptr<detail::tally> counts_ = std::make_shared<detail::tally>();
  breaker_scope scope_ = breaker_scope::attempt;
  std::shared_ptr<answers> shared_;
  bool fallback_ = false, cache_ = false;
  std::vector<detail::stage> typed_;
  detail::engine_ref engine_;
  std::shared_ptr<policy_source> source_;
  std::uint64_t version_ = 0;
};

}  // namespace weft::resilience

#include <weft/resilience/detail/pipeline_run.hpp>
