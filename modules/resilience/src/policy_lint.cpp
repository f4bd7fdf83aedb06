#include <weft/base/saturating.hpp>
#include <weft/resilience/policy_set.hpp>

#include "policy_order.hpp"
#include "text.hpp"

#include <algorithm>
#include <stdexcept>

namespace weft::resilience {

namespace {

using detail::policy_kind;

void take(problems& all, problems more) {
  all.insert(all.end(), std::make_move_iterator(more.begin()), std::make_move_iterator(more.end()));
}

void warn(problems& all, std::string path, std::string what, std::string remedy) {
  all.push_back({std::move(path), std::move(what), std::move(remedy), severity::warning});
}

// The longest that all attempts can take together, pauses at their cap.
duration longest(const retry& r, duration attempt) {
  const auto pauses = r.max_attempts - 1;
  return saturating_add(saturating_multiply(attempt, r.max_attempts), saturating_multiply(r.max_delay, pauses));
}

void lint_each(problems& all, const policy& p, const std::string& path) {
  const auto check = [&](const auto& options, const char* name) {
    if (options) take(all, lint(*options, path + "." + name));
  };
  check(p.cache, "cache");
  check(p.load_shed, "load_shed");
  check(p.timeout, "timeout");
  check(p.retry, "retry");
  check(p.hedge, "hedge");
  check(p.circuit_breaker, "circuit_breaker");
  check(p.rate_limit, "rate_limit");
  check(p.bulkhead, "bulkhead");
  check(p.adaptive_concurrency, "adaptive_concurrency");
  check(p.attempt_timeout, "attempt_timeout");
}

void lint_times(problems& all, const policy& p, const std::string& path) {
  const auto whole = p.timeout ? p.timeout->after : duration::max();
  const auto than_timeout = " than timeout.after (" + text::of(whole) + ")";
  if (p.retry && whole != duration::max() && p.retry->base_delay >= whole)
    warn(all, path + ".retry.base_delay", "is " + text::of(p.retry->base_delay) + ", no shorter" + than_timeout,
         "shorten it, or lengthen timeout.after: as it is, no retry can start");
  else if (p.retry && p.attempt_timeout && longest(*p.retry, p.attempt_timeout->after) > whole &&
           saturating_multiply(p.attempt_timeout->after, p.retry->max_attempts) > whole)
    warn(all, path + ".retry.max_attempts",
         std::to_string(p.retry->max_attempts) + " attempts of " + text::of(p.attempt_timeout->after) + " take longer" +
             than_timeout,
         "lower max_attempts or attempt_timeout.after, or lengthen timeout.after");
  if (p.bulkhead && p.bulkhead->max_queued > 0 && whole != duration::max() &&
      p.bulkhead->queue_timeout != duration::max() && p.bulkhead->queue_timeout >= whole)
    warn(all, path + ".bulkhead.queue_timeout",
         "is " + text::of(p.bulkhead->queue_timeout) + ", no shorter" + than_timeout,
         "shorten it: a call that waits so long has no time left");
  const auto attempt = std::min(whole, p.attempt_timeout ? p.attempt_timeout->after : duration::max());
  if (p.hedge && attempt != duration::max() && p.hedge->delay >= attempt)
    warn(all, path + ".hedge.delay",
         "is " + text::of(p.hedge->delay) + ", and an attempt ends after " + text::of(attempt),
         "shorten it: as it is, no hedge can start");
  if (p.circuit_breaker && p.circuit_breaker->slow_after != duration::max() && p.circuit_breaker->slow_after > attempt)
    warn(all, path + ".circuit_breaker.slow_after",
         "is " + text::of(p.circuit_breaker->slow_after) + ", and an attempt ends after " + text::of(attempt),
         "shorten it: as it is, no call is ever slow");
  if (p.timeout && p.attempt_timeout && !p.retry)
    warn(all, path + ".attempt_timeout", "stands beside timeout, and there is no retry", "keep the shorter of the two");
}

void lint_order(problems& all, const policy& p, const std::string& path) {
  const auto used = used_kinds(p);
  for (std::size_t i = 0; i < p.order.size(); ++i) {
    const auto& word = p.order[i];
    const auto at = path + ".order[" + std::to_string(i) + "]";
    if (std::ranges::find(used, word) == used.end())
      all.push_back({at, "\"" + word + "\" is no policy that is used here", "name those that are, each once"});
    else if (std::count(p.order.begin(), p.order.begin() + static_cast<std::ptrdiff_t>(i), word) > 0)
      all.push_back({at, "\"" + word + "\" is named twice", "name it once"});
  }
  if (p.order.empty()) return;
  for (const auto& kind : used)
    if (std::ranges::find(p.order, kind) == p.order.end())
      all.push_back({path + ".order", "does not name " + std::string{kind}, "name every policy that is used"});
}

void lint_composition(problems& all, const policy& p, const std::string& path) {
  std::vector<detail::stage> stages;
  for (const auto& word : order_of(p)) {
    const auto kind = kind_of(word);
    const auto after = word == "timeout"           ? p.timeout->after
                       : word == "attempt_timeout" ? p.attempt_timeout->after
                                                   : duration{};
    stages.push_back({.kind = kind, .after = after, .core = nullptr});
  }
  try {
    detail::check_composition(stages);
  } catch (const std::invalid_argument& e) {
    all.push_back({path + (p.order.empty() ? "" : ".order"), e.what(), ""});
  }
}

}  // namespace

problems lint(const policies& config) {
  problems all;
  for (const auto& [name, p] : config.policies) {
    const auto path = "$.policies." + name;
    problems here;
    lint_each(here, p, path);
    lint_order(here, p, path);
    lint_times(here, p, path);
    const bool sound = std::ranges::none_of(here, [](const problem& f) { return f.severity == severity::error; });
    if (sound) lint_composition(here, p, path);
    take(all, std::move(here));
  }
  return all;
}

}  // namespace weft::resilience
