#pragma once
// Policies from configuration, by name, which change while pipelines run and keep their states.
//
//     policies:
//       pricing:
//         timeout:         {after: 1s}              # of the whole
//         retry:           {max_attempts: 3, base_delay: 50ms}
//         circuit_breaker: {failure_ratio: 0.5, break_for: 5s}
//         attempt_timeout: {after: 300ms}           # of each attempt
//
//     WEFT_TRY(auto config, parse_policies(json_text));
//     policy_set set{config};
//     pipeline<http::response> guard{loop, set.at("pricing")};
//     set.apply(changed, loop.now());             // guard follows with its next call; the breaker keeps its state
//
// The order is cache, load_shed, timeout, retry, hedge, circuit_breaker, rate_limit, bulkhead, adaptive_concurrency,
// attempt_timeout, unless `order` names another. Threads: at(), find() and pipelines on any loop; apply() one at a
// time.
#include <weft/json/compiled_codec.hpp>
#include <weft/observe/metrics.hpp>
#include <weft/resilience/core/spin_lock.hpp>
#include <weft/resilience/lint.hpp>
#include <weft/resilience/policy_source.hpp>

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace weft::resilience {

// What is absent is not used.
struct policy {
  std::optional<cache_options> cache;
  std::optional<resilience::load_shed> load_shed;
  std::optional<resilience::timeout> timeout;
  std::optional<resilience::retry> retry;
  std::optional<resilience::hedge> hedge;
  std::optional<resilience::circuit_breaker> circuit_breaker;
  std::optional<resilience::rate_limit> rate_limit;
  std::optional<resilience::bulkhead> bulkhead;
  std::optional<resilience::adaptive_concurrency> adaptive_concurrency;
  std::optional<resilience::timeout> attempt_timeout;
  std::vector<std::string> order;  // the names of all that are used, outermost first; empty: the usual order
};
BOOST_DESCRIBE_STRUCT(policy, (),
                      (cache, load_shed, timeout, retry, hedge, circuit_breaker, rate_limit, bulkhead,
                       adaptive_concurrency, attempt_timeout, order))

struct policies {
  std::map<std::string, policy> policies;
};
BOOST_DESCRIBE_STRUCT(policies, (), (policies))

// From JSON text: {"policies": {"pricing": {"retry": {"max_attempts": 3}}}}. What is not named keeps its default; an
// unknown name is errc::invalid_argument with its path.
[[nodiscard]] result<policies> parse_policies(std::string_view json);

// Everything that is wrong or odd, each with its path ("$.policies.pricing.retry.base_delay") and remedy.
[[nodiscard]] problems lint(const policies& config);

// The names that a program asks for against those that are configured: an error for each that is missing, with the one
// that was probably meant, and a warning for each policy that nobody asks for.
[[nodiscard]] problems check_names(std::span<const std::string> asked, const policies& config);

class policy_set {
 public:
  explicit policy_set(const policies& config);  // throws std::invalid_argument with the first error of lint()
  policy_set(const policy_set&) = delete;
  policy_set& operator=(const policy_set&) = delete;
  ~policy_set();

  // All of it or, with errc::invalid_argument, nothing. A policy that is no longer named lets everything pass. One that
  // find() was asked for in vain is refused with errc::failed_precondition: it could not come into force.
  result<> apply(const policies& config, steady_time now);

  // For pipelines. Throws std::invalid_argument when there is none of that name, with the one that was probably meant.
  // It outlives the set.
  [[nodiscard]] std::shared_ptr<policy_source> at(std::string_view name) const;
  // The same for a name that need not be there; null then, and apply() refuses a configuration that names it later,
  // since whoever got null does not follow.
  [[nodiscard]] std::shared_ptr<policy_source> find(std::string_view name) const;
  // The names that at() and find() were asked for.
  [[nodiscard]] std::vector<std::string> asked() const;
  [[nodiscard]] std::vector<std::string> names() const;
  // To show it, or to open, close or isolate it by hand; null when the policy has none.
  [[nodiscard]] std::shared_ptr<breaker_core> breaker(std::string_view name) const;
  // Called on whatever thread changes a breaker's state. Set it before pipelines are in use.
  void on_breaker_change(std::function<void(const breaker_event&)> told);
  // Counts what pipelines made from now on decide, and how all breakers are (metrics.hpp). The registry outlives the
  // set and its pipelines.
  void measure(observe::registry& metrics);

 private:
  class entry;
  mutable std::map<std::string, bool, std::less<>> asked_;  // whether there was one
  std::shared_ptr<policy_listener> metrics_;
  mutable spin_lock lock_;  // of the map alone: apply() may add a name while another core looks one up
  std::map<std::string, std::shared_ptr<entry>, std::less<>> entries_;
  std::shared_ptr<std::function<void(const breaker_event&)>> told_;
};

}  // namespace weft::resilience

WEFT_JSON_DECLARE_CODEC(weft::resilience::policy)
